"""A version of a table and its manifest: what it holds, where it came from, which files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from workbench.contracts import tables
from workbench.contracts.schema import Column, Origin, TableContract, Type
from workbench.errors import ContractError, TableAlteredError, TableError

MANIFEST: Final = "manifest.json"
FORMAT: Final = "workbench-table/1"
LEAVES: Final = "leaves.bin"
_REMEDY: Final = "Restore the folder from a backup, or run the step that wrote it again."


@dataclass(frozen=True)
class DataFile:
    """One file of a version; `sha256` in hex."""

    name: str
    rows: int
    bytes: int
    sha256: str


@dataclass(frozen=True)
class TableVersion:
    """One immutable version of a table.

    Attributes:
        version: Names the version within its table; follows from what it holds.
        digest: Digest of all columns, in hex (`docs/table-digest.md`).
        content_digest: The same without the contract's run columns.
        provenance: Origin of each column.
        rests_on_simulated: A column is simulated, or a parent rests on simulated data.
        last_observed: Latest day in the contract's `observed` column.
        source: Where the rows came from, for people.
        parents: Table name to digest of the versions that it was made from.
        path: Folder of the files.
        schema: Column name to logical type, in contract order.
        files: Parquet files in row order.
        leaves_sha256: Checksum of the file of block hashes.
        key: Columns by which the rows are sorted; empty where an older manifest does not say.
        run_columns: Columns that the content digest leaves out; likewise.
    """

    table: str
    version: str
    digest: str
    content_digest: str
    rows: int
    provenance: Mapping[str, Origin]
    rests_on_simulated: bool
    last_observed: date | None
    created_at: datetime
    source: str
    parents: Mapping[str, str]
    run_id: str | None
    path: Path
    schema: Mapping[str, Type]
    files: tuple[DataFile, ...]
    leaves_sha256: str
    key: tuple[str, ...] = ()
    run_columns: tuple[str, ...] = ()

    @property
    def data_paths(self) -> tuple[Path, ...]:
        """The Parquet files, in row order."""
        return tuple(self.path / file.name for file in self.files)


def version_name(
    table: str,
    digest: str,
    schema: Mapping[str, str],
    provenance: Mapping[str, str],
    rests_on_simulated: bool,
) -> str:
    """Short name that follows from what a version holds and what its columns are."""
    identity = [table, digest, list(schema.items()), sorted(provenance.items()), rests_on_simulated]
    canonical = json.dumps(identity, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()[:16]


def manifest_bytes(version: TableVersion) -> bytes:
    """The manifest of a version as JSON text."""
    content = {
        "format": FORMAT,
        "table": version.table,
        "version": version.version,
        "digest": version.digest,
        "content_digest": version.content_digest,
        "rows": version.rows,
        "schema": [{"name": name, "type": kind} for name, kind in version.schema.items()],
        "key": list(version.key),
        "run_columns": list(version.run_columns),
        "provenance": dict(version.provenance),
        "rests_on_simulated": version.rests_on_simulated,
        "last_observed": version.last_observed.isoformat() if version.last_observed else None,
        "created_at": version.created_at.isoformat(),
        "source": version.source,
        "parents": dict(version.parents),
        "run_id": version.run_id,
        "files": [vars(file) for file in version.files],
        "leaves_sha256": version.leaves_sha256,
    }
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode("utf-8")


def open_version(folder: Path) -> TableVersion:
    """Read a version's manifest and see that its files are there, in their full size.

    Raises:
        TableError: The manifest or a file is missing.
        TableAlteredError: The manifest is malformed or altered, or a file has another size.
    """
    version = _parsed(folder)
    for name, size in _expected_sizes(version):
        path = folder / name
        if not path.is_file():
            raise TableError(f"{path}: missing; expected {size:,} bytes. {_REMEDY}")
        if path.stat().st_size != size:
            raise TableAlteredError(
                f"{path}: {path.stat().st_size:,} bytes; expected {size:,}. {_REMEDY}"
            )
    return version


def check_files(version: TableVersion) -> None:
    """See that every file still has the bytes that were written.

    Raises:
        TableError: Naming the first file that is missing or unreadable.
        TableAlteredError: Naming the first file that is altered.
    """
    expected = {file.name: file.sha256 for file in version.files}
    for name, checksum in {**expected, LEAVES: version.leaves_sha256}.items():
        path = version.path / name
        try:
            found = sha256_of(path)
        except OSError as error:
            raise TableError(f"{path}: cannot be read ({error.strerror}). {_REMEDY}") from error
        if found != checksum:
            raise TableAlteredError(
                f"{path}: altered after it was written, SHA-256 is {found[:16]}…; expected"
                f" {checksum[:16]}…. {_REMEDY}"
            )


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's bytes, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _expected_sizes(version: TableVersion) -> list[tuple[str, int]]:
    return [(file.name, file.bytes) for file in version.files] + [
        (LEAVES, 32 * _blocks(version.rows))
    ]


def _blocks(rows: int) -> int:
    from workbench.tables.blocks import BLOCK_ROWS

    return -(-rows // BLOCK_ROWS)


def _parsed(folder: Path) -> TableVersion:
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = _from_json(content, folder)
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror}). {_REMEDY}") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TableAlteredError(
            f"{path}: not a table manifest ({type(error).__name__}: {error}). {_REMEDY}"
        ) from error
    _check_identity(version, content, path)
    return version


def _from_json(content: dict[str, Any], folder: Path) -> TableVersion:
    observed = content["last_observed"]
    return TableVersion(
        table=str(content["table"]),
        version=str(content["version"]),
        digest=bytes.fromhex(content["digest"]).hex(),
        content_digest=bytes.fromhex(content["content_digest"]).hex(),
        rows=int(content["rows"]),
        provenance=dict(content["provenance"]),
        rests_on_simulated=bool(content["rests_on_simulated"]),
        last_observed=date.fromisoformat(observed) if observed else None,
        created_at=datetime.fromisoformat(content["created_at"]),
        source=str(content["source"]),
        parents=dict(content["parents"]),
        run_id=content["run_id"],
        path=folder,
        schema={column["name"]: column["type"] for column in content["schema"]},
        files=tuple(DataFile(**file) for file in content["files"]),
        leaves_sha256=str(content["leaves_sha256"]),
        key=tuple(content.get("key", ())),
        run_columns=tuple(content.get("run_columns", ())),
    )


def _check_identity(version: TableVersion, content: dict[str, Any], path: Path) -> None:
    """The folder's name binds digest, schema and provenance; the rest are notes beside them."""
    if content.get("format") != FORMAT:
        raise TableError(f"{path}: format is {content.get('format')!r}; expected {FORMAT!r}.")
    name = version_name(
        version.table,
        version.digest,
        version.schema,
        version.provenance,
        version.rests_on_simulated,
    )
    if not name == version.version == path.parent.name:
        raise TableAlteredError(
            f"{path}: names version {version.version!r}, its content makes {name!r}; expected both"
            f" to be the folder's name {path.parent.name!r}. {_REMEDY}"
        )
    if sum(file.rows for file in version.files) != version.rows:
        raise TableAlteredError(
            f"{path}: its files do not add up to {version.rows:,} rows. {_REMEDY}"
        )


