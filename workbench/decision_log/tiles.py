"""Paths and encodings of c2sp.org/tlog-tiles: tiles of 256 hashes, bundles of 256 entries."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from workbench.errors import VerificationError
from workbench.merkle import HASH_BYTES

TILE_WIDTH: Final = 256
MAXIMUM_ENTRY: Final = 65_535
CHECKPOINT: Final = "checkpoint"
_PATH: Final = re.compile(
    r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,5}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


def _index_path(index: int) -> str:
    """Groups of three digits, all but the last prefixed with x: 1234067 is x001/x234/067."""
    parts = [f"{index % 1000:03d}"]
    while index >= 1000:
        index //= 1000
        parts.insert(0, f"x{index % 1000:03d}")
    return "/".join(parts)


def _suffix(width: int) -> str:
    if not 1 <= width <= TILE_WIDTH:
        raise ValueError(f"width {width}")
    return "" if width == TILE_WIDTH else f".p/{width}"


def tile_path(level: int, index: int, width: int) -> str:
    """Path of a tile of hashes of complete subtrees of 256^level leaves."""
    return f"tile/{level}/{_index_path(index)}{_suffix(width)}"


def bundle_path(index: int, width: int) -> str:
    """Path of a bundle of entries."""
    return f"tile/entries/{_index_path(index)}{_suffix(width)}"


@dataclass(frozen=True)
class TilePath:
    """A parsed path; `level` is None for a bundle of entries."""

    level: int | None
    index: int
    width: int

    def with_width(self, width: int) -> str:
        """The path of the same tile or bundle at another width."""
        if self.level is None:
            return bundle_path(self.index, width)
        return tile_path(self.level, self.index, width)


def parse_path(path: str) -> TilePath | None:
    """What a path names; None where it names neither a tile nor a bundle, spelt exactly."""
    match = _PATH.fullmatch(path)
    if match is None:
        return None
    kind, digits, width = match.groups()
    index = int(digits.replace("x", "").replace("/", ""))
    parsed = TilePath(
        None if kind == "entries" else int(kind), index, int(width) if width else TILE_WIDTH
    )
    if width and parsed.width >= TILE_WIDTH:
        return None
    return parsed if parsed.with_width(parsed.width) == path else None


def read_prefix(read: Callable[[str], bytes | None], path: str, width: int) -> bytes | None:
    """A tile or bundle, from the full one where the partial one was dropped since (tlog-tiles)."""
    data = read(path)
    parsed = parse_path(path)
    if data is not None or parsed is None or width == TILE_WIDTH:
        return data
    whole = read(parsed.with_width(TILE_WIDTH))
    if whole is None:
        return None
    if parsed.level is not None:
        return whole[: width * HASH_BYTES]
    return encode_bundle(decode_bundle(whole, path)[:width])


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries one after the other, each after its length as 16 bits, big-endian."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, where: str) -> list[bytes]:
    """Entries of a bundle.

    Raises:
        VerificationError: The bundle ends within an entry.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        end = position + 2 + int.from_bytes(data[position : position + 2], "big")
        if position + 2 > len(data) or end > len(data):
            raise VerificationError(f"{where}: ends within entry {len(entries)} of the bundle.")
        entries.append(data[position + 2 : end])
        position = end
    return entries


def decode_tile(data: bytes, width: int, where: str) -> list[bytes]:
    """Hashes of a tile.

    Raises:
        VerificationError: It does not hold `width` hashes.
    """
    if len(data) != width * HASH_BYTES:
        raise VerificationError(f"{where}: {len(data)} bytes; expected {width * HASH_BYTES}.")
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def widths(size: int) -> list[tuple[int, int]]:
    """For each level of a tree: number of full tiles and width of the partial one (0: none)."""
    levels = []
    while True:
        levels.append(divmod(size, TILE_WIDTH))
        size //= TILE_WIDTH
        if not size:
            return levels
