"""Digest of a table: the root of an RFC 6962 tree whose leaves are blocks of 4,096 rows.

The rows are in key order and the columns in contract order, so the same content has the same
digest wherever and whenever it was written; `docs/table-digest.md` is the exact format.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from workbench.contracts.schema import Column
from workbench.merkle import leaf_hash, tree_root
from workbench.tables.blocks import encoded_blocks


@dataclass(frozen=True)
class TableDigest:
    """Root and leaf hashes of a table; `root` is in hex."""

    root: str
    leaves: tuple[bytes, ...]


def digest(batches: Iterable[pa.RecordBatch], columns: Sequence[Column]) -> TableDigest:
    """Digest of rows that are already in key order.

    Args:
        batches: Arrow batches of any size with at least `columns`.
        columns: Columns in contract order.
    """
    leaves = tuple(leaf_hash(block) for block in encoded_blocks(batches, columns))
    return TableDigest(tree_root(leaves).hex(), leaves)
