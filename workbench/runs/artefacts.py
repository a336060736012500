"""What a notebook reads and leaves: `run = artefacts.open()`.

Under the runner, tables are pinned versions and everything written lies in a temporary folder that
becomes the report when the run completes. Opened by hand there is no runner: tables are the current
ones, output goes to `reports/interactive/`, proposals are a draft that is never logged.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.export import safe_csv
from workbench.contracts.made_from import MadeFrom
from workbench.contracts.records import ModelReference
from workbench.contracts.schema import Origin
from workbench.contracts.sites import distribution_centre
from workbench.contracts.tables import PROPOSALS, contract
from workbench.errors import RunError
from workbench.runs import cluster, session
from workbench.runs.context import FACTS_FILE, STAGED_FOLDER, Context, load_context
from workbench.runs.earlier import deliveries
from workbench.runs.facts import Facts, check_record
from workbench.runs.origins import origins
from workbench.runs.proposed import for_planners, proposal_ids
from workbench.tables.queries import Recorded
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace, find_workspace, open_workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_INTERACTIVE: Final = "interactive"


def open() -> "Run":
    """The run of this kernel."""
    context = load_context()
    if context is None:
        return _interactive()
    return Run(context, open_workspace(Path(context.workspace)), governed=True)


def _interactive() -> "Run":
    workspace = find_workspace()
    store = TableStore(workspace.tables)
    versions = {table: store.current(table) for table in store.tables()}
    days = [version.last_observed for version in versions.values() if version.last_observed]
    moment = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    folder = workspace.reports / _INTERACTIVE / moment
    folder.mkdir(parents=True, exist_ok=True)
    on_record = session.current()
    if on_record is not None and on_record.workspace == workspace:
        run_id, told = on_record.run_id, f"on record as run {on_record.run_id}"
        on_record.use_folder(folder)
    else:
        run_id, told = f"{_INTERACTIVE}-{moment}", "nothing is on record (%load_ext workbench does)"
    context = Context(
        run_id=run_id,
        notebook=_INTERACTIVE,
        as_of=max(days, default=date.today()).isoformat(),
        folder=str(folder),
        workspace=str(workspace.root),
        inputs={table: version.version for table, version in versions.items()},
        writes=(),
        skip_key=_INTERACTIVE,
        attempt=0,
    )
    print(f"Interactive: a draft under {folder}; no decision is logged, {told}.")
    return Run(context, workspace, governed=False)


class Run:
    """Reads pinned tables, keeps what the notebook leaves.

    Attributes:
        workspace: Folders of the workspace.
        governed: Whether the runner executes this notebook.
    """

    def __init__(self, context: Context, workspace: Workspace, *, governed: bool) -> None:
        self.workspace = workspace
        self.governed = governed
        self._context = context
        self._folder = Path(context.folder)
        self._store = TableStore(workspace.tables)
        self._facts = Facts.load(self._folder / FACTS_FILE)
        self._proposed: list[pd.DataFrame] = []
        self._versions = {
            table: self._store.version(table, name) for table, name in context.inputs.items()
        }
        if governed:  # opened by hand, every table is at hand: only what is read counts
            self._note_simulated(self._versions.values())

    # --- facts of the run -------------------------------------------------------------------

    @property
    def run_id(self) -> str:
        return self._context.run_id

    @property
    def as_of(self) -> date:
        """Business date: nothing observed later is read."""
        return self._context.day

    @property
    def currency(self) -> str:
        return self.workspace.currency

    @property
    def folder(self) -> Path:
        return self._folder

    @property
    def simulated(self) -> bool:
        """Whether a result of this run rests on simulated data."""
        return bool(self._facts.simulated)

    def mark_simulated(self, *what: str) -> None:
        """Say that results rest on something simulated; the banner repeats it."""
        self._facts.simulated = sorted({*self._facts.simulated, *what})
        self._save()

    def _note_simulated(self, versions: Iterable[TableVersion]) -> None:
        names = {version.table for version in versions if version.rests_on_simulated}
        if not names <= set(self._facts.simulated):
            self.mark_simulated(*names)

    def headline(self, text: str) -> None:
        """The one sentence that answers the reader's question."""
        self._facts.headline = text
        self._save()

    # --- read -------------------------------------------------------------------------------

    @property
    def tables(self) -> list[str]:
        """Tables that this run may read."""
        return sorted(self._versions)

    def version(self, table: str) -> TableVersion:
        """The pinned version of a table.

        Raises:
            RunError: The notebook does not declare that it reads the table.
        """
        if table not in self._versions:
            raise RunError(
                f"{self._context.notebook}: reads table {table!r} without declaring it; add it to"
                " 'reads' in the notebook's metadata."
            )
        self._note_simulated([self._versions[table]])
        return self._versions[table]

    def read(
        self, table: str, *, columns: Sequence[str] | None = None, where: str | None = None
    ) -> pd.DataFrame:
        """Rows of the pinned version that were known on `as_of`."""
        version = self.version(table)
        self._facts.note_subset(table, where)
        self._save()
        return self._store.read(version, columns=columns, where=where, as_of=self.as_of)

    def distribution_centre(self, named: str = "") -> str:
        """The location that stands for all stores; see `sites.distribution_centre`."""
        return distribution_centre(self.read("locations"), named)

    def query(self, sql: str, *, beside: Mapping[str, pd.DataFrame] | None = None) -> pd.DataFrame:
        """Result of a DuckDB query over the pinned tables, as known on `as_of`.

        Args:
            sql: The query.
            beside: Further relations, by the name that the query uses.
        """
        self._note_simulated(self._versions.values())
        self._note_query(sql)
        return self._store.query(sql, versions=self._versions, as_of=self.as_of, beside=beside)

    def connect(self) -> Any:
        """A DuckDB connection with a view per pinned table, for the caller to close."""
        self._note_simulated(self._versions.values())
        connection = self._store.connect(versions=self._versions, as_of=self.as_of)
        return Recorded(connection, self._note_query)

    def _note_query(self, sql: str) -> None:
        self._facts.note_query(sql)
        self._save()

    def workers(self) -> Any:
        """Workers of the cluster that this run was given, or None: then this machine computes.

        Raises:
            ConfigError: They are not there any more, or have other code or packages.
        """
        if not self._context.cluster:
            return None
        found = cluster.connect(self._context.cluster)
        self._facts.cluster = asdict(found.cluster)
        self._save()
        print(found)
        return found

    def deliveries(self) -> pd.DataFrame:
        """When each version of the pinned tables was loaded; see `earlier.deliveries`."""
        return deliveries(self._store, self._versions.values())

    def upstream_report(self, table: str) -> Path:
        """Report folder of the run that wrote a pinned table.

        Raises:
            RunError: No report is found.
        """
        run_id = self.version(table).run_id
        found = sorted(self.workspace.reports.glob(f"*/*/{run_id}")) if run_id else []
        if not found:
            raise RunError(f"table {table!r}: no report of run {run_id}; run its notebook again.")
        return found[-1]

    def upstream_file(self, table: str, name: str) -> Path:
        """A file of the report of the run that wrote a pinned table; that it is read is recorded.

        Raises:
            RunError: There is no such report or file.
        """
        path = self.upstream_report(table) / name
        if not path.is_file():
            raise RunError(
                f"{path}: not there; expected the report's file, run its notebook again."
            )
        self._facts.files = sorted({*self._facts.files, str(path)})
        self._save()
        return path

    # --- write ------------------------------------------------------------------------------

    def write(
        self,
        table: str,
        rows: pd.DataFrame,
        *,
        provenance: Origin | Mapping[str, Origin] = "derived",
        made_from: MadeFrom | None = None,
    ) -> TableVersion:
        """Stage a version of a table; it becomes current when the run completes.

        Args:
            table: One that the notebook declares.
            rows: By its contract.
            provenance: Of all columns, or by column.
            made_from: Columns that it is made from beside those that the notebook's metadata
                states, where only the run can know.

        Raises:
            RunError: The notebook does not declare that it writes the table.
            ContractError: The rows break the table's contract.
        """
        if self.governed and table not in self._context.writes:
            raise RunError(
                f"{self._context.notebook}: writes table {table!r} without declaring it; add it to"
                " 'writes' in the notebook's metadata."
            )
        if c.RUN_ID in contract(table).names and c.RUN_ID not in rows:
            rows = rows.assign(**{c.RUN_ID: self.run_id})
        version = self._store.stage(
            self._folder / STAGED_FOLDER,
            table,
            rows,
            provenance=provenance,
            source=f"run {self.run_id} of {self._context.notebook}",
            parents=list(self._versions.values()),
            run_id=self.run_id,
            allow_empty=True,
        )
        self._facts.tables[table] = version.version
        if made_from is not None:
            self._facts.made_from[table] = made_from.to_json()
        self._save()
        return version

    def propose(self, proposals: pd.DataFrame) -> pd.DataFrame:
        """Stage proposals for the decision log.

        Ids follow from what they are, so that a retry of the same run proposes nothing twice. May
        be called several times; a proposal of the same kind, item, location and first day may not.

        Args:
            proposals: The `proposals` contract without `proposal_id` and `run_id`; `reasons` may
                hold lists.

        Returns:
            The proposals as staged.

        Raises:
            RunError: A column that every proposal has is missing.
        """
        needed = [column.name for column in PROPOSALS.columns if not column.nullable]
        missing = [n for n in needed if n not in {*proposals, c.PROPOSAL_ID, c.RUN_ID}]
        if missing:
            raise RunError(
                f"{self._context.notebook}: proposals without column {missing[0]!r}; expected"
                f" {', '.join(n for n in needed if n not in (c.PROPOSAL_ID, c.RUN_ID))}. Add it."
            )
        frame = proposals.assign(**{c.RUN_ID: self.run_id})
        frame[c.REASONS] = [
            value if isinstance(value, str) else json.dumps(list(value), ensure_ascii=False)
            for value in frame[c.REASONS]
        ]
        frame[c.PROPOSAL_ID] = proposal_ids(frame, self._context)
        if not self.governed:
            print(f"{len(frame)} proposals: a draft, never logged.")
            return frame
        self.write(PROPOSALS.name, pd.concat([*self._proposed, frame], ignore_index=True))
        self._proposed.append(frame)
        whole = pd.concat(self._proposed, ignore_index=True)
        self.save_table(for_planners(whole), PROPOSALS.name)
        return frame

    def record(self, kind: str, **fields: Any) -> None:
        """Hand a fact other than a proposal to the decision log, once the run completes.

        Args:
            kind: `fact`, `outcome`, `merge`, `rollout` or `model_promotion`.
            fields: Fields of the record; `id` makes it idempotent across runs.

        Raises:
            ContractError: The kind or a field is not for a notebook to record.
        """
        check_record(kind, fields)
        self._facts.records.append({"kind": kind, **fields})
        self._save()

    def save_model(self, name: str, data: bytes, *, version: str = "") -> ModelReference:
        """Keep the bytes of a model that this run trained; decisions refer to its digest."""
        digest = hashlib.sha256(data).hexdigest()
        reference = ModelReference(name, version or self.run_id, digest)
        self.save_bytes(f"models/{name}", data)
        self.use_model(reference)
        return reference

    def use_model(self, reference: ModelReference) -> None:
        """Put a model that this run uses on record."""
        self._facts.add_model(reference)
        self._save()

    def save_bytes(self, name: str, data: bytes) -> Path:
        """Keep a file in the report folder."""
        path = self._folder / name
        if not path.resolve().is_relative_to(self._folder.resolve()):
            raise RunError(f"artefact {name!r}: leaves the report folder; give a plain name.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def save_file(self, name: str, text: str) -> Path:
        """Keep a text file in the report folder."""
        return self.save_bytes(name, text.encode())

    def save_table(self, frame: pd.DataFrame, name: str) -> Path:
        """Keep a frame in the report folder as CSV and, for exact rereading, as Parquet."""
        self.save_file(f"tables/{name}.csv", safe_csv(frame))
        path = self._folder / f"tables/{name}.parquet"
        frame.to_parquet(path, index=False)
        return path

    def save_figure(self, figure: "Figure", name: str) -> Path:
        """Keep a figure as plotly JSON in the report folder."""
        return self.save_file(f"figures/{name}.json", str(figure.to_json()))

    # --- show -------------------------------------------------------------------------------

    def show(self, figure: "Figure", name: str) -> None:
        """Caption, keep and display a figure."""
        from IPython.display import display

        from workbench.dashboards import theme

        theme.caption(figure, self.run_id, self._digests(), simulated=self.simulated)
        self.save_figure(figure, name)
        bundle = {"application/vnd.plotly.v1+json": json.loads(str(figure.to_json()))}
        display({**bundle, "text/plain": name}, raw=True)  # type: ignore[no-untyped-call]

    def table(
        self, frame: pd.DataFrame, name: str, title: str, *, rows: int = 20, keep: bool = True
    ) -> None:
        """Keep a table whole and display its first rows under a title.

        With `keep` false it is only shown: for what differs from run to run, such as seconds, so
        that the same run again leaves the same files.
        """
        from IPython.display import display

        from workbench.dashboards import theme

        if keep:
            self.save_table(frame, name)
        html = theme.table_html(frame.head(rows), title=title, total=len(frame))
        display({"text/html": html, "text/plain": title}, raw=True)  # type: ignore[no-untyped-call]

    def show_inputs(self) -> None:
        """Say where the tables of this run come from, and which of them are simulated."""
        frame = origins(self._versions[table] for table in self.tables)
        self.table(frame, "inputs", "What this page rests on")

    def note(self, markdown: str) -> None:
        """Display a sentence that depends on results."""
        from IPython.display import Markdown, display

        display(Markdown(markdown))  # type: ignore[no-untyped-call]

    def finish(self) -> None:
        """Show what this run leaves: files with their SHA-256, staged tables with their digest."""
        from IPython.display import display

        from workbench.dashboards import theme

        rows = [
            (str(path.relative_to(self._folder)), hashlib.sha256(path.read_bytes()).hexdigest())
            for path in sorted(self._folder.rglob("*"))
            if path.is_file()
            and STAGED_FOLDER not in path.parts
            and path.name != FACTS_FILE
            and path.suffix != ".ipynb"
        ]
        for table, name in self._facts.tables.items():
            staged = self._folder / STAGED_FOLDER / table / name / "manifest.json"
            rows.append((f"table {table}", json.loads(staged.read_text())["digest"]))
        frame = pd.DataFrame(rows, columns=["artefact", "sha256"])
        frame["sha256"] = frame["sha256"].str[:16] + "…"
        html = theme.table_html(frame, title="Artefacts and their digests")
        display({"text/html": html, "text/plain": str(len(frame))}, raw=True)  # type: ignore[no-untyped-call]

    def _digests(self) -> list[str]:
        return [version.digest for version in self._versions.values()]

    def _save(self) -> None:
        self._facts.save(self._folder / FACTS_FILE)
