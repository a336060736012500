"""Two registers of how tables came to be: `loads`, the account, and `quarantine`, the bad rows.

Both hold rows of every version that was loaded, so that an older version that becomes current again
is still accounted for. They are written with the tables that they speak of, under one lock.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa

from workbench.adapters.loads import Load
from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.errors import TableNotFoundError
from workbench.folders import locked
from workbench.tables.staging import frame_to_arrow
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion

LOADS: Final = tables.LOADS.name
QUARANTINE: Final = tables.QUARANTINE.name
_WHOSE: Final = [c.LOADED_TABLE, c.LOADED_VERSION]
_SOURCE: Final = "ingest: the account of what it read"


@dataclass(frozen=True)
class Account:
    """One table of an ingest: the version, the source's name, what was read, rows that are new."""

    version: TableVersion
    source: str
    load: Load
    added: int


@contextmanager
def held(store: TableStore) -> Iterator[None]:
    """Keep other ingests from adding to the registers until this one is done."""
    with locked(store.root / ".ingest"):
        yield


def watermark(store: TableStore, version: TableVersion) -> str | None:
    """How far the source of a version was read."""
    frame = _known(store, LOADS)
    found = frame[_of(frame, version)][c.WATERMARK]
    return None if found.empty or pd.isna(found.iloc[0]) else str(found.iloc[0])


def staged(
    store: TableStore, accounts: Sequence[Account], run_id: str | None
) -> list[TableVersion]:
    """Versions of the registers with these accounts, not yet current."""
    loads, bad = _known(store, LOADS), _known(store, QUARANTINE)
    for account in accounts:
        mine = _of(loads, account.version)
        row = _row(account)
        if mine.any() and account.load.parents and not (account.added or account.load.corrected):
            row = loads[mine].assign(**{c.WATERMARK: account.load.watermark})
        loads = _appended(loads[~mine], row)
        bad = _appended(bad[~_of(bad, account.version)], _bad_rows(account))
    return [_write(store, LOADS, loads, run_id), _write(store, QUARANTINE, bad, run_id)]


def bad_rows(
    store: TableStore, names: Sequence[str] = (), *, earlier: bool = False
) -> pd.DataFrame:
    """Bad rows that the loads of current versions set aside, of the named tables or of all.

    Args:
        store: The tables.
        names: Tables; all by default.
        earlier: Those of earlier deliveries instead, which current versions added rows to. A later
            delivery may have mended them.

    Raises:
        ContractError: A name is not a table's.
    """
    for name in names:
        tables.contract(name)
    frame = _known(store, QUARANTINE)
    in_force = {
        (table, version)
        for table in (names or store.tables())
        if table in store.tables()
        for version in (_deliveries(store, table)[1:] if earlier else _deliveries(store, table)[:1])
    }
    whose = zip(frame[c.LOADED_TABLE], frame[c.LOADED_VERSION], strict=True)
    # A list, empty where there is no row, would be one of columns.
    return frame.loc[pd.Series([pair in in_force for pair in whose], frame.index, dtype=bool)]


def _deliveries(store: TableStore, table: str) -> list[str]:
    """The current version and those whose rows it was added to, newest first."""
    by_digest = {version.digest: version for version in store.versions(table)}
    found, version = list[str](), store.current(table)
    while version.version not in found:
        found.append(version.version)
        version = by_digest.get(version.parents.get(table, ""), version)
    return found


def reasons(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Per table, column and reason: number of rows, and where the first one stands."""
    keys = [c.LOADED_TABLE, c.COLUMN, c.REASON]
    found = []
    for (table, column, reason), rows in frame.groupby(keys, dropna=False, sort=True):
        first = rows.sort_values([c.FILE, c.ROW]).iloc[0]
        about = f"column {column!r}: " if isinstance(column, str) else ""
        value = f", {first[c.VALUE]!r}" if isinstance(first[c.VALUE], str) else ""
        place = f"{first[c.FILE]}:{first[c.ROW]}{value}"
        found.append(
            {"table": table, "rows": len(rows), "reason": f"{about}{reason}", "first": place}
        )
    return sorted(found, key=lambda row: (row["table"], -row["rows"], row["reason"]))


def _known(store: TableStore, table: str) -> pd.DataFrame:
    try:
        return store.read(table)
    except TableNotFoundError:
        return pd.DataFrame(columns=list(tables.contract(table).names))


def _of(frame: pd.DataFrame, version: TableVersion) -> "pd.Series[bool]":
    same = (frame[c.LOADED_TABLE] == version.table) & (frame[c.LOADED_VERSION] == version.version)
    return same.astype(bool)


def _appended(frame: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of both; concatenating an empty frame would lose the other's types."""
    both = [part for part in (frame, rows) if len(part)]
    return pd.concat(both, ignore_index=True) if both else frame


def _row(account: Account) -> pd.DataFrame:
    load, version = account.load, account.version
    return pd.DataFrame(
        [{
            c.LOADED_TABLE: version.table, c.LOADED_VERSION: version.version,
            c.SOURCE: account.source, c.READ: load.read, c.EXPANDED: load.expanded,
            c.LEFT_OUT: load.left_out, c.QUARANTINED: load.quarantined, c.MERGED: load.merged,
            c.ADDED: account.added, c.CORRECTED: load.corrected, c.UNCHANGED: load.unchanged,
            c.KEPT: load.kept, c.LOADED: version.rows, c.WATERMARK: load.watermark,
        }]
    )  # fmt: skip


def _bad_rows(account: Account) -> pd.DataFrame:
    found: pa.Table | None = account.load.bad_rows
    frame = pd.DataFrame() if found is None else found.to_pandas()
    return frame.assign(
        **{
            c.LOADED_TABLE: account.version.table,
            c.LOADED_VERSION: account.version.version,
            c.SOURCE: account.source,
        }
    )


def _write(store: TableStore, table: str, frame: pd.DataFrame, run_id: str | None) -> TableVersion:
    contract = tables.contract(table)
    rows = frame_to_arrow(frame[list(contract.names)], contract)
    return store.stage(
        store.root, table, rows, provenance="derived", source=_SOURCE, run_id=run_id,
        allow_empty=True,
    )  # fmt: skip
