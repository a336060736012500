"""Which versions a run reads, and for which business date."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Final

from workbench.contracts.tables import contract
from workbench.errors import ParameterError, RunError, TableNotFoundError
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion

_STALE_DAYS: Final = 31  # data that ends longer before the business date says nothing about it


class MissingInputError(RunError):
    """A table that a notebook or step reads does not exist yet."""


def pin_inputs(
    store: TableStore, job: str, reads: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, TableVersion]:
    """Current version of every table that a job reads, and of the optional ones that exist.

    Raises:
        MissingInputError: A table does not exist yet.
    """
    pinned = {}
    present = sorted(set(optional) & set(store.tables()))
    for table in (*reads, *present):
        try:
            pinned[table] = store.current(table)
        except TableNotFoundError as error:
            raise MissingInputError(
                f"{job}: reads table {table!r}, which does not exist yet; run the ingest or the"
                " notebook that writes it first."
            ) from error
    return pinned


def business_date(
    store: TableStore, inputs: Mapping[str, TableVersion], *, today: date | None = None
) -> date:
    """Last date observed in the inputs; without dated inputs, in any current table.

    Never later than today: a row that lies in the future, by a slip of the pen, is not known yet,
    and reads as of a day leave it out.

    Raises:
        RunError: No table has dates.
    """
    for versions in (inputs.values(), map(store.current, store.tables())):
        days = [version.last_observed for version in versions if version.last_observed]
        if days:
            return min(max(days), today or date.today())
    raise RunError("as-of date: no table has dated rows; give --as-of, or run the ingest first.")


def check_business_date(
    store: TableStore, job: str, day: date, inputs: Mapping[str, TableVersion]
) -> None:
    """Refuse a business date that the inputs know nothing about.

    Args:
        store: Of the inputs.
        job: That reads them, for the message.
        day: As somebody asked for it.
        inputs: Tables that the job cannot do without.

    Raises:
        ParameterError: The day is to come, a table begins after it, or all end long before it.
    """
    where = f"{job}: --as-of {day}"
    if day > datetime.now(UTC).date() + timedelta(days=1):  # some shops are a day ahead of UTC
        raise ParameterError(f"{where} is to come; expected a day up to today.")
    for table, version in inputs.items():
        first = first_observed(store, version)
        if first and first > day:
            raise ParameterError(
                f"{where}: table {table!r} begins on {first}; expected a day from then on. Ingest"
                " older rows, or choose a later day."
            )
    last = max((v.last_observed for v in inputs.values() if v.last_observed), default=None)
    if last and day - last > timedelta(days=_STALE_DAYS):
        raise ParameterError(
            f"{where}: its tables end on {last}; expected a day at most {_STALE_DAYS} days later."
            " Ingest newer rows, or choose an earlier day."
        )


def first_observed(store: TableStore, version: TableVersion) -> date | None:
    """Earliest day in the contract's `observed` column; None where there is none."""
    column = contract(version.table).observed
    if column is None or not version.rows:
        return None
    sql = f'SELECT min("{column}") AS first FROM "{version.table}"'
    first = store.query(sql, versions={version.table: version})["first"].iloc[0]
    return None if first is None else first.date()
