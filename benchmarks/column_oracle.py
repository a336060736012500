"""Which column depends on which, by experiment: change one input column, run the step again, look.

A step is run in this process exactly as the demo runs it: an ingest and the twin by their functions,
a notebook by its own code cells, against a real table store, so that every changed table has to keep
its contract. Only what draws is left out.

What an experiment can tell apart:
    - a *value* changed: some row that is there before and after has another value in a column;
    - the *rows* changed: other keys than before.
"""

import contextlib
import io
import json
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any, Final
from unittest import mock

import duckdb
import nbformat
import numpy as np
import pandas as pd

from workbench.adapters import completejourney, ingest
from workbench.adapters.sources import load_sources
from workbench.contracts.schema import TableContract
from workbench.contracts.tables import CONTRACTS, contract
from workbench.errors import ContractError, WorkbenchError
from workbench.forecasting import backtest, views
from workbench.inventory import twin
from workbench.inventory.config import TwinConfig
from workbench.resources import resource
from workbench.runs import artefacts
from workbench.runs.context import Context
from workbench.runs.inputs import business_date
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace

_backtest = backtest.backtest
Tables = dict[str, pd.DataFrame]
Column = tuple[str, str]
ROWS: Final = "*rows*"
ENOUGH: Final = 4  # changes in a row that show nothing new
# A row is the same row where these agree; elsewhere the contract's key without ids of the run.
SAME_ROW: Final = {
    "supplier_items": ["item_id", "location_id"],
    "purchase_orders": ["ordered", "item_id", "location_id"],
    "proposals": ["item_id", "location_id"],
    "alarms": ["monitor", "scope"],
}
SQL_TYPES: Final = {
    "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "time": "TIMESTAMP",
}  # fmt: skip
FILES: Final = {"60-monitor-drift": [("forecasts", "tables/backtest_errors.parquet")]}
KEYS: Final = {"products": ["product_id"]}  # of source files, where values are unique
# Cells that only draw or compare for the reader, and take long.
DRAWS: Final = (
    "shap.Tree",
    "drift_report_html(",
    "inspected.",
    "promotion_effect(",
    "coverage.",
    "check_no_leak(",
)


