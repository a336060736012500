"""Paths and encodings of c2sp.org/tlog-tiles: tiles of 256 hashes, bundles of 256 entries."""

from typing import Final

from workbench.errors import VerificationError
from workbench.merkle import HASH_BYTES

TILE_WIDTH: Final = 256
MAXIMUM_ENTRY: Final = 65_535
CHECKPOINT: Final = "checkpoint"


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


def encode_bundle(entries: list[bytes]) -> bytes:
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
