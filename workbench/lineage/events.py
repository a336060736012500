"""OpenLineage events of one run: START, then exactly one of COMPLETE, FAIL, ABORT."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final

from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    documentation_job,
    error_message_run,
    job_type_job,
    nominal_time_run,
    parent_run,
    processing_engine_run,
)
from openlineage.client.serde import Serde

from workbench import __version__
from workbench.contracts.records import ModelReference
from workbench.errors import LineageError
from workbench.lineage import facets
from workbench.lineage.journal import Journal
from workbench.lineage.redaction import redacted_text
from workbench.tables.versions import TableVersion

PRODUCER: Final = f"urn:inventory-workbench:{__version__}"
TERMINAL: Final = ("COMPLETE", "FAIL", "ABORT")


def namespace(workspace_id: str) -> str:
    """Namespace of a workspace's jobs and tables."""
    return f"workbench://{workspace_id}"


class RunLineage:
    """Writes the events of one run and refuses a second end.

    Args:
        journal: Where events go.
        workspace_id: Names the namespace.
        job: Name of the notebook or step.
        run_id: UUID of the run.
        job_type: `NOTEBOOK` or `STEP`.
        description: What the job is for.
        parent: Run id and job of the run that started this one.
        clock: UTC.
    """

    def __init__(
        self,
        journal: Journal,
        *,
        workspace_id: str,
        job: str,
        run_id: str,
        job_type: str = "NOTEBOOK",
        description: str = "",
        parent: tuple[str, str] | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._journal = journal
        self._namespace = namespace(workspace_id)
        self._job = job
        self._run_id = run_id
        self._job_type = job_type
        self._description = description
        self._parent = parent
        self._clock = clock
        self._ended = False
        self._facets: dict[str, Any] = {}
        self._inputs: list[Any] = []

    def start(
        self,
        *,
        inputs: Sequence[TableVersion] = (),
        parameters: Mapping[str, Any] | None = None,
        as_of: date | None = None,
    ) -> None:
        """Write START with what is known before any work."""
        self._inputs = [facets.input_dataset(self._namespace, version) for version in inputs]
        self._facets = {
            "processing_engine": processing_engine_run.ProcessingEngineRunFacet(
                version=__version__, name="workbench"
            )
        }
        if parameters:
            self._facets["executionParameters"] = facets.parameters_facet(parameters)
        if as_of:
            day = facets.nominal_day(as_of)
            self._facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(nominalStartTime=day)
        if self._parent:
            self._facets["parent"] = self._parent_facet(*self._parent)
        self._emit(RunState.START, {})

    def complete(
        self,
        *,
        outputs: Sequence[TableVersion] = (),
        models: Sequence[ModelReference] = (),
        log: Mapping[str, Any] | None = None,
    ) -> None:
        """Write COMPLETE with output versions, models and the range of log entries.

        Args:
            outputs: Table versions written.
            models: Models made or used.
            log: origin, first_index, new, size, root of the append, if decisions were recorded.
        """
        extra: dict[str, Any] = {}
        if models:
            extra["workbench_models"] = facets.models_facet(models)
        if log:
            extra["workbench_decisionLog"] = facets.DecisionLogRunFacet(
                origin=log["origin"],
                firstIndex=log["first_index"],
                newEntries=log["new"],
                treeSize=log["size"],
                rootHash=log["root"],
            )
        written = [facets.output_dataset(self._namespace, version) for version in outputs]
        self._end(RunState.COMPLETE, extra, written)

    def fail(self, message: str, *, trace: str = "") -> None:
        """Write FAIL with the error."""
        self._end(RunState.FAIL, _error(message, trace), [])

    def abort(self, reason: str) -> None:
        """Write ABORT: the run was given up, or died."""
        self._end(RunState.ABORT, _error(reason, ""), [])

    def _end(self, state: Any, extra: dict[str, Any], outputs: list[Any]) -> None:
        if self._ended:
            raise LineageError(
                f"run {self._run_id}: has ended; expected one terminal event, start a new run."
            )
        self._emit(state, extra, outputs)
        self._ended = True

    def _emit(self, state: Any, extra: dict[str, Any], outputs: list[Any] | None = None) -> None:
        job_facets: dict[str, Any] = {
            "jobType": job_type_job.JobTypeJobFacet(
                processingType="BATCH", integration="WORKBENCH", jobType=self._job_type
            )
        }
        if self._description:
            job_facets["documentation"] = documentation_job.DocumentationJobFacet(
                description=self._description
            )
        event = RunEvent(
            eventTime=self._clock().isoformat(),
            producer=PRODUCER,
            eventType=state,
            run=Run(runId=self._run_id, facets={**self._facets, **extra}),
            job=Job(namespace=self._namespace, name=self._job, facets=job_facets),
            inputs=self._inputs,
            outputs=outputs or [],
        )
        self._journal.append(_with_producer(json.loads(Serde.to_json(event))))

    def _parent_facet(self, run_id: str, job: str) -> Any:
        return parent_run.ParentRunFacet(
            run=parent_run.Run(runId=run_id),
            job=parent_run.Job(namespace=self._namespace, name=job),
            root=parent_run.Root(
                run=parent_run.RootRun(runId=run_id),
                job=parent_run.RootJob(namespace=self._namespace, name=job),
            ),
        )


def _with_producer(value: Any) -> Any:
    """Every facet names its producer; the client would name itself."""
    if isinstance(value, dict):
        return {
            key: PRODUCER if key == "_producer" else _with_producer(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [_with_producer(item) for item in value]
    return value


def _error(message: str, trace: str) -> dict[str, Any]:
    facet = error_message_run.ErrorMessageRunFacet(
        message=redacted_text(message),
        programmingLanguage="python",
        stackTrace=redacted_text(trace) if trace else None,
    )
    return {"errorMessage": facet}


def open_runs(journal: Journal) -> dict[str, str]:
    """Run id to job of runs that started and have no terminal event."""
    running: dict[str, str] = {}
    for event in journal.events():
        run_id = event["run"]["runId"]
        if event["eventType"] == "START":
            running[run_id] = event["job"]["name"]
        elif event["eventType"] in TERMINAL:
            running.pop(run_id, None)
    return running
