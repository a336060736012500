"""What else lies in a log's folder than the tree of its checkpoint needs."""

from dataclasses import dataclass

from workbench.contracts.printable import one_line
from workbench.decision_log.journal import JOURNAL, parse_batch
from workbench.decision_log.pruned import is_ids_path
from workbench.decision_log.requests import is_in_log
from workbench.decision_log.storage import LOCK, SERVICE, UNFINISHED, Storage
from workbench.decision_log.tiles import (
    CHECKPOINT,
    TILE_WIDTH,
    TilePath,
    decode_bundle,
    encode_bundle,
    parse_path,
    tile_path,
)
from workbench.errors import VerificationError
from workbench.merkle import HASH_BYTES, leaf_hash


@dataclass(frozen=True)
class OtherFiles:
    """Files that a log does not need.

    Attributes:
        leftovers: Partial tiles and bundles of earlier sizes; all begin today's.
        beyond: Tiles and bundles of a larger tree than the checkpoint signs.
        unfinished: Files whose writing was interrupted, and batches not yet published.
        foreign: No part of a log.
        pending: Entries in the journal, durable and not yet under the published checkpoint.
    """

    leftovers: tuple[str, ...]
    beyond: tuple[str, ...]
    unfinished: tuple[str, ...]
    foreign: tuple[str, ...]
    pending: int

    def sentences(self) -> list[str]:
        """For people."""
        lines = []
        if self.leftovers:
            lines.append(f"{len(self.leftovers)} partial tiles of earlier sizes, all consistent.")
        if self.pending:
            lines.append(
                f"{self.pending:,} further entries are durable in the journal and not published"
                " yet: the next writer puts them in place."
            )
        lines += [f"Interrupted write: {one_line(path)}" for path in self.unfinished]
        return lines + [f"Foreign file: {one_line(path)}" for path in self.foreign]


def other_files(storage: Storage, size: int) -> OtherFiles:
    """Sort the files of a log into those that its tree needs and others.

    Raises:
        VerificationError: A leftover is not the beginning of today's tile or bundle.
    """
    groups: dict[str, list[str]] = {"leftover": [], "beyond": [], "unfinished": [], "foreign": []}
    for path in storage.paths():
        group = _group(path, size)
        if group:
            groups[group].append(path)
    for path in groups["leftover"]:
        _check_leftover(storage, path, size)
    batches = map(parse_batch, storage.journal())
    ends = [batch.end for batch in batches if is_in_log(batch)]
    pending = max([size, *ends]) - size
    return OtherFiles(
        tuple(groups["leftover"]),
        tuple(groups["beyond"]),
        tuple(groups["unfinished"]),
        tuple(groups["foreign"]),
        pending,
    )


def _group(path: str, size: int) -> str:
    if path in (CHECKPOINT, LOCK, SERVICE, JOURNAL):
        return ""
    parsed = parse_path(path)
    if parsed is None and is_ids_path(path, size // TILE_WIDTH):
        return ""
    if parsed is None:
        name = path.rpartition("/")[2]
        return "unfinished" if name.startswith(".") and name.endswith(UNFINISHED) else "foreign"
    today = _width_today(parsed, size)
    if parsed.width == today:
        return ""
    return "leftover" if parsed.width < today else "beyond"


def _width_today(parsed: TilePath, size: int) -> int:
    nodes = size >> 8 * (parsed.level or 0)
    return max(0, min(TILE_WIDTH, nodes - parsed.index * TILE_WIDTH))


def _check_leftover(storage: Storage, path: str, size: int) -> None:
    parsed = parse_path(path)
    if parsed is None:
        raise ValueError(path)
    whole = parsed.with_width(_width_today(parsed, size))
    data, full = storage.read(path), storage.read(whole)
    if data is not None and full is None and parsed.level is None:
        _check_pruned_leftover(storage, path, parsed, data)
        return
    if data is None or full is None:  # dropped by an append in the meantime
        return
    if parsed.level is None:
        expected = encode_bundle(decode_bundle(full, whole)[: parsed.width])
    else:
        expected = full[: parsed.width * HASH_BYTES]
    if data != expected:
        raise VerificationError(f"{path}: not the beginning of {whole}.")


def _check_pruned_leftover(storage: Storage, path: str, parsed: TilePath, data: bytes) -> None:
    """The bundle was pruned, and one of its beginnings stayed: compared with its hashes."""
    leaves = storage.read(tile_path(0, parsed.index, TILE_WIDTH))
    if leaves is None:
        return
    entries = decode_bundle(data, path)
    if b"".join(map(leaf_hash, entries)) != leaves[: parsed.width * HASH_BYTES]:
        raise VerificationError(f"{path}: differs from the hashes of the entries.")