# --- changes ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A frame in which one column differs.

    Attributes:
        renames: Where each value was exchanged for another one: how that looks in another column
            that only repeats it; None for other changes.
    """

    what: str
    frame: pd.DataFrame
    renames: Callable[[pd.Series], pd.Series | None] | None = None


def changes(frame: pd.DataFrame, column: str, *, table: str) -> Iterator[Change]:
    """Changes of one column that keep the key unique."""
    key = KEYS.get(table) or (list(CONTRACTS[table].key) if table in CONTRACTS else [])
    seed = int.from_bytes(f"{table}.{column}".encode(), "little") % 2**32
    random = np.random.default_rng(seed)
    values = frame[column]
    known = values.dropna()
    made = _filled(values, random) if known.empty else _kinds(values, random)
    for what, new, renames in made:
        if column in key and renames is None:
            new = _still_unique(frame, key, column, new)
        if not _equal(values, new).all():
            yield Change(what, frame.assign(**{column: new}), renames)


Made = Iterator[tuple[str, pd.Series, Callable[[pd.Series], pd.Series | None] | None]]


def _kinds(values: pd.Series, random: np.random.Generator) -> Made:
    shuffled = pd.Series(random.permutation(values.to_numpy()), values.index).astype(values.dtype)
    yield "shuffled", shuffled, None
    yield "some swapped", _partly(values, random, shuffled, 0.3), None
    kind = values.dropna().iloc[0]
    if isinstance(kind, bool | np.bool_):
        yield "flipped", _partly(values, random, ~values.astype(bool), 0.4), None
        return
    if pd.api.types.is_datetime64_any_dtype(values) or hasattr(kind, "toordinal"):
        yield from _other_dates(pd.to_datetime(values), random)
    elif isinstance(kind, str):
        yield from _other_texts(values, random)
    else:
        yield from _other_numbers(values, random)
    gone = pd.Series(random.random(len(values)) < 0.3, values.index)
    yield "some missing", values.astype(object).mask(gone, None), None


def _filled(values: pd.Series, random: np.random.Generator) -> Made:
    """Values where there were none; the contract refuses those of a wrong type."""
    count = len(values)
    for name, one in (
        ("numbers", random.integers(1, 40, count).astype(float)),
        ("texts", random.choice(["left", "right"], count)),
        ("truths", random.random(count) < 0.5),
        ("times", np.full(count, np.datetime64("2017-06-01", "us"))),
    ):
        yield f"filled with {name}", pd.Series(one, values.index), None


def _other_dates(dates: pd.Series, random: np.random.Generator) -> Made:
    for days in (1, 7, -20):
        step = pd.Timedelta(days=days)
        yield f"{days:+} days", dates + step, lambda of, step=step: _shifted(of, step)
    first, last = dates.min(), dates.max()
    yield "mirrored", first + (last - dates), None
    yield "exchanged", *_exchanged(dates, random)
    yield "some later", _partly(dates, random, dates + pd.Timedelta(days=9), 0.4), None


def _shifted(of: pd.Series, step: pd.Timedelta) -> pd.Series | None:
    return of + step if pd.api.types.is_datetime64_any_dtype(of) else None


def _other_texts(values: pd.Series, random: np.random.Generator) -> Made:
    yield "exchanged", *_exchanged(values, random)
    unique = sorted(values.dropna().unique())
    chosen = random.choice(unique, max(1, len(unique) // 4), replace=False)
    for what, some in (("some renamed", chosen), ("all renamed", unique)):
        new = {one: f"{one}9" for one in some}
        yield what, values.map(lambda one, new=new: new.get(one, one)), _renaming(new)
    yield "rows renamed", _partly(values, random, values + "9", 0.4), None


def _exchanged(
    values: pd.Series, random: np.random.Generator
) -> tuple[pd.Series, Callable[[pd.Series], pd.Series | None]]:
    """Each distinct value becomes another: what was unique stays unique."""
    unique = sorted(values.dropna().unique())
    order = random.permutation(len(unique))
    new = {unique[a]: unique[b] for a, b in zip(order, np.roll(order, 1), strict=True)}
    return values.map(new), _renaming(new)


def _renaming(new: Mapping[Any, Any]) -> Callable[[pd.Series], pd.Series | None]:
    """How another column looks that repeats these values, as they are or as text."""
    as_text = {str(old): str(one) for old, one in new.items()}

    def apply(of: pd.Series) -> pd.Series | None:
        if of.isin(new).any():
            return of.map(lambda one: new.get(one, one)).astype(of.dtype)
        if of.dtype == object and of.isin(as_text).any():
            return of.map(lambda one: as_text.get(one, one))
        return None

    return apply


def _other_numbers(values: pd.Series, random: np.random.Generator) -> Made:
    number = pd.to_numeric(values).astype(float)
    whole = bool((number.dropna() == number.dropna().round()).all())
    more = number + random.integers(1, 4, len(number))
    if not whole:
        more = number * random.uniform(0.6, 1.7, len(number))
    if whole and values.nunique() > len(values) / 50:  # may be ids
        yield "exchanged", *_exchanged(values, random)
    each = (
        ("more", more), ("some more", _partly(number, random, more, 0.3)), ("doubled", number * 2),
        ("some nothing", _partly(number, random, number * 0, 0.2)), ("less", number * 0.5),
        ("mostly nothing", _partly(number, random, number * 0, 0.9)),
    )  # fmt: skip
    for what, new in each:
        fits = not pd.api.types.is_integer_dtype(values) or (new == new.round()).all()
        yield what, new.astype(values.dtype) if fits else new.round().astype(values.dtype), None


def _partly(
    values: pd.Series, random: np.random.Generator, new: pd.Series, share: float
) -> pd.Series:
    return values.where(pd.Series(random.random(len(values)) > share, values.index), new)


def _still_unique(frame: pd.DataFrame, key: list[str], column: str, new: pd.Series) -> pd.Series:
    """The new values, less those that would repeat a key."""
    for _ in range(20):
        repeated = frame.assign(**{column: new}).duplicated(key, keep=False)
        if not repeated.any():
            break
        new = new.where(~repeated, frame[column])
    return new


# --- comparison ------------------------------------------------------------------------------


def _equal(left: pd.Series, right: pd.Series) -> pd.Series:
    missing = left.isna() & right.isna()
    if pd.api.types.is_float_dtype(left) and pd.api.types.is_numeric_dtype(right):
        a, b = left.to_numpy(float), right.to_numpy(float)
        with np.errstate(invalid="ignore"):
            return missing | pd.Series(np.isclose(a, b, rtol=1e-9, atol=1e-12), left.index)
    return missing | (left.astype(object) == right.astype(object)).astype(bool)


def row_key(table: str) -> list[str]:
    """Columns by which rows before and after an experiment are matched."""
    of = contract(table)
    return SAME_ROW.get(table, [name for name in of.key if name not in of.run_columns])


def differences(
    table: str, before: pd.DataFrame, after: pd.DataFrame, change: Change | None = None
) -> set[str]:
    """Columns of which a value differs, and `ROWS` where the keys do.

    Where values were only exchanged for others, what follows them under their new names is the
    same: only the key has changed.
    """
    key = row_key(table)
    found = _differences(table, key, before, after)
    if found and change is not None and change.renames is not None:
        renamed = before
        for name in key:
            new = change.renames(before[name])
            if new is not None:
                renamed = renamed.assign(**{name: new})
        if renamed is not before:
            found &= _differences(table, key, renamed, after) | {ROWS}
    return found


def _differences(table: str, key: list[str], before: pd.DataFrame, after: pd.DataFrame) -> set[str]:
    left, right = (one.set_index(key).sort_index() for one in (before, after))
    shared = left.index.intersection(right.index)
    found = set() if len(left) == len(right) == len(shared) else {ROWS}
    skip = {*key, *contract(table).run_columns}
    left, right = left.loc[shared], right.loc[shared]
    return found | {
        name for name in left.columns
        if name not in skip and not _equal(left[name], right[name]).all()
    }  # fmt: skip


# --- steps -----------------------------------------------------------------------------------


class _QuietRun(artefacts.Run):
    """A run over frames in memory, of which nothing is drawn or kept but its tables."""

    frames: Tables
    made: Tables
    connection: Any

    def show(self, *_: Any, **__: Any) -> None: ...

    def table(self, *_: Any, **__: Any) -> None: ...

    def note(self, *_: Any, **__: Any) -> None: ...

    def headline(self, *_: Any, **__: Any) -> None: ...

    def show_inputs(self) -> None: ...

    def finish(self) -> None: ...

    def save_table(self, *_: Any, **__: Any) -> Path:
        return self.folder

    def save_model(self, *_: Any, **__: Any) -> Any: ...

    def _save(self) -> None: ...

    def read(
        self, table: str, *, columns: Sequence[str] | None = None, where: str | None = None
    ) -> pd.DataFrame:
        frame = self.frames[table]
        observed = contract(table).observed
        if observed:
            frame = frame[frame[observed] < pd.Timestamp(self.as_of) + pd.Timedelta(days=1)]
        frame = frame.query(where) if where else frame
        return frame[list(columns or frame.columns)].reset_index(drop=True)

    def upstream_file(self, table: str, name: str) -> Path:
        if name not in self.frames:
            return super().upstream_file(table, name)
        path = self.folder / Path(name).name
        self.frames[name].to_parquet(path, index=False)
        return path

    def query(self, sql: str) -> pd.DataFrame:
        answer: pd.DataFrame = self.connection.execute(sql).df()
        return answer

    @contextlib.contextmanager
    def connect(self) -> Iterator[Any]:
        yield self.connection

    def write(self, table: str, rows: pd.DataFrame, **_: Any) -> Any:
        names = [name for name in contract(table).names if name in rows]
        self.made[table] = rows[names]
        return mock.MagicMock(rows=len(rows), digest="")


@dataclass
class Step:
    """A step of the demo, to be run again.

    Attributes:
        inputs: What it reads, by the name of a table or file.
        run: From such frames to the tables that it makes.
    """

    name: str
    inputs: Tables
    run: Callable[[Tables], Tables]
    made: Tables = field(default_factory=dict)


def notebook_step(
    workspace: Workspace, path: Path, parameters: Mapping[str, Any], scratch: Path
) -> Step:
    """A numbered notebook against the current tables."""
    from workbench.runs.parameters import declared, resolved

    stated = declared(path)
    values = resolved(stated, parameters)
    store = TableStore(workspace.tables)
    reads = [*stated.reads, *(t for t in stated.reads_if_present if t in store.tables())]
    current = {table: store.current(table) for table in reads}
    frames = {table: store.read(version) for table, version in current.items()}
    frames |= {
        name: pd.read_parquet(_report(workspace, current[table]) / name)
        for table, name in FILES.get(path.stem, ())
    }
    context = Context(
        run_id="01900000-0000-7000-8000-000000000000", notebook=path.stem, as_of="",
        folder=str(scratch), workspace=str(workspace.root),
        inputs={table: version.version for table, version in current.items()},
        writes=stated.writes, skip_key="experiment", attempt=0,
    )  # fmt: skip
    connection = duckdb.connect(config={"threads": "1"})
    code = [compile(source, path.stem, "exec") for source in _sources(path)]
    held: Tables = {}
    usual = business_date(store, current)

    def run(tables: Tables) -> Tables:
        days = [
            frame[observed].max()
            for table, frame in tables.items()
            if table in CONTRACTS and (observed := contract(table).observed)
        ]
        day = max(days).date() if days else usual
        made = _QuietRun(replace(context, as_of=day.isoformat()), workspace, governed=True)
        made.frames, made.made, made.connection = tables, {}, connection
        for table in reads:
            _load(connection, table, tables[table], day, held)
        with (
            mock.patch.object(artefacts, "open", lambda: made), warnings.catch_warnings(),
            mock.patch.object(backtest, "backtest", _without_rivals),
            mock.patch.object(views, "choice_reading", lambda choice: ""),
            contextlib.redirect_stdout(io.StringIO()),
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            names: dict[str, Any] = dict(values)
            for cell in code:
                exec(cell, names)
                names["figures"] = mock.MagicMock()
        return made.made

    return Step(path.stem, frames, run)


def _report(workspace: Workspace, version: TableVersion) -> Path:
    return next(workspace.reports.glob(f"*/*/{version.run_id}"))


def _sources(path: Path) -> list[str]:
    """Code cells that compute something."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    cells = [
        "".join(cell.source)
        for cell in notebook.cells
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", [])
    ]
    return [source for source in cells if _computes(source)]


