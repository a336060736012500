"""One run's events in the only order that is allowed: START, then RUNNING, then one ending.

A run that was left open, because its process died, is found by `open_runs` and ended by whoever
starts next: `RunLineage.resume(journal, run).abort(reason)` or `.complete(outputs)`.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from workbench.errors import LineageError
from workbench.lineage.facts import (
    Feed,
    FileVersion,
    Found,
    JobDescription,
    LogRange,
    ModelUse,
    ParentRun,
)
from workbench.lineage.journal import Journal, Position, utc_now
from workbench.lineage.names import namespace
from workbench.lineage.open_runs import OpenRun, has_ended, latest_event, open_runs
from workbench.lineage.redaction import Redactor

if TYPE_CHECKING:
    from openlineage.client.generated.base import OutputDataset, RunFacet

    from workbench.lineage.events import EventType
    from workbench.lineage.symlinks import Symlinks
    from workbench.tables.versions import TableVersion

__all__ = ["Journal", "OpenRun", "RunLineage", "open_runs"]


class RunLineage:
    """Writes the events of one run; refuses a second START and a second ending.

    The ending is checked against the journal under its lock, so that two processes that clean up
    after a crash cannot both end a run.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        workspace_id: str,
        job: str | JobDescription,
        run_id: str,
        parent: ParentRun | None = None,
        symlinks: "Symlinks | None" = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """Describe a run that has not started.

        Args:
            journal: Where its events go.
            workspace_id: Names the namespace of jobs and tables.
            job: Notebook, or a description of it or of a step.
            run_id: UUID, used once.
            parent: Run that starts this one.
            symlinks: Other names of our datasets.
            now: Clock, UTC. Where it steps back, events keep the time of the one before.

        Raises:
            LineageError: `run_id` is not a UUID, or the workspace id cannot stand in a URI.
        """
        self.run_id = _uuid(run_id)
        self._journal = journal
        self._namespace = namespace(workspace_id)
        self._job = job if isinstance(job, JobDescription) else JobDescription(job)
        self._parent = parent
        self._symlinks = symlinks or {}
        self._now = now
        self._redactor = Redactor()
        self._started: Mapping[str, Any] | None = None
        self._position = Position("", 0)
        self._ended: str | None = None
        self._one_at_a_time = threading.RLock()  # RUNNING comes from a thread of its own

    @classmethod
    def resume(
        cls, journal: Journal, run: OpenRun, *, now: Callable[[], datetime] = utc_now
    ) -> Self:
        """Take over a run that its own process did not end, with all that it said."""
        workspace_id = str(run.started["job"]["namespace"]).removeprefix("workbench://")
        lineage = cls(journal, workspace_id=workspace_id, job=run.job, run_id=run.run_id, now=now)
        lineage._started, lineage._position = latest_event(journal, run), run.position
        return lineage

    @property
    def has_started(self) -> bool:
        """Whether this object knows of a START."""
        return self._started is not None

    def start(
        self,
        inputs: Sequence["TableVersion"] = (),
        parameters: Mapping[str, Any] | None = None,
        *,
        files: Sequence[FileVersion] = (),
        as_of: date | None = None,
    ) -> Position:
        """Write START.

        Args:
            inputs: Table versions that the run reads.
            parameters: Checked parameters; secrets in them are redacted.
            files: Files that it reads besides.
            as_of: Business day that the run is about; its nominal time.

        Raises:
            LineageError: The run has started already, or the event cannot be written.
        """
        from openlineage.client.event_v2 import Run

        from workbench.lineage import datasets, events

        if self._started is not None:
            raise LineageError(f"run {self.run_id}: has started already; expected one START.")
        self._redactor = Redactor(parameters)
        facets = events.start_facets(
            self._namespace,
            self._job,
            parameters or {},
            redactor=self._redactor,
            parent=self._parent,
            as_of=as_of,
        )
        read = [datasets.table_input(self._namespace, table, as_of) for table in inputs]
        started = events.run_event(
            "START",
            self._now(),
            run=Run(runId=self.run_id, facets=facets),
            job=events.job_of(self._namespace, self._job),
            inputs=[*read, *(datasets.file_input(file) for file in files)],
        )
        told = self._with_symlinks(started)
        self._position = self._journal.append(told)
        self._started = told
        return self._position

    def running(
        self,
        *,
        inputs: Sequence["TableVersion"] = (),
        input_files: Sequence[FileVersion] = (),
        outputs: Sequence["TableVersion"] = (),
        output_files: Sequence[FileVersion] = (),
        feeds: Mapping[str, Feed] | None = None,
    ) -> Position:
        """Write RUNNING, for a run that takes long or reads and writes as it goes.

        What is given here, later events repeat, also where this one cannot be written.

        Args:
            inputs: Table versions that it read since the last event.
            input_files: Files that it read.
            outputs: Table versions that it wrote and that stand whatever comes of the run.
            output_files: Files that it wrote.
            feeds: As for `complete`.

        Raises:
            LineageError: The run has not started or has ended, or the event cannot be written.
        """
        from workbench.lineage import datasets, events

        feeds = feeds or {}
        read = [datasets.table_input(self._namespace, table) for table in inputs]
        written = [
            datasets.table_output(self._namespace, table, feeds.get(table.table))
            for table in outputs
        ]
        more = events.dataset_objects(
            [*read, *(datasets.file_input(file) for file in input_files)],
            [*written, *(datasets.file_output(file) for file in output_files)],
        )
        if self._started is not None:
            told = {side: [*self._started.get(side, []), *more[side]] for side in more}
            self._started = {**self._started, **told}
        with self._one_at_a_time:
            return self._follow("RUNNING", {})

    def complete(
        self,
        outputs: Sequence["TableVersion"] = (),
        *,
        files: Sequence[FileVersion] = (),
        models: Sequence[ModelUse] = (),
        decisions: LogRange | None = None,
        feeds: Mapping[str, Feed] | None = None,
        found: Found | None = None,
    ) -> Position:
        """Write COMPLETE with what the run made.

        Args:
            outputs: Table versions that it wrote.
            files: Files that it wrote besides.
            models: Models that it trained or used.
            decisions: Its entries of the decision log.
            feeds: By the name of an output table, what it was made from; others were made from all
                inputs.
            found: What its end can tell of its inputs and outputs.

        Raises:
            LineageError: The run has not started or has ended, or the event cannot be written.
        """
        from workbench.lineage import datasets, events

        feeds, found = feeds or {}, found or Found()
        written = [
            datasets.table_output(
                self._namespace, table, feeds.get(table.table),
                is_new=table.table not in found.replaced,
            )
            for table in outputs
        ]  # fmt: skip
        simulated = self._read_simulated() or any(table.rests_on_simulated for table in outputs)
        return self._end(
            "COMPLETE",
            {
                **events.tags_facet(simulated=simulated),
                **events.model_facet(models),
                **events.decision_log_facet(decisions),
                **events.test_facet(found.assertions),
                **events.cluster_facet(found.cluster),
            },
            [*written, *(datasets.file_output(file) for file in files)],
            found,
        )

    def fail(self, message: str, traceback: str | None = None) -> Position:
        """Write FAIL; secrets in both texts are redacted.

        Raises:
            LineageError: The run has not started or has ended, or the event cannot be written.
        """
        return self._give_up("FAIL", message, traceback)

    def abort(self, reason: str) -> Position:
        """Write ABORT: the run was stopped or its process died.

        Raises:
            LineageError: The run has not started or has ended, or the event cannot be written.
        """
        return self._give_up("ABORT", reason, None)

    def _give_up(self, kind: "EventType", message: str, traceback: str | None) -> Position:
        from workbench.lineage import events

        trace = self._redactor.text(traceback) if traceback else None
        return self._end(kind, events.error_facet(self._redactor.text(message), trace), [])

    def _end(
        self,
        kind: "EventType",
        facets: Mapping[str, "RunFacet"],
        outputs: list["OutputDataset"],
        found: Found | None = None,
    ) -> Position:
        with self._one_at_a_time:
            position = self._follow(kind, facets, outputs, found)
            self._ended = kind
        return position

    def _follow(
        self,
        kind: "EventType",
        facets: Mapping[str, "RunFacet"],
        outputs: Sequence["OutputDataset"] = (),
        found: Found | None = None,
    ) -> Position:
        """Append an event after START; it repeats what START said and adds what is new."""
        from openlineage.client.event_v2 import Job, Run

        from workbench.lineage import datasets, events

        if self._started is None:
            raise LineageError(f"run {self.run_id}: has not started; expected START before {kind}.")
        started, found = self._started, found or Found()
        earliest = datetime.fromisoformat(str(started["eventTime"]))
        event = events.run_event(
            kind,
            max(self._now(), earliest),
            run=Run(runId=self.run_id, facets=dict(facets)),
            job=Job(
                namespace=self._namespace,
                name=self._job.name,
                facets=dict(events.sql_facet(found.queries, self._redactor)),
            ),
            inputs=datasets.found_inputs(self._namespace, found),
            outputs=outputs,
        )
        event["job"] = _joined(started["job"], event["job"], "facets")
        event["inputs"] = _inputs(started.get("inputs", []), event["inputs"])
        event["outputs"] = [*started.get("outputs", []), *event.get("outputs", [])]
        event["run"]["facets"] = {**started["run"].get("facets", {}), **event["run"]["facets"]}
        return self._journal.append(
            self._with_symlinks(event), check=lambda: self._refuse_after_end(kind)
        )

    def _with_symlinks(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self._symlinks:
            return event
        from workbench.lineage.symlinks import with_symlinks

        return with_symlinks(event, self._namespace, self._symlinks)

    def _read_simulated(self) -> bool:
        """Whether an input rests on simulated data, as START says."""
        read = (self._started or {}).get("inputs", [])
        own = (dataset.get("facets", {}).get("workbench_provenance", {}) for dataset in read)
        return any(facet.get("restsOnSimulated") for facet in own)

    def _refuse_after_end(self, kind: str) -> None:
        ended = self._ended or has_ended(self._journal, self.run_id, self._position)
        if ended is not None:
            self._ended = ended
            raise LineageError(
                f"run {self.run_id}: has ended with {ended}; expected nothing after that, {kind}"
                " was not written."
            )


def _inputs(
    started: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> list[Mapping[str, Any]]:
    """Inputs as START has them, with what the run found about each, then those found since."""
    told = {(one["namespace"], one["name"]): one for one in found}
    known = {(one["namespace"], one["name"]): one for one in started}
    joined = [
        _joined(one, told[name], "inputFacets") if name in told else one
        for name, one in known.items()
    ]
    return [*joined, *(one for name, one in told.items() if name not in known and one["facets"])]


def _joined(started: Mapping[str, Any], found: Mapping[str, Any], facets: str) -> Mapping[str, Any]:
    """As START has it, with more facets."""
    both = dict(started.get(facets) or {})
    for name, facet in (found.get(facets) or {}).items():
        both[name] = _narrowed(both[name], facet) if name == "subset" and name in both else facet
    return {**started, facets: both} if both else started


def _narrowed(days: Mapping[str, Any], rows: Mapping[str, Any]) -> Mapping[str, Any]:
    """The days that could be read, and of them the rows that were."""
    parts = {"left": days["inputCondition"], "right": rows["inputCondition"]}
    return {**days, "inputCondition": {**parts, "operator": "AND", "type": "binary"}}


def _uuid(run_id: str) -> str:
    try:
        return str(UUID(run_id))
    except ValueError as error:
        raise LineageError(f"run id {run_id!r}: not a UUID; expected one, used once.") from error
