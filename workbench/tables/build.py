"""Builds one version of a table in a work folder: load, check, sort, write, digest, manifest."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, cast, get_args

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from workbench.contracts import tables, violations
from workbench.contracts.relation_checks import quoted
from workbench.contracts.schema import Column, Origin, TableContract
from workbench.errors import TableError
from workbench.folders import write_durably
from workbench.tables import staging
from workbench.tables.blocks import BATCH_ROWS
from workbench.tables.digest import digest
from workbench.tables.sorted_keys import RepeatedKeys
from workbench.tables.versions import (
    LEAVES,
    MANIFEST,
    DataFile,
    TableVersion,
    manifest_bytes,
    sha256_of,
    version_name,
)

_WRITE_ERRORS: Final = (duckdb.IOException, duckdb.OutOfMemoryException, OSError)


@dataclass(frozen=True)
class Facts:
    """What the writer of a version says about it.

    Attributes:
        provenance: Origin of all columns, or of each.
        source: Where the rows come from, for people.
        parents: Versions that it was made from.
        allow_empty: Whether a table without rows is in order.
    """

    provenance: Origin | Mapping[str, Origin]
    source: str
    parents: Sequence[TableVersion]
    run_id: str | None
    created_at: datetime
    allow_empty: bool


def build_version(
    work: Path, table: str, rows: staging.Rows, facts: Facts, *, memory_megabytes: int
) -> TableVersion:
    """Write a version's files into `work / "version"` and describe them.

    Raises:
        ContractError: The rows break the table's contract.
        TableError: The rows cannot be read, or the files cannot be written.
    """
    contract = tables.contract(table)
    provenance = _provenance(contract, facts)
    where = f"table {table!r} from {facts.source}"
    folder = work / "version"
    folder.mkdir()
    with _explained(where), staging.session(work, memory_megabytes=memory_megabytes) as connection:
        staging.load(connection, rows, contract, work=work, where=where)
        allow_empty = facts.allow_empty
        count = staging.check(connection, contract, where=where, allow_empty=allow_empty)
        staging.encode(connection, contract)
        staging.export(connection, contract, folder / staging.DATA_FILE)
        found = _described(folder, contract, count, where=where)
        found = replace(found, last_observed=staging.last_observed(connection, contract))
        if contract.run_columns:
            found = replace(found, content_digest=_content_digest(connection, contract))
        version = _with_facts(found, facts, provenance)
        write_durably(folder / MANIFEST, manifest_bytes(version))
    return version


def parquet_batches(paths: Sequence[Path], columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Rows of Parquet files in order, a batch at a time."""
    for path in paths:
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS, columns=list(columns))


def content_columns(contract: TableContract) -> tuple[Column, ...]:
    """Columns of the content digest: all but the run columns."""
    return tuple(c for c in contract.columns if c.name not in contract.run_columns)


def content_order(contract: TableContract) -> tuple[str, ...]:
    """Row order of the content digest: what is left of the key, then every other column."""
    names = [column.name for column in content_columns(contract)]
    key = [name for name in contract.key if name in names]
    return (*key, *(name for name in names if name not in key))


def _described(folder: Path, contract: TableContract, rows: int, *, where: str) -> TableVersion:
    """Digest the file that was written and write its block hashes beside it."""
    path = folder / staging.DATA_FILE
    repeated = RepeatedKeys(contract)
    found = digest(repeated.watch(parquet_batches([path], contract.names)), contract.columns)
    if repeated.first is not None:
        raise violations.duplicates(where, contract, count=repeated.count, key=repeated.first)
    write_durably(folder / LEAVES, b"".join(found.leaves))
    file = DataFile(path.name, rows, path.stat().st_size, sha256_of(path))
    return TableVersion(
        table=contract.name, version="", digest=found.root, content_digest=found.root, rows=rows,
        provenance={}, rests_on_simulated=False, last_observed=None, created_at=datetime.min,
        source="", parents={}, run_id=None, path=folder,
        schema={column.name: column.type for column in contract.columns}, files=(file,),
        leaves_sha256=sha256_of(folder / LEAVES), key=contract.key,
        run_columns=tuple(name for name in contract.names if name in contract.run_columns),
    )  # fmt: skip


def _with_facts(
    found: TableVersion, facts: Facts, provenance: Mapping[str, Origin]
) -> TableVersion:
    simulated = "simulated" in provenance.values() or any(
        parent.rests_on_simulated for parent in facts.parents
    )
    return replace(
        found,
        version=version_name(found.table, found.digest, found.schema, provenance, simulated),
        provenance=provenance,
        rests_on_simulated=simulated,
        created_at=facts.created_at,
        source=facts.source,
        parents={parent.table: parent.digest for parent in facts.parents},
        run_id=facts.run_id,
    )


def _provenance(contract: TableContract, facts: Facts) -> dict[str, Origin]:
    given = facts.provenance
    origins = dict.fromkeys(contract.names, given) if isinstance(given, str) else dict(given)
    allowed = get_args(Origin)
    for name in contract.names:
        if origins.get(name) not in allowed:
            raise TableError(
                f"table {contract.name!r}: provenance of column {name!r} is"
                f" {origins.get(name)!r}; expected one of {', '.join(allowed)}. State where its"
                " values come from."
            )
    unknown = sorted(set(origins) - set(contract.names))
    if unknown:
        raise TableError(
            f"table {contract.name!r}: provenance names column {unknown[0]!r}; expected only"
            f" {', '.join(contract.names)}. Leave it out."
        )
    return cast(dict[str, Origin], {name: origins[name] for name in contract.names})


def _content_digest(connection: duckdb.DuckDBPyConnection, contract: TableContract) -> str:
    columns = content_columns(contract)
    selected = ", ".join(quoted(column.name) for column in columns)
    order = ", ".join(f"{quoted(name)} NULLS LAST" for name in content_order(contract))
    relation = connection.sql(f"SELECT {selected} FROM encoded ORDER BY {order}")
    return digest(relation.to_arrow_reader(BATCH_ROWS), columns).root


@contextlib.contextmanager
def _explained(where: str) -> Iterator[None]:
    """Turn errors of the file system, DuckDB and Arrow into one sentence."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        reason = _first_line(error)
        if isinstance(error, _WRITE_ERRORS) and "No files found" not in reason:
            raise TableError(
                f"{where}: cannot be written ({reason}); expected room on the disk and permission"
                " to write. Earlier versions are unchanged: mend that and run again."
            ) from error
        raise TableError(
            f"{where}: its rows cannot be read ({reason}). Correct the query or file that they"
            " come from; earlier versions are unchanged."
        ) from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0]
