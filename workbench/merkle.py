"""Merkle trees of RFC 6962, section 2.1: pure hashing, no storage."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

EMPTY_ROOT: Final = sha256(b"").digest()
HASH_BYTES: Final = 32


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 || data)."""
    return sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 || left || right)."""
    return sha256(b"\x01" + left + right).digest()


def tree_root(hashes: Sequence[bytes]) -> bytes:
    """Root of the tree over leaf hashes; also over roots of equal, complete subtrees.

    The last hash may stand for a smaller subtree: RFC 6962 splits at the largest power of two
    below the size, so pairing from the left and carrying an odd last node up gives the same root.
    """
    level = list(hashes)
    if not level:
        return EMPTY_ROOT
    while len(level) > 1:
        odd = [level[-1]] if len(level) % 2 else []
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)] + odd
    return level[0]


def largest_power_below(size: int) -> int:
    """Largest power of two smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def inclusion_proof(index: int, hashes: Sequence[bytes]) -> list[bytes]:
    """Audit path of leaf `index`, from the leaf's sibling up (RFC 6962, section 2.1.1).

    Raises:
        IndexError: There is no such leaf.
    """
    if not 0 <= index < len(hashes):
        raise IndexError(f"leaf {index} of {len(hashes)}")
    path: list[bytes] = []
    level, position = list(hashes), index
    while len(level) > 1:
        sibling = position ^ 1
        if sibling < len(level):
            path.append(level[sibling])
        odd = [level[-1]] if len(level) % 2 else []
        level = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)] + odd
        position //= 2
    return path


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Whether `proof` shows leaf hash `leaf` at `index` of the tree (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size or len(leaf) != HASH_BYTES:
        return False
    position, last, node = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    return last == 0 and node == root


def root_before(index: int, size: int, proof: Sequence[bytes]) -> bytes:
    """Root of the leaves before one, out of a proof of its inclusion that was verified.

    Hashes that stand to the left of a path are those that the tree of `index` leaves splits into.
    """
    lefts, node, last = [], index, size - 1
    for hashed in proof:
        if node & 1 or node == last:
            lefts.append(hashed)
            while node and not node & 1:
                node, last = node >> 1, last >> 1
        node, last = node >> 1, last >> 1
    return Frontier(index, lefts[::-1]).root()


def consistency_proof(first: int, hashes: Sequence[bytes]) -> list[bytes]:
    """That the tree over the first leaves is a prefix of this one (RFC 6962, section 2.1.2).

    Raises:
        IndexError: `first` is larger than the tree or negative.
    """
    if not 0 <= first <= len(hashes):
        raise IndexError(f"size {first} of {len(hashes)}")
    if first in (0, len(hashes)):
        return []
    return _subproof(first, hashes, complete=True)


def _subproof(first: int, hashes: Sequence[bytes], *, complete: bool) -> list[bytes]:
    size = len(hashes)
    if first == size:
        return [] if complete else [tree_root(hashes)]
    middle = largest_power_below(size)
    if first <= middle:
        below = _subproof(first, hashes[:middle], complete=complete)
        return [*below, tree_root(hashes[middle:])]
    below = _subproof(first - middle, hashes[middle:], complete=False)
    return [*below, tree_root(hashes[:middle])]


def verify_consistency(
    first: int, second: int, proof: Sequence[bytes], first_root: bytes, second_root: bytes
) -> bool:
    """Whether the tree of size `first` is a prefix of that of size `second` (RFC 9162, 2.1.4.2)."""
    if not 1 <= first <= second:  # the empty tree is a prefix of any: there is nothing to show
        return False
    if first == second:
        return not proof and first_root == second_root
    path = list(proof)
    if first & (first - 1) == 0:  # a complete tree is itself the first node
        path.insert(0, first_root)
    if not path:
        return False
    position, last = first - 1, second - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            old, new = node_hash(node, old), node_hash(node, new)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, node)
        position, last = position >> 1, last >> 1
    return last == 0 and old == first_root and new == second_root


class Frontier:
    """Roots of the complete subtrees that a tree of `size` leaves splits into, largest first.

    Enough to add leaves and to know the root, in memory of order log(size).
    """

    def __init__(self, size: int = 0, roots: Sequence[bytes] = ()) -> None:
        if len(roots) != size.bit_count():
            raise ValueError(f"{len(roots)} subtrees; a tree of {size} has {size.bit_count()}")
        self.size = size
        self._roots = list(roots)

    @staticmethod
    def spans(size: int) -> list[tuple[int, int]]:
        """First leaf and end of each of those subtrees."""
        spans, start = [], 0
        for bit in range(size.bit_length() - 1, -1, -1):
            if size >> bit & 1:
                spans.append((start, start + (1 << bit)))
                start += 1 << bit
        return spans

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add leaf hashes."""
        for leaf in leaves:
            node, size = leaf, self.size
            while size & 1:
                node = node_hash(self._roots.pop(), node)
                size >>= 1
            self._roots.append(node)
            self.size += 1

    def copy(self) -> "Frontier":
        """The same, to be kept while this one grows."""
        return Frontier(self.size, self._roots)

    def digest(self) -> bytes:
        """Commits to the same leaves as the root does, by one hash however many subtrees."""
        return sha256(b"".join(self._roots)).digest()

    def root(self) -> bytes:
        """Root of the whole tree."""
        if not self._roots:
            return EMPTY_ROOT
        node = self._roots[-1]
        for left in self._roots[-2::-1]:
            node = node_hash(left, node)
        return node
