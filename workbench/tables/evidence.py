"""Where rows lie in a version, and proof that a row belongs to it."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from workbench.contracts.relation_checks import literal, quoted
from workbench.contracts.schema import Column, TableContract
from workbench.errors import TableAlteredError, TableError
from workbench.merkle import inclusion_proof, leaf_hash, tree_root, verify_inclusion
from workbench.tables import reading, staging
from workbench.tables.blocks import BATCH_ROWS, BLOCK_ROWS, decoded_row, encoded_blocks
from workbench.tables.build import content_columns, content_order, parquet_batches
from workbench.tables.digest import digest
from workbench.tables.versions import LEAVES, TableVersion, check_files, written_contract


@dataclass(frozen=True)
class RowProof:
    """One row's block and the path from its hash to the digest of the version.

    Attributes:
        table: Name of the table.
        columns: Column name to logical type, in contract order: how to read the block.
        row: Zero-based in key order, within the whole version.
        block: Bytes of the block that holds the row.
        index: Zero-based number of the block.
        size: Number of blocks.
        proof: RFC 6962 inclusion proof of the block's leaf hash.
        root: Digest of the version, in hex.
    """

    table: str
    columns: tuple[Column, ...]
    row: int
    block: bytes
    index: int
    size: int
    proof: tuple[bytes, ...]
    root: str

    def values(self) -> dict[str, Any]:
        """The row, read from the block; None where a column has no value.

        Raises:
            TableError: The block is not one of these columns, or has no such row.
        """
        try:
            return decoded_row(self.block, self.row - self.index * BLOCK_ROWS, self.columns)
        except ValueError as error:
            raise TableError(
                f"proof of row {self.row} of table {self.table!r}: {error}; expected the block that"
                " holds the row. Ask for the proof again."
            ) from error


def row_proof(version: TableVersion, row: int) -> RowProof:
    """Prove that row `row` (zero-based, in key order) belongs to a version.

    Raises:
        TableError: There is no such row, or a file is missing.
        TableAlteredError: The files no longer match the digest.
    """
    if not 0 <= row < version.rows:
        raise TableError(
            f"table {version.table!r} version {version.version}: no row {row}; expected 0 to"
            f" {version.rows - 1}."
        )
    contract = written_contract(version)
    index = row // BLOCK_ROWS
    hashes = _leaves(version)
    try:
        block = _block(version, contract, index)
    except TableError:
        check_files(version)  # says which file keeps the rows from being read
        raise
    if leaf_hash(block) != hashes[index] or tree_root(hashes).hex() != version.digest:
        check_files(version)
        raise TableAlteredError(
            f"{version.path}: block {index} does not match the digest; expected the rows that were"
            " written. Restore the folder from a backup, or run the step that wrote it again."
        )
    path = tuple(inclusion_proof(index, hashes))
    return RowProof(
        version.table, contract.columns, row, block, index, len(hashes), path, version.digest
    )


def verify_row_proof(proof: RowProof, digest: str) -> bool:
    """Whether the proof's row is in the table with this digest; needs no store.

    Args:
        proof: As made by `row_proof`, perhaps by somebody else.
        digest: The digest that the verifier trusts, in hex, for example from the decision log.
    """
    if proof.root != digest or proof.row // BLOCK_ROWS != proof.index:
        return False
    try:
        proof.values()
    except TableError:
        return False
    return verify_inclusion(
        leaf_hash(proof.block), proof.index, proof.size, list(proof.proof), bytes.fromhex(digest)
    )


def locate(version: TableVersion, by: Sequence[str], *, memory_megabytes: int) -> pd.DataFrame:
    """Ranges of neighbouring rows that agree in `by`, in row order.

    Args:
        version: Where to look.
        by: Columns; for those that begin the key each group is one range, else it may have more.
        memory_megabytes: What DuckDB may hold in memory.

    Returns:
        One row per range: the columns of `by`, `first_row` and `last_row` (zero-based, inclusive).
    """
    contract = written_contract(version)
    reading.check_names(contract, by)
    names = ", ".join(quoted(name) for name in by)
    rows = _numbered_rows(version, by)
    ranges = (
        f"WITH numbered AS ({rows}), grouped AS (SELECT *, row_number() OVER"
        f" (PARTITION BY {names} ORDER BY row) - row AS island FROM numbered)"
        f" SELECT {names}, min(row) AS first_row, max(row) AS last_row FROM grouped"
        f" GROUP BY {names}, island ORDER BY first_row"
    )
    if tuple(by) == contract.key[: len(by)]:
        ranges = (
            f"SELECT {names}, min(row) AS first_row, max(row) AS last_row FROM ({rows})"
            f" GROUP BY {names} ORDER BY first_row"
        )
    with reading.connect([], as_of=None, memory_megabytes=memory_megabytes) as connection:
        return reading.to_frame(reading.fetch(connection, ranges))


def verify_version(version: TableVersion, *, memory_megabytes: int) -> None:
    """Recompute checksums, block hashes and both digests from the files.

    Raises:
        TableAlteredError: Naming the file or digest that differs.
    """
    check_files(version)
    contract = written_contract(version)
    found = digest(parquet_batches(version.data_paths, contract.names), contract.columns)
    _same(version, "digest", found.root, version.digest)
    _same(version, LEAVES, b"".join(found.leaves).hex(), b"".join(_leaves(version)).hex())
    if contract.run_columns:
        content = _content_digest(version, contract, memory_megabytes)
        _same(version, "content digest", content, version.content_digest)
    else:
        _same(version, "content digest", found.root, version.content_digest)


def _same(version: TableVersion, what: str, found: str, expected: str) -> None:
    if found != expected:
        raise TableAlteredError(
            f"{version.path}: {what} of the rows is {found[:16]}…; expected {expected[:16]}…."
            " Restore the folder from a backup, or run the step that wrote it again."
        )


def _content_digest(version: TableVersion, contract: TableContract, memory_megabytes: int) -> str:
    columns = content_columns(contract)
    order = ", ".join(f"{quoted(name)} NULLS LAST" for name in content_order(contract))
    names = ", ".join(quoted(column.name) for column in columns)
    files = ", ".join(literal(str(path)) for path in version.data_paths)
    with (
        tempfile.TemporaryDirectory(prefix="workbench-") as work,
        staging.session(Path(work), memory_megabytes=memory_megabytes) as connection,
    ):
        relation = connection.sql(f"SELECT {names} FROM read_parquet([{files}]) ORDER BY {order}")
        return digest(relation.to_arrow_reader(BATCH_ROWS), columns).root


def _leaves(version: TableVersion) -> list[bytes]:
    data = (version.path / LEAVES).read_bytes()
    return [data[start : start + 32] for start in range(0, len(data), 32)]


def _block(version: TableVersion, contract: TableContract, index: int) -> bytes:
    """Bytes of one block, reading only the row groups that hold it."""
    first, blocks = index * BLOCK_ROWS, []
    for path, file in zip(version.data_paths, version.files, strict=True):
        if 0 <= first < file.rows:
            sql = (
                f"SELECT {', '.join(quoted(name) for name in contract.names)}"
                f" FROM read_parquet({literal(str(path))}, file_row_number=true)"
                f" WHERE file_row_number >= {first} AND file_row_number < {first + BLOCK_ROWS}"
                " ORDER BY file_row_number"
            )
            with reading.connect([], as_of=None, memory_megabytes=512) as connection:
                rows: pa.Table = reading.fetch(connection, sql)
            blocks = list(encoded_blocks(rows.combine_chunks().to_batches(), contract.columns))
        first -= file.rows
    return blocks[0] if blocks else b""  # fewer rows than the manifest says


def _numbered_rows(version: TableVersion, by: Sequence[str]) -> str:
    parts, before = [], 0
    names = ", ".join(quoted(name) for name in by)
    for path, file in zip(version.data_paths, version.files, strict=True):
        parts.append(
            f"SELECT {names}, {before} + file_row_number AS row"
            f" FROM read_parquet({literal(str(path))}, file_row_number=true)"
        )
        before += file.rows
    return " UNION ALL ".join(parts)
