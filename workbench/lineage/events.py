"""Builds OpenLineage run events with the client's own classes; returns them as JSON objects.

Importing this takes about 0.4 s (the client), so that only `lifecycle` does, when it writes.
Standard: OpenLineage 2-0-2. Every event is built and checked by the classes of its client.
"""

import contextlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final, Literal

from openlineage.client import facet_v2 as standard
from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import parent_run
from openlineage.client.generated.base import DatasetFacet, JobFacet, RunFacet
from openlineage.client.serde import Serde

from workbench import __version__
from workbench.lineage import facets as own
from workbench.lineage.facts import FileVersion, JobDescription, LogRange, ModelUse, ParentRun
from workbench.lineage.names import FILE_NAMESPACE, PRODUCER, check_job
from workbench.lineage.redaction import Redactor
from workbench.lineage.source_location import source_location
from workbench.tables.versions import TableVersion

EventType = Literal["START", "RUNNING", "COMPLETE", "FAIL", "ABORT"]
_STACK_CHARACTERS: Final = 20_000


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


def _parameters(texts: Mapping[str, str]) -> RunFacet:
    module = standard.execution_parameters_run
    return module.ExecutionParametersRunFacet(
        parameters=[module.ExecutionParameter(key=key, value=text) for key, text in texts.items()],
        producer=PRODUCER,
    )


def _engine(job: JobDescription) -> RunFacet:
    name, found = "python", platform.python_version()
    if job.kind == "notebook":
        with contextlib.suppress(PackageNotFoundError):  # then it is not executed here
            name, found = "papermill", version("papermill")
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


def job_of(namespace: str, job: JobDescription) -> Job:
    """The job with what is known about its code."""
    notebook = job.kind == "notebook"
    known: dict[str, JobFacet] = {
        "jobType": standard.job_type_job.JobTypeJobFacet(
            processingType="BATCH",
            integration="PAPERMILL" if notebook else "WORKBENCH",
            jobType="NOTEBOOK" if notebook else "STEP",
            producer=PRODUCER,
        )
    }
    if job.documentation:
        known["documentation"] = standard.documentation_job.DocumentationJobFacet(
            description=job.documentation, contentType="text/markdown", producer=PRODUCER
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


# --- datasets -------------------------------------------------------------------------------


def table_input(namespace: str, table: TableVersion) -> InputDataset:
    """A table version that a run reads."""
    statistics = standard.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rowCount=table.rows, size=_bytes(table), fileCount=len(table.files), producer=PRODUCER
    )
    return InputDataset(
        namespace=namespace,
        name=table.table,
        facets=_table_facets(namespace, table),
        inputFacets={"inputStatistics": statistics},
    )


def table_output(namespace: str, table: TableVersion) -> OutputDataset:
    """A table version that a run wrote."""
    statistics = standard.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=table.rows, size=_bytes(table), fileCount=len(table.files), producer=PRODUCER
    )
    return OutputDataset(
        namespace=namespace,
        name=table.table,
        facets=_table_facets(namespace, table),
        outputFacets={"outputStatistics": statistics},
    )


def file_input(file: FileVersion) -> InputDataset:
    """A file that a run reads."""
    statistics = standard.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        size=file.size, fileCount=1, producer=PRODUCER
    )
    return InputDataset(
        namespace=file.namespace or FILE_NAMESPACE,
        name=file.name or file.path.absolute().as_posix(),
        facets=_file_facets(file),
        inputFacets={"inputStatistics": statistics},
    )


def file_output(file: FileVersion) -> OutputDataset:
    """A file that a run wrote."""
    statistics = standard.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        size=file.size, fileCount=1, producer=PRODUCER
    )
    return OutputDataset(
        namespace=file.namespace or FILE_NAMESPACE,
        name=file.name or file.path.absolute().as_posix(),
        facets=_file_facets(file),
        outputFacets={"outputStatistics": statistics},
    )


def _bytes(table: TableVersion) -> int:
    return sum(file.bytes for file in table.files)


def _version_facet(digest: str) -> DatasetFacet:
    module = standard.dataset_version_dataset
    return module.DatasetVersionDatasetFacet(datasetVersion=digest, producer=PRODUCER)


def _table_facets(namespace: str, table: TableVersion) -> dict[str, DatasetFacet]:
    return {
        "schema": _schema_facet(table),
        "version": _version_facet(table.digest),
        "dataSource": standard.datasource_dataset.DatasourceDatasetFacet(
            name=namespace, uri=namespace, producer=PRODUCER
        ),
        "storage": standard.storage_dataset.StorageDatasetFacet(
            storageLayer="file", fileFormat="parquet", producer=PRODUCER
        ),
        own.PROVENANCE: own.WorkbenchProvenanceDatasetFacet(
            version=table.version,
            contentDigest=table.content_digest,
            source=table.source,
            restsOnSimulated=table.rests_on_simulated,
            columns=dict(table.provenance),
            lastObserved=table.last_observed.isoformat() if table.last_observed else None,
            producer=PRODUCER,
        ),
    }


def _schema_facet(table: TableVersion) -> DatasetFacet:
    module = standard.schema_dataset
    return module.SchemaDatasetFacet(
        fields=[
            module.SchemaDatasetFacetFields(
                name=name, type=kind, ordinal_position=position, fields=None
            )
            for position, (name, kind) in enumerate(table.schema.items(), 1)
        ],
        producer=PRODUCER,
    )


def _file_facets(file: FileVersion) -> dict[str, DatasetFacet]:
    known: dict[str, DatasetFacet] = {"version": _version_facet(file.digest)}
    if file.format:
        known["storage"] = standard.storage_dataset.StorageDatasetFacet(
            storageLayer="file", fileFormat=file.format, producer=PRODUCER
        )
    return known
