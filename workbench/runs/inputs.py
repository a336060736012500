"""Which versions a run reads, and for which business date."""

from collections.abc import Mapping, Sequence
from datetime import date

from workbench.errors import RunError, TableNotFoundError
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion


def pin_inputs(
    store: TableStore, job: str, reads: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, TableVersion]:
    """Current version of every table that a job reads, and of the optional ones that exist.

    Raises:
        RunError: A table does not exist yet.
    """
    pinned = {}
    present = sorted(set(optional) & set(store.tables()))
    for table in (*reads, *present):
        try:
            pinned[table] = store.current(table)
        except TableNotFoundError as error:
            raise RunError(
                f"{job}: reads table {table!r}, which does not exist yet; run the ingest or the"
                " notebook that writes it first."
            ) from error
    return pinned


def business_date(store: TableStore, inputs: Mapping[str, TableVersion]) -> date:
    """Last date observed in the inputs; without dated inputs, in any current table.

    Raises:
        RunError: No table has dates.
    """
    for versions in (inputs.values(), map(store.current, store.tables())):
        days = [version.last_observed for version in versions if version.last_observed]
        if days:
            return max(days)
    raise RunError("as-of date: no table has dated rows; give --as-of, or run the ingest first.")