def written_contract(version: TableVersion) -> TableContract:
    """What a version's own manifest says of its columns: enough to prove rows of it, for ever.

    Raises:
        TableError: An older manifest names no key, and the table is no longer canonical.
    """
    columns = tuple(Column(name, kind) for name, kind in version.schema.items())
    if version.key:
        return TableContract(version.table, version.key, columns, run_columns=version.run_columns)
    return replace(_todays(version), columns=columns)


def contract_of(version: TableVersion) -> TableContract:
    """Today's contract, under which a version is read.

    Raises:
        TableError: The version lacks a column of it that may not be empty, has one that it does
            not know, or holds one in another type or place.
    """
    contract = _todays(version)
    current = {column.name: column.type for column in contract.columns}
    later = {column.name for column in contract.columns if column.nullable} - set(version.schema)
    expected = {name: kind for name, kind in current.items() if name not in later}
    if list(expected.items()) != list(version.schema.items()):
        changed = sorted(set(expected.items()) ^ set(version.schema.items()))
        raise TableError(
            f"{version.path}: table {version.table!r} was written under another contract"
            f" ({', '.join(dict(changed)) or 'order of columns'} differ); expected today's columns."
            " Run the step that wrote it again."
        )
    return contract


def _todays(version: TableVersion) -> TableContract:
    try:
        return tables.contract(version.table)
    except ContractError as error:
        raise TableError(f"{version.path}: {error}") from error
