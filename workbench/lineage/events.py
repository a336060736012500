"""Builds OpenLineage run events with the client's own classes; returns them as JSON objects.

Importing this takes about 0.4 s (the client), so that only `lifecycle` does, when it writes.
Standard: OpenLineage 2-0-2. Every event is built and checked by the classes of its client.
"""

import contextlib
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Literal

from openlineage.client import facet_v2 as standard
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import parent_run
from openlineage.client.generated.base import JobFacet, RunFacet
from openlineage.client.serde import Serde

from workbench import __version__
from workbench.lineage import facets as own
from workbench.lineage.facts import (
    Assertion,
    ClusterUse,
    JobDescription,
    LogRange,
    ModelUse,
    ParentRun,
)
from workbench.lineage.names import PRODUCER, SESSIONS, check_job
from workbench.lineage.redaction import Redactor
from workbench.lineage.source_location import source_location

EventType = Literal["START", "RUNNING", "COMPLETE", "FAIL", "ABORT"]
_STACK_CHARACTERS: Final = 20_000
_ENGINES: Final = {"notebook": "papermill", "session": "ipykernel"}
_JOB_TYPES: Final = {
    "notebook": ("PAPERMILL", "NOTEBOOK"),
    "session": (SESSIONS, "NOTEBOOK"),
    "step": ("WORKBENCH", "STEP"),
}
# What can change a result and holds no secret; threads are left out, a kernel has its own.
_ENVIRONMENT: Final = ("CI", "LANG", "LC_ALL", "PYTHONHASHSEED", "SOURCE_DATE_EPOCH", "TZ")


