"""Which column depends on which, by experiment: change one input column, run the step again, look.

A step is run in this process as the demo runs it: an ingest and the twin by their functions, a
notebook by its own code cells over tables in memory. A changed table has to keep its contract. Left
out are cells that draw, and what is compared for the reader only.

"""

import contextlib
import io
import json
import re
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

from benchmarks.column_changes import changes, differences
from workbench.adapters import completejourney
from workbench.adapters.ingest import DEMO_SOURCES
from workbench.adapters.loads import connect
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
ENOUGH: Final = 4  # changes in a row that show nothing new, of a column that is said to matter
FEW: Final = 2  # the same, of other columns
SQL_TYPES: Final = {
    "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "time": "TIMESTAMP",
}  # fmt: skip
FILES: Final = {"60-monitor-drift": [("forecasts", "tables/backtest_errors.parquet")]}
# Cells that only draw or compare for the reader, and take long.
DRAWS: Final = (
    "shap.Tree",
    "drift_report_html(",
    "inspected.",
    "promotion_effect(",
    "coverage.",
    "check_no_leak(",
    "service_curve",
)


# --- steps -----------------------------------------------------------------------------------


class _QuietRun(artefacts.Run):
    """A run over frames in memory, of which nothing is drawn or kept but its tables."""

    frames: Tables
    made: Tables
    connection: Any
    answers: dict[tuple[Any, ...], pd.DataFrame]

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
        """From the tables that it names; where these are unchanged, the answer is the same."""
        named = [table for table in sorted(self.frames) if re.search(rf"\b{table}\b", sql)]
        key = (sql, self.as_of, *(id(self.frames[table]) for table in named))
        if key not in self.answers:
            self.answers[key] = self.connection.execute(sql).df()
        return self.answers[key].copy()

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
    workspace: Workspace,
    path: Path,
    parameters: Mapping[str, Any],
    scratch: Path,
    *,
    items: int = 0,
) -> Step:
    """A numbered notebook against the current tables.

    Args:
        workspace: In which the notebook and what it reads from have run.
        path: Of the notebook.
        parameters: Other than its own.
        scratch: An existing folder.
        items: Only so many of the items that sold most often, and those that are no merchandise;
            0 for all.
    """
    from workbench.runs.parameters import declared, resolved

    stated = declared(path)
    values = resolved(stated, parameters)
    store = TableStore(workspace.tables)
    reads = [*stated.reads, *(t for t in stated.reads_if_present if t in store.tables())]
    current = {table: store.current(table) for table in reads}
    frames = {table: store.read(version) for table, version in current.items()}
    if items:
        frames = _fewer(frames, items)
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
    answers: dict[tuple[Any, ...], pd.DataFrame] = {}

    def run(tables: Tables) -> Tables:
        days = [
            frame[observed].max()
            for table, frame in tables.items()
            if table in CONTRACTS and (observed := contract(table).observed)
        ]
        day = max(days).date() if days else usual
        made = _QuietRun(replace(context, as_of=day.isoformat()), workspace, governed=True)
        made.frames, made.made, made.connection = tables, {}, connection
        made.answers = answers
        for key in [key for key in answers if not _is_of(key, day, frames)]:
            del answers[key]  # a frame that is gone may lend its identity to another
        for table in reads:
            _load(connection, table, tables[table], day, held)
        with (
            mock.patch.object(artefacts, "open", return_value=made), warnings.catch_warnings(),
            mock.patch.object(backtest, "backtest", _without_rivals),
            mock.patch.object(views, "choice_reading", return_value=""),
            contextlib.redirect_stdout(io.StringIO()),
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            names: dict[str, Any] = dict(values)
            for cell in code:
                exec(cell, names)
                names["figures"] = mock.MagicMock()
        return made.made

    return Step(path.stem, frames, run)


def _fewer(frames: Tables, items: int) -> Tables:
    most = frames["sales"].groupby("item_id").size().sort_values(kind="stable").index[-items:]
    pseudo = frames["items"].loc[~frames["items"]["is_demand"].astype(bool), "item_id"]
    kept = {*most, *pseudo}
    return {
        table: frame[frame["item_id"].isin(kept)].reset_index(drop=True)
        if "item_id" in frame
        else frame
        for table, frame in frames.items()
    }


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


def _is_of(key: tuple[Any, ...], day: date, frames: Tables) -> bool:
    """Whether an answer follows from unchanged tables only."""
    return key[1] == day and set(key[2:]) <= {id(frame) for frame in frames.values()}


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
        sales, items, locations = (tables[table] for table in twin.READS)
        return twin.simulated_tables(sales, items, locations, TwinConfig())

    return Step("simulate-supply", frames, run)


def ingest_step(folder: Path, scratch: Path) -> Step:
    """The ingest of the demo's source from a folder of its Parquet files."""
    names = ("transactions", "products", "promotions")
    frames = {name: pd.read_parquet(folder / f"{name}.parquet") for name in names}
    (source,) = load_sources(resource(DEMO_SOURCES)).source

    def run(tables: Tables) -> Tables:
        place = scratch / "source"
        place.mkdir(exist_ok=True)
        for name, frame in tables.items():
            frame.to_parquet(place / f"{name}.parquet")
        with (
            mock.patch.object(completejourney, "data_folder", return_value=place),
            connect() as connection,
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
    seen: Observed | None = None,
    told: Callable[[Observed], None] = lambda _: None,
) -> Observed:
    """Change each column of each input in turn.

    Args:
        step: To run again and again.
        said: By input column, what is said to follow from it: as long as some of it has not been
            seen, all changes are tried; else until several show nothing new.
        only: Columns to change; default all.
        seen: What was observed before; its columns are not changed again.
        told: Called after each column with all that was observed.
    """
    step.made = step.run(step.inputs)
    again = step.run(step.inputs)
    for table, frame in step.made.items():
        if differences(table, frame, again[table]):
            raise WorkbenchError(f"{step.name}: {table} differs between two equal runs")
    seen = seen or Observed()
    for source, frame in step.inputs.items():
        for column in frame.columns:
            if (only is not None and (source, column) not in only) or (
                source,
                column,
            ) in seen.pairs:
                continue
            _try(step, (source, column), said.get((source, column), set()), seen)
            told(seen)
    return seen


def _try(step: Step, column: Column, wanted: set[Column], seen: Observed) -> None:
    source, name = column
    found: set[Column] = set()
    seen.tried[column] = 0
    quiet = 0
    earlier: Tables = {}
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
        shown = {
            (table, other)
            for table, after in made.items()
            for other in differences(table, step.made[table], after, change)
        }
        if change.renames is None:  # two changes differ in this one column as well
            shown |= {
                (table, other)
                for table, before in earlier.items()
                for other in differences(table, before, made[table])
            }
            earlier = made
        for table, other in shown - found:
            seen.seen_by[f"{source}.{name}>{table}.{other}"] = change.what
        quiet = 0 if shown - found else quiet + 1
        found |= shown
        if quiet >= (ENOUGH if wanted else FEW) and wanted <= found:
            break
    seen.pairs[column] = found


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
