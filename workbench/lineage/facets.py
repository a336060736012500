"""Facets of OpenLineage events, as plain builders over the client's generated classes."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, ClassVar, Final

import attr
from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    RunFacet,
    dataset_version_dataset,
    datasource_dataset,
    execution_parameters_run,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
    storage_dataset,
)

from workbench.contracts.records import ModelReference
from workbench.lineage.redaction import redacted
from workbench.tables.versions import TableVersion

SCHEMAS: Final = "urn:inventory-workbench:schema"


@attr.define
class DecisionLogRunFacet(RunFacet):
    """Entries that a run added to the decision log, under which signed tree."""

    origin: str
    firstIndex: int | None  # noqa: N815 - JSON name
    newEntries: int  # noqa: N815
    treeSize: int  # noqa: N815
    rootHash: str  # noqa: N815
    _additional_skip_redact: ClassVar[list[str]] = ["origin", "rootHash"]

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMAS}:DecisionLogRunFacet:1"


@attr.define
class ModelsRunFacet(RunFacet):
    """Models that a run made or used, by the SHA-256 of their bytes."""

    models: list[dict[str, str]]
    _additional_skip_redact: ClassVar[list[str]] = ["models"]

    @staticmethod
    def _get_schema() -> str:
        return f"{SCHEMAS}:ModelsRunFacet:1"


def parameters_facet(parameters: Mapping[str, Any]) -> Any:
    """Parameters of a run as text, with secrets left out."""
    return execution_parameters_run.ExecutionParametersRunFacet(
        parameters=[
            execution_parameters_run.ExecutionParameter(key=name, name=name, value=value)
            for name, value in redacted(parameters).items()
        ]
    )


def models_facet(models: Sequence[ModelReference]) -> Any:
    """Models of a run."""
    return ModelsRunFacet(
        models=[{"name": m.name, "version": m.version, "digest": m.digest} for m in models]
    )


def input_dataset(namespace: str, version: TableVersion) -> InputDataset:
    """A table version that a run reads."""
    statistics = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rowCount=version.rows, fileCount=len(version.files)
    )
    return InputDataset(
        namespace=namespace,
        name=version.table,
        facets=_dataset_facets(version),
        inputFacets={"inputStatistics": statistics},
    )


def output_dataset(namespace: str, version: TableVersion) -> OutputDataset:
    """A table version that a run wrote."""
    statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=version.rows,
        fileCount=len(version.files),
        size=sum(file.bytes for file in version.files),
    )
    return OutputDataset(
        namespace=namespace,
        name=version.table,
        facets=_dataset_facets(version),
        outputFacets={"outputStatistics": statistics},
    )


def file_dataset(path: str) -> Dataset:
    """A file outside the workspace, by the naming rules of OpenLineage: namespace `file`."""
    return InputDataset(namespace="file", name=path)


def _dataset_facets(version: TableVersion) -> dict[str, Any]:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=name, type=kind, description=f"provenance: {version.provenance.get(name, '?')}"
        )
        for name, kind in version.schema.items()
    ]
    return {
        "schema": schema_dataset.SchemaDatasetFacet(fields=fields),
        "version": dataset_version_dataset.DatasetVersionDatasetFacet(
            datasetVersion=version.digest
        ),
        "storage": storage_dataset.StorageDatasetFacet(storageLayer="file", fileFormat="parquet"),
        "dataSource": datasource_dataset.DatasourceDatasetFacet(name=version.source[:200]),
    }


def nominal_day(as_of: date) -> str:
    """Midnight UTC of a business date, as OpenLineage writes times."""
    return f"{as_of.isoformat()}T00:00:00+00:00"
