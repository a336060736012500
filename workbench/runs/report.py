"""What a notebook leaves in its report: files, tables, figures, sentences, digests of them all."""

import hashlib
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from workbench.contracts.export import safe_csv
from workbench.errors import RunError
from workbench.runs.context import FACTS_FILE, STAGED_FOLDER, Context
from workbench.runs.facts import Facts
from workbench.runs.origins import origins
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Report:
    """The report of one run, as it grows.

    Attributes:
        workspace: Folders of the workspace.
    """

    def __init__(self, context: Context, workspace: Workspace) -> None:
        self.workspace = workspace
        self._context = context
        self._folder = Path(context.folder)
        self._store = TableStore(workspace.tables)
        self._facts = Facts.load(self._folder / FACTS_FILE)
        self._versions = {
            table: self._store.version(table, name) for table, name in context.inputs.items()
        }

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

    @property
    def tables(self) -> list[str]:
        """Tables that this run may read."""
        return sorted(self._versions)

    # --- keep -------------------------------------------------------------------------------

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