def _load(
    connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame, day: date, held: Tables
) -> None:
    """Put a frame into DuckDB, unless it is there, and a view as of the day over it."""
    of = contract(table)
    if held.get(table) is not frame:
        connection.register("given", frame)
        casts = ", ".join(
            f'CAST("{c.name}" AS {SQL_TYPES[c.type]}) AS "{c.name}"' for c in of.columns
        )
        connection.execute(f'CREATE OR REPLACE TABLE "_{table}" AS SELECT {casts} FROM given')
        connection.unregister("given")
        held[table] = frame
    known = f" WHERE \"{of.observed}\" < DATE '{day}' + INTERVAL 1 DAY" if of.observed else ""
    connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS SELECT * FROM "_{table}"{known}')


def _without_rivals(*given: Any, **options: Any) -> backtest.Backtest:
    """The chosen family alone: the others are judged for the reader and write no table."""
    return _backtest(*given, **{**options, "families": ()})


def _computes(source: str) -> bool:
    return "import artefacts" in source or not any(word in source for word in DRAWS)


def twin_step(workspace: Workspace) -> Step:
    """The simulated supply side."""
    store = TableStore(workspace.tables)
    frames = {}
    for table in twin.READS:
        given = [version for version in store.versions(table) if not version.parents]
        frames[table] = store.read(given[0])

    def run(tables: Tables) -> Tables:
        return twin.simulated_tables(*(tables[table] for table in twin.READS), TwinConfig())

    return Step("simulate-supply", frames, run)


