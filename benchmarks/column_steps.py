"""The steps of the demo, to be run again and again in this process on tables in memory.

An ingest and the twin run by their functions, a notebook by its own code cells. Left out are cells
that draw, and what is compared for the reader only.
"""

import ast
import contextlib
import hashlib
import io
import re
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Any, Final
from unittest import mock

import duckdb
import nbformat
import pandas as pd
import pyarrow as pa

from workbench.adapters import completejourney
from workbench.adapters.ingest import DEMO_SOURCES
from workbench.adapters.loads import connect
from workbench.adapters.sources import load_sources
from workbench.contracts.tables import CONTRACTS, contract
from workbench.forecasting import backtest
from workbench.inventory import twin
from workbench.inventory.config import TwinConfig
from workbench.readiness import audit
from workbench.resources import resource
from workbench.runs import artefacts
from workbench.runs.context import Context
from workbench.runs.inputs import business_date
from workbench.tables.reading import to_frame
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace

_backtest = backtest.backtest
Tables = dict[str, pd.DataFrame]
Held = dict[str, tuple[pd.DataFrame, date]]
Answers = OrderedDict[tuple[Any, ...], pd.DataFrame]
KEPT_ANSWERS: Final = 600
# A query that says so takes columns that it does not name.
EVERY_COLUMN: Final = re.compile(r"(?:select|,|\.)\s*\*|(?:^|\()\s*from\b|columns\s*\(", re.I)
SQL_TYPES: Final = {
    "text": "VARCHAR", "integer": "BIGINT", "number": "DOUBLE", "boolean": "BOOLEAN",
    "date": "DATE", "time": "TIMESTAMP",
}  # fmt: skip
FILES: Final = {"60-monitor-drift": [("forecasts", "tables/backtest_errors.parquet")]}


@lru_cache(maxsize=1_000)
def _words(sql: str) -> tuple[frozenset[str], bool]:
    """Words of a query, and whether it may take columns that it does not name."""
    return frozenset(re.findall(r"\w+", sql)), bool(EVERY_COLUMN.search(sql))


class _QuietRun(artefacts.Run):
    """A run over frames in memory, of which nothing is drawn or kept but its tables."""

    frames: Tables
    made: Tables
    connection: Any
    load: Callable[[Tables, date], None]
    answers: Answers
    digests: Callable[[pd.DataFrame], Mapping[str, bytes]]

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

    def deliveries(self) -> pd.DataFrame:
        """As the store has them, the newest of each table with the last day that is in it now."""
        found = super().deliveries()
        newest = found.groupby("table_name")["loaded"].transform("max") == found["loaded"]
        last = {
            table: frame[of].max().date()
            for table, frame in self.frames.items()
            if table in CONTRACTS and (of := contract(table).observed) and len(frame)
        }
        told = found["table_name"].map(last)
        return found.assign(last_observed=found["last_observed"].mask(newest, told))

    def upstream_file(self, table: str, name: str) -> Path:
        if name not in self.frames:
            return super().upstream_file(table, name)
        path = self.folder / Path(name).name
        self.frames[name].to_parquet(path, index=False)
        return path

    def query(self, sql: str, *, beside: Mapping[str, pd.DataFrame] | None = None) -> pd.DataFrame:
        """Where all that it names is unchanged, the answer is the same."""
        known = {name: frame for name, frame in (beside or {}).items() if name in _words(sql)[0]}
        key = (sql, self.as_of, *self._named(sql), *map(_rows_digest, known.values()))
        if key not in self.answers:
            with self.connect() as connection:
                for name, frame in known.items():
                    connection.register(name, frame)
                self.answers[key] = connection.execute(sql).df()
        self.answers.move_to_end(key)
        if len(self.answers) > KEPT_ANSWERS:
            self.answers.popitem(last=False)
        return self.answers[key].copy()

    def _named(self, sql: str) -> Iterator[tuple[str, str, bytes]]:
        """Columns that the text of a query names, of tables that it names, by their content."""
        words, every = _words(sql)
        for table in sorted(words & set(self.frames)):
            for name, digest in self.digests(self.frames[table]).items():
                if every or name in words:
                    yield table, name, digest

    @contextlib.contextmanager
    def connect(self) -> Iterator[Any]:
        self.load(self.frames, self.as_of)
        yield self.connection

    def write(self, table: str, rows: pd.DataFrame | pa.Table, **_: Any) -> Any:
        if isinstance(rows, pa.Table):
            rows = to_frame(rows, contract(table))
        names = [name for name in contract(table).names if name in rows]
        self.made[table] = rows[names]
        return mock.MagicMock(rows=len(rows), digest="")


