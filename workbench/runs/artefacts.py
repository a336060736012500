"""What a notebook reads and leaves: `run = artefacts.open()`.

Under the runner, tables are pinned versions and everything written lies in a temporary folder that
becomes the report when the run completes. Opened by hand there is no runner: tables are the current
ones, output goes to `reports/interactive/`, proposals are a draft that is never logged.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from workbench.contracts import columns as c
from workbench.contracts.made_from import MadeFrom
from workbench.contracts.records import ModelReference
from workbench.contracts.schema import Origin
from workbench.contracts.sites import distribution_centre
from workbench.contracts.tables import PROPOSALS, contract
from workbench.errors import RunError
from workbench.runs import cluster, session
from workbench.runs.context import STAGED_FOLDER, Context, load_context
from workbench.runs.earlier import deliveries
from workbench.runs.facts import check_record
from workbench.runs.inputs import business_date
from workbench.runs.proposed import for_planners, proposal_ids
from workbench.runs.report import Report
from workbench.tables.queries import Recorded
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace, find_workspace, open_workspace

if TYPE_CHECKING:
    pass

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
    dated = any(version.last_observed for version in versions.values())
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
        as_of=(business_date(store, versions) if dated else date.today()).isoformat(),
        folder=str(folder),
        workspace=str(workspace.root),
        inputs={table: version.version for table, version in versions.items()},
        writes=(),
        skip_key=_INTERACTIVE,
        attempt=0,
    )
    print(f"Interactive: a draft under {folder}; no decision is logged, {told}.")
    return Run(context, workspace, governed=False)


def _of_run(rows: pd.DataFrame | pa.Table, run_id: str) -> pd.DataFrame | pa.Table:
    """The rows, each with the run that made it unless it says so already."""
    if isinstance(rows, pd.DataFrame):
        return rows if c.RUN_ID in rows else rows.assign(**{c.RUN_ID: run_id})
    if c.RUN_ID in rows.column_names:
        return rows
    place = pa.array(np.zeros(rows.num_rows, dtype=np.int8))
    return rows.append_column(c.RUN_ID, pa.DictionaryArray.from_arrays(place, pa.array([run_id])))


class Run(Report):
    """Reads pinned tables, keeps what the notebook leaves.

    Attributes:
        governed: Whether the runner executes this notebook.
    """

    def __init__(self, context: Context, workspace: Workspace, *, governed: bool) -> None:
        super().__init__(context, workspace)
        self.governed = governed
        self._proposed: list[pd.DataFrame] = []
        if governed:  # opened by hand, every table is at hand: only what is read counts
            self._note_simulated(self._versions.values())

    # --- read -------------------------------------------------------------------------------

    def version(self, table: str) -> TableVersion:
        """The pinned version of a table.

        Raises:
            RunError: The notebook does not declare that it reads the table, or by hand: there is
                no such table.
        """
        if table not in self._versions and not self.governed:
            raise RunError(
                f"{self._context.notebook}: reads table {table!r}, which this workspace does not"
                f" have; expected one of {', '.join(self._versions)}: ingest it, or name another."
            )
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
        rows: pd.DataFrame | pa.Table,
        *,
        provenance: Origin | Mapping[str, Origin] = "derived",
        made_from: MadeFrom | None = None,
    ) -> TableVersion:
        """Stage a version of a table; it becomes current when the run completes.

        Args:
            table: One that the notebook declares.
            rows: By its contract; an Arrow table where there are millions.
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
        if c.RUN_ID in contract(table).names:
            rows = _of_run(rows, self.run_id)
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
