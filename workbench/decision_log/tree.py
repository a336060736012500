"""The tree of a log as its tiles hold it: reading nodes and proofs, growing the right edge."""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from workbench.decision_log.pruned import Gone, decode_ids, ids_path
from workbench.decision_log.storage import Storage
from workbench.decision_log.tiles import (
    TILE_WIDTH,
    bundle_path,
    decode_bundle,
    decode_tile,
    encode_bundle,
    read_prefix,
    tile_path,
    widths,
)
from workbench.errors import LogError, PrunedError
from workbench.merkle import (
    EMPTY_ROOT,
    largest_power_below,
    leaf_hash,
    node_hash,
    tree_root,
)

_TILES_KEPT: Final = 256


class TreeReader:
    """Entries, nodes and proofs of the first `size` entries of a log."""

    def __init__(self, storage: Storage, size: int) -> None:
        self.size = size
        self._storage = storage
        self._tiles: OrderedDict[tuple[int, int], list[bytes]] = OrderedDict()
        self._bundle: tuple[int, list[bytes]] = (-1, [])

    def entry(self, index: int) -> bytes:
        """One entry.

        Raises:
            LogError: There is no such entry, or its bundle is missing or damaged.
            PrunedError: Its bundle is not here, what pruning leaves in its place is.
        """
        if not 0 <= index < self.size:
            raise LogError(f"entry {index}: not among the log's {self.size} entries.")
        number, offset = divmod(index, TILE_WIDTH)
        if self._bundle[0] != number:
            self._bundle = (number, self._read_bundle(number))
        return self._bundle[1][offset]

    def entries(self, start: int = 0) -> Iterator[tuple[int, bytes | Gone]]:
        """Entries from `start` on with their indexes; one bundle at a time is in memory."""
        for number in range(start // TILE_WIDTH, -(-self.size // TILE_WIDTH)):
            first = number * TILE_WIDTH
            bundle: Sequence[bytes | Gone]
            try:
                bundle = self._read_bundle(number)
            except PrunedError:
                bundle = self._gone(number) or []
            for offset in range(max(0, start - first), len(bundle)):
                yield first + offset, bundle[offset]

    def _gone(self, number: int) -> list[Gone] | None:
        """What pruning left of a full bundle; None where nothing is."""
        if (number + 1) * TILE_WIDTH > self.size:
            return None
        return decode_ids(self._storage.read(ids_path(number)))

    def inclusion_proof(self, index: int) -> list[bytes]:
        """Audit path of an entry (RFC 6962, section 2.1.1)."""
        path: list[bytes] = []
        start, end = 0, self.size
        while end - start > 1:
            middle = start + largest_power_below(end - start)
            if index < middle:
                path.append(self.root(middle, end))
                end = middle
            else:
                path.append(self.root(start, middle))
                start = middle
        return path[::-1]

    def consistency_proof(self, first: int) -> list[bytes]:
        """That the first `first` entries are a prefix of the tree (RFC 6962, section 2.1.2)."""
        path: list[bytes] = []
        start, end, complete = 0, self.size, True
        if first in (0, self.size):
            return path
        while first != end:
            middle = start + largest_power_below(end - start)
            if first <= middle:
                path.append(self.root(middle, end))
                end = middle
            else:
                path.append(self.root(start, middle))
                start, complete = middle, False
        return path[::-1] if complete else [self.root(start, end), *path[::-1]]

    def root(self, start: int = 0, end: int | None = None) -> bytes:
        """Root over entries `start` to `end`: the whole tree, a prefix or one of their nodes."""
        end = self.size if end is None else end
        count = end - start
        if count == 0:
            return EMPTY_ROOT
        if count & (count - 1):
            middle = start + largest_power_below(count)
            return node_hash(self.root(start, middle), self.root(middle, end))
        level, within = divmod(count.bit_length() - 1, 8)
        number, offset = divmod(start >> 8 * level, TILE_WIDTH)
        return tree_root(self._tile(level, number)[offset : offset + (1 << within)])

    def _tile(self, level: int, number: int) -> list[bytes]:
        key = (level, number)
        if key not in self._tiles:
            width = min(TILE_WIDTH, (self.size >> 8 * level) - number * TILE_WIDTH)
            path = tile_path(level, number, width)
            data = read_prefix(self._storage.read, path, width)
            if data is None:
                raise _missing(path)
            self._tiles[key] = decode_tile(data, width, path)
            if len(self._tiles) > _TILES_KEPT:
                self._tiles.popitem(last=False)
        return self._tiles[key]

    def _read_bundle(self, number: int) -> list[bytes]:
        width = min(TILE_WIDTH, self.size - number * TILE_WIDTH)
        path = bundle_path(number, width)
        data = read_prefix(self._storage.read, path, width)
        if data is None and self._gone(number) is not None:
            first = number * TILE_WIDTH
            raise PrunedError(
                f"entries {first} to {first + TILE_WIDTH - 1}: were pruned, the log keeps their"
                " hashes only; proofs made before still verify, ask who holds one."
            )
        if data is None:
            raise _missing(path)
        entries = decode_bundle(data, path)
        if len(entries) != width:
            raise LogError(f"{path}: {len(entries)} entries; expected {width}.")
        return entries


@dataclass
class Edge:
    """The right edge of a tree: per level the hashes of its partial tile, and the last bundle."""

    size: int = 0
    levels: list[list[bytes]] = field(default_factory=list)
    bundle: list[bytes] = field(default_factory=list)

    def root(self) -> bytes:
        """Root of the whole tree."""
        last: list[bytes] = []
        for level in self.levels:
            nodes = [*level, *last]
            last = [tree_root(nodes)] if nodes else []
        return last[0] if last else EMPTY_ROOT


def read_edge(storage: Storage, size: int) -> Edge:
    """The right edge of a stored tree.

    Raises:
        LogError: A tile or the last bundle is missing or damaged, or they disagree.
    """
    edge = Edge(size)
    for level, (full, partial) in enumerate(widths(size)):
        hashes: list[bytes] = []
        if partial:
            path = tile_path(level, full, partial)
            data = read_prefix(storage.read, path, partial)
            if data is None:
                raise _missing(path)
            hashes = decode_tile(data, partial, path)
        edge.levels.append(hashes)
    number, width = divmod(size, TILE_WIDTH)
    if width:
        path = bundle_path(number, width)
        data = read_prefix(storage.read, path, width)
        if data is None:
            raise _missing(path)
        edge.bundle = decode_bundle(data, path)
        if [leaf_hash(entry) for entry in edge.bundle] != edge.levels[0]:
            raise LogError(
                f"{path}: its entries are not those of {tile_path(0, number, width)}; nothing was"
                " appended. Run 'workbench log verify', and restore the log from a backup."
            )
    return edge


def grow(edge: Edge, entries: Sequence[bytes]) -> dict[str, bytes]:
    """Add entries to an edge.

    Returns:
        Path and content of every bundle and tile to be written: the full ones that were filled
        and the partial ones of the new size.
    """
    filled: dict[str, bytes] = {}
    for entry in entries:
        add_entry(edge, entry, filled)
    return filled | partials(edge)


def add_entry(edge: Edge, entry: bytes, filled: dict[str, bytes]) -> None:
    """Add one entry to an edge; path and content of what it fills are added to `filled`."""
    edge.bundle.append(entry)
    _push(edge, 0, leaf_hash(entry), filled)
    edge.size += 1
    if len(edge.bundle) == TILE_WIDTH:
        number = edge.size // TILE_WIDTH - 1
        filled[bundle_path(number, TILE_WIDTH)] = encode_bundle(edge.bundle)
        edge.bundle = []


def partials(edge: Edge) -> dict[str, bytes]:
    """Path and content of the last bundle and the last tile of each level, where not full."""
    objects: dict[str, bytes] = {}
    if edge.bundle:
        path = bundle_path(edge.size // TILE_WIDTH, len(edge.bundle))
        objects[path] = encode_bundle(edge.bundle)
    for level, (full, partial) in enumerate(widths(edge.size)):
        if partial:
            objects[tile_path(level, full, partial)] = b"".join(edge.levels[level])
    return objects


def _push(edge: Edge, level: int, node: bytes, objects: dict[str, bytes]) -> None:
    if level == len(edge.levels):
        edge.levels.append([])
    tile = edge.levels[level]
    tile.append(node)
    if len(tile) == TILE_WIDTH:
        # edge.size counts the leaves before this one
        number = edge.size // TILE_WIDTH ** (level + 1)
        objects[tile_path(level, number, TILE_WIDTH)] = b"".join(tile)
        edge.levels[level] = []
        _push(edge, level + 1, tree_root(tile), objects)


def _missing(path: str) -> LogError:
    return LogError(f"{path}: missing; restore the log from a backup.")