@dataclass
class Step:
    """A step of the demo, to be run again.

    Attributes:
        inputs: What it reads, by the name of a table or file.
        run: From such frames to the tables that it makes.
        others: Inputs that could be as well, to start from where those at hand show too little.
    """

    name: str
    inputs: Tables
    run: Callable[[Tables], Tables]
    others: list[Tables] = field(default_factory=list)


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
    code = compile(ast.Module(_sources(path), type_ignores=[]), path.stem, "exec")
    held: Held = {}
    usual = business_date(store, current)
    answers: Answers = OrderedDict()
    digests = _Digests()

    def load(tables: Tables, day: date) -> None:
        for table in reads:
            _load(connection, table, tables[table], day, held)

    def run(tables: Tables) -> Tables:
        days = [
            frame[observed].max()
            for table, frame in tables.items()
            if table in CONTRACTS and (observed := contract(table).observed)
        ]
        day = max(days).date() if days else usual
        made = _QuietRun(replace(context, as_of=day.isoformat()), workspace, governed=True)
        made.frames, made.made, made.connection = tables, {}, connection
        made.load, made.answers, made.digests = load, answers, digests
        with (
            mock.patch.object(artefacts, "open", return_value=made), warnings.catch_warnings(),
            mock.patch.object(backtest, "backtest", _without_rivals),
            mock.patch.object(audit, "_examples", return_value=audit._no_examples()),
            contextlib.redirect_stdout(io.StringIO()),
        ):  # fmt: skip
            warnings.simplefilter("ignore")
            exec(code, dict(values))
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


def _sources(path: Path) -> list[ast.stmt]:
    """Statements that what a notebook writes follows from; others draw or print for the reader."""
    notebook = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    cells = [
        "".join(cell.source)
        for cell in notebook.cells
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", [])
    ]
    needed: set[str] = set()
    kept = []
    for statement in reversed([one for cell in cells for one in ast.parse(cell).body]):
        if _writes(statement) or _given(statement) & needed:
            kept.append(statement)
            needed |= {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    return kept[::-1]


def _writes(statement: ast.stmt) -> bool:
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func) in ("run.write", "run.propose")
        for node in ast.walk(statement)
    )


def _given(statement: ast.stmt) -> set[str]:
    """Names that a statement binds, or whose values it may change."""
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {alias.asname or alias.name.partition(".")[0] for alias in statement.names}
    nodes = list(ast.walk(statement))
    bound = {one.id for one in nodes if isinstance(one, ast.Name) and _is_stored(one)}
    items = [one.value for one in nodes if isinstance(one, ast.Subscript) and _is_stored(one)]
    calls = [statement.value] if isinstance(statement, ast.Expr) else []
    owners = [
        one.func.value
        for one in calls
        if isinstance(one, ast.Call) and isinstance(one.func, ast.Attribute)
    ]
    changed = {one.id for one in (*items, *owners) if isinstance(one, ast.Name)}
    return bound | changed - {"run", "figures"}


def _is_stored(node: ast.Name | ast.Subscript) -> bool:
    return isinstance(node.ctx, ast.Store)


class _Digests:
    """Digests of the columns of the frames that were looked at last."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, tuple[pd.DataFrame, dict[str, bytes]]] = OrderedDict()

    def __call__(self, frame: pd.DataFrame) -> Mapping[str, bytes]:
        if id(frame) not in self._known:  # held, so that no other frame gets its identity
            self._known[id(frame)] = (frame, {name: _digest(frame[name]) for name in frame})
        self._known.move_to_end(id(frame))
        if len(self._known) > 100:
            self._known.popitem(last=False)
        return self._known[id(frame)][1]


def _rows_digest(frame: pd.DataFrame) -> bytes:
    return b"".join(_digest(frame[name]) for name in frame)


def _digest(values: pd.Series) -> bytes:
    kind = f"{values.dtype} {values.isna().sum()}".encode()
    return hashlib.blake2b(
        kind + pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes()
    ).digest()


def _load(
    connection: duckdb.DuckDBPyConnection, table: str, frame: pd.DataFrame, day: date, held: Held
) -> None:
    """Put a frame into DuckDB, unless it is there, and a view as of the day over it."""
    of, (known_frame, known_day) = contract(table), held.get(table, (None, None))
    if known_frame is not frame:
        connection.register("given", frame)
        casts = ", ".join(
            f'CAST("{c.name}" AS {SQL_TYPES[c.type]}) AS "{c.name}"' for c in of.columns
        )
        connection.execute(f'CREATE OR REPLACE TABLE "_{table}" AS SELECT {casts} FROM given')
        connection.unregister("given")
    elif known_day == day:
        return
    held[table] = (frame, day)
    known = f" WHERE \"{of.observed}\" < DATE '{day}' + INTERVAL 1 DAY" if of.observed else ""
    connection.execute(f'CREATE OR REPLACE VIEW "{table}" AS SELECT * FROM "_{table}"{known}')


def _without_rivals(*given: Any, **options: Any) -> backtest.Backtest:
    """The chosen family alone: the others are judged for the reader and write no table."""
    return _backtest(*given, **{**options, "families": ()})


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