def instant(moment: datetime) -> str:
    """UTC time as events write it, to the microsecond."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def run_event(
    kind: EventType,
    moment: datetime,
    *,
    run: Run,
    job: Job,
    inputs: Sequence[InputDataset] = (),
    outputs: Sequence[OutputDataset] = (),
) -> dict[str, Any]:
    """One event as a JSON object without absent fields."""
    event = RunEvent(
        eventType=RunState(kind),
        eventTime=instant(moment),
        run=run,
        job=job,
        inputs=list(inputs),
        outputs=list(outputs),
        producer=PRODUCER,
    )
    return Serde.to_dict(event)


def dataset_objects(
    inputs: Sequence[InputDataset], outputs: Sequence[OutputDataset]
) -> dict[str, list[dict[str, Any]]]:
    """Datasets as JSON objects, as they stand in an event."""
    return {
        "inputs": [Serde.to_dict(one) for one in inputs],
        "outputs": [Serde.to_dict(one) for one in outputs],
    }


# --- run ------------------------------------------------------------------------------------


def start_facets(
    namespace: str,
    job: JobDescription,
    parameters: Mapping[str, Any],
    *,
    redactor: Redactor,
    parent: ParentRun | None,
    as_of: date | None,
) -> dict[str, RunFacet]:
    """What is known about a run when it starts."""
    known: dict[str, RunFacet] = {
        "executionParameters": _parameters(redactor.parameters(parameters)),
        "processing_engine": _engine(job),
        **_environment(redactor),
    }
    if parent is not None:
        known["parent"] = _parent(namespace, parent)
    if as_of is not None:
        known["nominalTime"] = standard.nominal_time_run.NominalTimeRunFacet(
            nominalStartTime=f"{as_of}T00:00:00Z",
            nominalEndTime=f"{as_of + timedelta(days=1)}T00:00:00Z",
            producer=PRODUCER,
        )
    return known


def error_facet(message: str, traceback: str | None) -> dict[str, RunFacet]:
    """Why a run failed or was given up; of a long traceback, the end."""
    return {
        "errorMessage": standard.error_message_run.ErrorMessageRunFacet(
            message=message,
            programmingLanguage="PYTHON",
            stackTrace=traceback[-_STACK_CHARACTERS:] if traceback else None,
            producer=PRODUCER,
        )
    }


def test_facet(assertions: Sequence[Assertion]) -> dict[str, RunFacet]:
    """Checks that a run made, once each; those of a table stand at the table too."""
    module = standard.test_run
    tests = {
        one.name: module.TestExecution(
            name=one.name,
            status={True: "pass", False: "fail", None: "skip"}[one.passed],
            severity="warn",  # a finding blocks nothing
            description=one.description,
            expected=one.expected,
            actual=one.actual,
            params={"severity": one.severity},
        )
        for one in assertions
    }
    if not tests:
        return {}
    return {"test": module.TestRunFacet(tests=list(tests.values()), producer=PRODUCER)}


def tags_facet(*, simulated: bool) -> dict[str, RunFacet]:
    """Whether a run read or made what rests on simulated data."""
    module = standard.tags_run
    tag = module.TagsRunFacetFields(
        key="simulated", value="true" if simulated else "false", source="WORKBENCH"
    )
    return {"tags": module.TagsRunFacet(tags=[tag], producer=PRODUCER)}


def _environment(redactor: Redactor) -> dict[str, RunFacet]:
    """Variables of the process that starts the run, by an allow-list; nothing if none is set."""
    module = standard.environment_variables_run
    found = [
        module.EnvironmentVariable(name=name, value=redactor.text(os.environ[name]))
        for name in _ENVIRONMENT
        if os.environ.get(name)
    ]
    if not found:
        return {}
    facet = module.EnvironmentVariablesRunFacet(environmentVariables=found, producer=PRODUCER)
    return {"environmentVariables": facet}


def model_facet(models: Sequence[ModelUse]) -> dict[str, RunFacet]:
    """Models that a run trained or used; nothing if there are none."""
    if not models:
        return {}
    described = [
        own.Model(
            name=use.model.name,
            version=use.model.version,
            digest=use.model.digest,
            role=use.role,
            trainingInputs=dict(use.training_inputs),
            gates=[own.Gate(**asdict(gate)) for gate in use.gates],
        )
        for use in models
    ]
    return {own.MODELS: own.WorkbenchModelsRunFacet(models=described, producer=PRODUCER)}


def decision_log_facet(decisions: LogRange | None) -> dict[str, RunFacet]:
    """Entries of the decision log that a run appended; nothing if it has none to do with it."""
    if decisions is None:
        return {}
    facet = own.WorkbenchDecisionLogRunFacet(
        origin=decisions.origin,
        entries=decisions.entries,
        firstIndex=decisions.first_index,
        treeSize=decisions.tree_size,
        rootHash=decisions.root_hash,
        checkpoint=decisions.checkpoint,
        producer=PRODUCER,
    )
    return {own.DECISION_LOG: facet}


def cluster_facet(cluster: ClusterUse | None) -> dict[str, RunFacet]:
    """Who computed, where it was not this machine alone."""
    if cluster is None:
        return {}
    facet = own.WorkbenchClusterRunFacet(
        scheduler=cluster.scheduler,
        workers=cluster.workers,
        threads=cluster.threads,
        memoryBytes=cluster.memory_bytes,
        producer=PRODUCER,
    )
    return {own.CLUSTER: facet}


def _parameters(texts: Mapping[str, str]) -> RunFacet:
    module = standard.execution_parameters_run
    return module.ExecutionParametersRunFacet(
        parameters=[module.ExecutionParameter(key=key, value=text) for key, text in texts.items()],
        producer=PRODUCER,
    )


def _engine(job: JobDescription) -> RunFacet:
    name, found = "python", platform.python_version()
    package = _ENGINES.get(job.kind)
    if package:
        with contextlib.suppress(PackageNotFoundError):  # then it is not executed here
            name, found = package, version(package)
    return standard.processing_engine_run.ProcessingEngineRunFacet(
        name=name, version=found, openlineageAdapterVersion=__version__, producer=PRODUCER
    )


def _parent(namespace: str, parent: ParentRun) -> RunFacet:
    root = parent.root or parent
    return parent_run.ParentRunFacet(
        run=parent_run.Run(runId=parent.run_id),
        job=parent_run.Job(namespace=namespace, name=check_job(parent.job)),
        root=parent_run.Root(
            run=parent_run.RootRun(runId=root.run_id),
            job=parent_run.RootJob(namespace=namespace, name=check_job(root.job)),
        ),
        producer=PRODUCER,
    )


# --- job ------------------------------------------------------------------------------------


def sql_facet(queries: Sequence[str], redactor: Redactor) -> dict[str, JobFacet]:
    """Queries that the last run asked of DuckDB, one after the other; nothing without any."""
    if not queries:
        return {}
    text = redactor.text(";\n".join(queries))
    facet = standard.sql_job.SQLJobFacet(query=text, dialect="duckdb", producer=PRODUCER)
    return {"sql": facet}


def job_of(namespace: str, job: JobDescription) -> Job:
    """The job with what is known about its code."""
    integration, job_type = _JOB_TYPES[job.kind]
    known: dict[str, JobFacet] = {
        "jobType": standard.job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration=integration, jobType=job_type, producer=PRODUCER
        )
    }
    if job.documentation:
        known["documentation"] = standard.documentation_job.DocumentationJobFacet(
            description=job.documentation, contentType="text/markdown", producer=PRODUCER
        )
    if job.owner:
        owner = standard.ownership_job.Owner(name=job.owner, type="OWNER")
        known["ownership"] = standard.ownership_job.OwnershipJobFacet(
            owners=[owner], producer=PRODUCER
        )
    location = source_location(job.source) if job.source else None
    if location is not None:
        known["sourceCodeLocation"] = standard.source_code_location_job.SourceCodeLocationJobFacet(
            type="git",
            url=location.url,
            repoUrl=location.repository,
            path=location.path,
            version=location.commit,
            branch=location.branch,
            producer=PRODUCER,
        )
    return Job(namespace=namespace, name=check_job(job.name), facets=known)