def ingest_step(folder: Path, scratch: Path) -> Step:
    """The ingest of the demo's source from a folder of its Parquet files."""
    names = ("transactions", "products", "promotions")
    frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}
    (source,) = load_sources(resource(ingest.DEMO_SOURCES)).source

    def run(tables: Tables) -> Tables:
        place = scratch / "source"
        place.mkdir(exist_ok=True)
        for name, frame in tables.items():
            frame.to_parquet(place / f"{name}.parquet")
        with (
            mock.patch.object(completejourney, "data_folder", lambda: place),
            ingest.connect() as connection,
        ):
            loads = completejourney.loads(connection, source, key=b"k" * 32)  # type: ignore[arg-type]
            return {load.table: load.rows.df() for load in loads}  # type: ignore[union-attr]

    return Step("ingest", frames, run)


# --- experiments -----------------------------------------------------------------------------


@dataclass
class Observed:
    """What the experiments on one step showed.

    Attributes:
        pairs: Per input column what differed in the outputs: table and column, or `ROWS`.
        tried: Experiments per input column that the step accepted.
    """

    pairs: dict[Column, set[Column]] = field(default_factory=dict)
    tried: dict[Column, int] = field(default_factory=dict)
    refused: dict[Column, list[str]] = field(default_factory=dict)
    seen_by: dict[str, str] = field(default_factory=dict)


