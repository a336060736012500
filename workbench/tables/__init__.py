"""The table store: immutable versions of the canonical tables, their digests and row evidence."""

from workbench.tables.evidence import RowProof, verify_row_proof
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion

__all__ = ["RowProof", "TableStore", "TableVersion", "verify_row_proof"]