def experiment(
    step: Step,
    said: Mapping[Column, set[Column]],
    *,
    only: Sequence[Column] | None = None,
    say: Callable[[str], None] = print,
) -> Observed:
    """Change each column of each input in turn.

    Args:
        step: To run again and again.
        said: By input column, what is said to follow from it: as long as some of it has not been
            seen, all changes are tried; else until several show nothing new.
        only: Columns to change; default all.
        say: Told each column.
    """
    step.made = step.run(step.inputs)
    again = step.run(step.inputs)
    for table, frame in step.made.items():
        if differences(table, frame, again[table]):
            raise WorkbenchError(f"{step.name}: {table} differs between two equal runs")
    seen = Observed()
    for source, frame in step.inputs.items():
        for column in frame.columns:
            if only is not None and (source, column) not in only:
                continue
            _try(step, (source, column), said.get((source, column), set()), seen)
            say(f"{step.name}: {source}.{column}: {len(seen.pairs[source, column])}")
    return seen


def _try(step: Step, column: Column, wanted: set[Column], seen: Observed) -> None:
    source, name = column
    found: set[Column] = seen.pairs.setdefault(column, set())
    seen.tried.setdefault(column, 0)
    quiet = 0
    for change in changes(step.inputs[source], name, table=source):
        try:
            if source in CONTRACTS:
                _refuse_broken(contract(source), change.frame)
            made = step.run({**step.inputs, source: change.frame})
            _refuse_repeated(made)
        except Exception as error:  # a change that the step refuses shows nothing
            seen.refused.setdefault(column, []).append(f"{change.what}: {str(error)[:160]}")
            continue
        seen.tried[column] += 1
        quiet += 1
        for table, after in made.items():
            for other in differences(table, step.made[table], after, change):
                if (table, other) not in found:
                    seen.seen_by[f"{source}.{name}>{table}.{other}"] = change.what
                    quiet = 0
                found.add((table, other))
        if quiet >= ENOUGH and wanted <= found:
            break


def _refuse_repeated(made: Tables) -> None:
    """A change must keep the contracts; what is written to a store has been checked there."""
    for table, frame in made.items():
        of = contract(table)
        key = [name for name in of.key if name in frame]
        if frame.duplicated(key).any() or frame[key].isna().any().any():
            raise ContractError(f"table {table!r}: its key is not unique; expected a valid change.")


def _refuse_broken(of: TableContract, frame: pd.DataFrame) -> None:
    """As the table store would, without its hashing and writing."""
    if frame.duplicated(list(of.key)).any():
        raise ContractError(f"table {of.name!r}: its key is not unique")
    for column in of.columns:
        values = frame[column.name]
        known = values.dropna()
        ranged = {"number", "integer"} & {column.type}
        kinds = {"text": str, "boolean": (bool, np.bool_), "number": (int, float)}
        broken = (
            (not column.nullable and values.isna().any())
            or (column.values and not known.isin(column.values).all())
            or (ranged and column.minimum is not None and (known < column.minimum).any())
            or (ranged and column.maximum is not None and (known > column.maximum).any())
            or (
                column.type in kinds
                and not known.map(lambda v, t=kinds[column.type]: isinstance(v, t)).all()
            )
            or (
                column.type in ("date", "time")
                and not pd.api.types.is_datetime64_any_dtype(values)
                and len(known)
            )
        )
        if broken:
            raise ContractError(f"table {of.name!r}: column {column.name!r} breaks the contract")


def as_json(seen: Observed) -> str:
    """The observations as text, to look at them again."""
    return json.dumps(
        {
            "pairs": {".".join(k): sorted(map(list, v)) for k, v in seen.pairs.items()},
            "tried": {".".join(k): v for k, v in seen.tried.items()},
            "refused": {".".join(k): v for k, v in seen.refused.items()},
            "seen_by": seen.seen_by,
        },
        indent=1,
    )
