"""Datasets of events: tables and files that a run read or wrote, with what is known of them."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from openlineage.client import facet_v2 as standard
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.generated import lineage
from openlineage.client.generated.base import DatasetFacet, InputDatasetFacet

from workbench.contracts.made_from import DIRECT
from workbench.lineage import facets as own
from workbench.lineage import subsets
from workbench.lineage.facts import Assertion, ColumnSource, Feed, FileVersion, Found
from workbench.lineage.names import FILE_NAMESPACE, PRODUCER
from workbench.tables.versions import TableVersion


def table_input(namespace: str, table: TableVersion, as_of: date | None = None) -> InputDataset:
    """A table version that a run reads, as of a day."""
    statistics = standard.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        rowCount=table.rows, size=_bytes(table), fileCount=len(table.files), producer=PRODUCER
    )
    return InputDataset(
        namespace=namespace,
        name=table.table,
        facets=_table_facets(namespace, table),
        inputFacets={"inputStatistics": statistics, **_days(table, as_of)},
    )


def _days(table: TableVersion, as_of: date | None) -> dict[str, InputDatasetFacet]:
    condition = subsets.days_read(table, as_of)
    return {} if condition is None else {"subset": subsets.subset_facet(condition)}


def table_output(
    namespace: str, table: TableVersion, feed: Feed | None = None, *, is_new: bool = True
) -> OutputDataset:
    """A table version that a run wrote; made from all that the run read where no feed says less.

    Args:
        namespace: Of the workspace.
        table: As written.
        feed: What it was made from.
        is_new: The table had no other version before.
    """
    statistics = standard.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        rowCount=table.rows, size=_bytes(table), fileCount=len(table.files), producer=PRODUCER
    )
    facets = {
        **_table_facets(namespace, table),
        "dataQualityMetrics": _metrics(table),
        "lifecycleStateChange": _change_facet(is_new=is_new),
    }
    if feed is not None:
        facets |= feed_facets(namespace, feed)
    return OutputDataset(
        namespace=namespace,
        name=table.table,
        facets=facets,
        outputFacets={"outputStatistics": statistics},
    )


def file_input(file: FileVersion) -> InputDataset:
    """A file that a run reads."""
    space, name = _file_name(file)
    statistics = standard.input_statistics_input_dataset.InputStatisticsInputDatasetFacet(
        size=file.size, fileCount=1, producer=PRODUCER
    )
    return InputDataset(
        namespace=space,
        name=name,
        facets=_file_facets(file),
        inputFacets={"inputStatistics": statistics} if file.digest else None,
    )


def file_output(file: FileVersion) -> OutputDataset:
    """A file that a run wrote."""
    space, name = _file_name(file)
    statistics = standard.output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(
        size=file.size, fileCount=1, producer=PRODUCER
    )
    return OutputDataset(
        namespace=space,
        name=name,
        facets=_file_facets(file),
        outputFacets={"outputStatistics": statistics},
    )


def assertion_facets(assertions: Sequence[Assertion]) -> dict[str, InputDatasetFacet]:
    """Checks of a table that a run read, by the table's name."""
    module = standard.data_quality_assertions_dataset
    by_table: dict[str, list[Any]] = {}
    for one in assertions:
        if one.passed is None:
            continue  # nothing was measured: the run's facet `test` says so
        found = module.Assertion(
            assertion=one.name,
            success=one.passed,
            severity="warn",  # a finding blocks nothing
            name=one.name,
            description=one.description,
            expected=one.expected,
            actual=one.actual,
            params={"severity": one.severity},
        )
        by_table.setdefault(one.table, []).append(found)
    return {
        table: module.DataQualityAssertionsDatasetFacet(assertions=found, producer=PRODUCER)
        for table, found in by_table.items()
    }


def found_inputs(namespace: str, found: Found) -> list[InputDataset]:
    """What the end of a run tells of its inputs: checks, rows read, files found on the way."""
    facets: dict[str, dict[str, InputDatasetFacet]] = {}
    for table, checks in assertion_facets(found.assertions).items():
        facets.setdefault(table, {})["dataQualityAssertions"] = checks
    for table, conditions in found.subsets.items():
        condition = subsets.rows_read(conditions)
        if condition is not None:
            facets.setdefault(table, {})["subset"] = subsets.subset_facet(condition)
    tables = [InputDataset(namespace, table, inputFacets=each) for table, each in facets.items()]
    return [*tables, *(file_input(file) for file in found.files)]


def _file_name(file: FileVersion) -> tuple[str, str]:
    return file.namespace or FILE_NAMESPACE, file.name or file.path.absolute().as_posix()


def _bytes(table: TableVersion) -> int:
    return sum(file.bytes for file in table.files)


def _version_facet(digest: str) -> DatasetFacet:
    module = standard.dataset_version_dataset
    return module.DatasetVersionDatasetFacet(datasetVersion=digest, producer=PRODUCER)


def _type_facet(kind: str) -> DatasetFacet:
    module = standard.dataset_type_dataset
    return module.DatasetTypeDatasetFacet(datasetType=kind, producer=PRODUCER)


def _table_facets(namespace: str, table: TableVersion) -> dict[str, DatasetFacet]:
    return {
        "schema": _schema_facet(table),
        "version": _version_facet(table.digest),
        "datasetType": _type_facet("TABLE"),
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


def _change_facet(*, is_new: bool) -> DatasetFacet:
    """Versions are kept; the table as its name stands for it is another one now."""
    module = standard.lifecycle_state_change_dataset
    change = module.LifecycleStateChange("CREATE" if is_new else "OVERWRITE")
    return module.LifecycleStateChangeDatasetFacet(
        lifecycleStateChange=change, previousIdentifier=None, producer=PRODUCER
    )


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
    if not file.digest:
        return {"datasetType": _type_facet("DATABASE")}
    known = {"version": _version_facet(file.digest), "datasetType": _type_facet("FILE")}
    if file.format:
        known["storage"] = standard.storage_dataset.StorageDatasetFacet(
            storageLayer="file", fileFormat=file.format, producer=PRODUCER
        )
    return known


# --- what a table was made from -------------------------------------------------------------


def feed_facets(namespace: str, feed: Feed) -> dict[str, DatasetFacet]:
    """The explicit lineage of a table, and of its columns where these are stated."""
    known: dict[str, DatasetFacet] = {}
    if feed.tables is not None:
        known["lineage"] = _explicit_facet(namespace, feed, feed.tables)
    if feed.columns or feed.rows:
        known["columnLineage"] = _column_facet(namespace, feed)
    return known


def _explicit_facet(namespace: str, feed: Feed, tables: Sequence[str]) -> DatasetFacet:
    settings = lineage.LineageTransformation(type="INDIRECT", description="settings")
    inputs: list[lineage.LineageDatasetInput | lineage.LineageJobInput] = [
        *(_source(namespace, name) for name in tables),
        *(_source(namespace, file) for file in feed.files),
        *(_source(namespace, file, transformations=[settings]) for file in feed.settings),
    ]
    return lineage.LineageDatasetFacet(inputs=inputs, fields=None, producer=PRODUCER)


def _source(namespace: str, of: str | FileVersion, **more: Any) -> lineage.LineageDatasetInput:
    space, name = (namespace, of) if isinstance(of, str) else _file_name(of)
    options = {"transformations": None, **more}
    return lineage.LineageDatasetInput(namespace=space, name=name, type="DATASET", **options)


def _column_facet(namespace: str, feed: Feed) -> DatasetFacet:
    module = standard.column_lineage_dataset
    fields = {
        column: module.Fields(
            inputFields=_input_fields(namespace, sources),
            transformationDescription=None,
            transformationType=None,
        )
        for column, sources in feed.columns.items()
    }
    rows = _input_fields(namespace, feed.rows) or None
    return module.ColumnLineageDatasetFacet(fields=fields, dataset=rows, producer=PRODUCER)


def _input_fields(namespace: str, sources: Sequence[ColumnSource]) -> list[Any]:
    """One for each column, with all that becomes of it."""
    module = standard.column_lineage_dataset
    uses: dict[tuple[str, str, str], dict[tuple[str, bool], None]] = {}
    for one in sources:
        space, name = (namespace, one.of) if isinstance(one.of, str) else _file_name(one.of)
        uses.setdefault((space, name, one.column), {})[one.how, one.masked] = None
    return [
        module.InputField(
            namespace=space,
            name=name,
            field=column,
            transformations=[
                module.Transformation(
                    type="DIRECT" if how in DIRECT else "INDIRECT",
                    subtype=how,
                    description=None,
                    masking=masked,
                )
                for how, masked in found
            ],
        )
        for (space, name, column), found in uses.items()
    ]


# --- numbers that the files themselves state -------------------------------------------------


def _metrics(table: TableVersion) -> DatasetFacet:
    """Rows, and per column how many values are missing, as the Parquet files' footers have it."""
    module = standard.data_quality_metrics_dataset
    metrics = {
        name: module.ColumnMetrics(nullCount=missing, quantiles=None)
        for name, missing in _footers(table).items()
    }
    return module.DataQualityMetricsDatasetFacet(
        rowCount=table.rows,
        bytes=_bytes(table),
        fileCount=len(table.files),
        columnMetrics=metrics,
        producer=PRODUCER,
    )


def _footers(table: TableVersion) -> dict[str, int]:
    """Missing values by column; columns without full statistics are left out.

    Smallest and largest values stand there too and are not repeated: events are sent to others.
    """
    import pyarrow.parquet as pq

    groups: dict[str, list[Any]] = {}
    for path in table.data_paths:
        footer = pq.read_metadata(path)
        for row_group in range(footer.num_row_groups):
            group = footer.row_group(row_group)
            for place in range(group.num_columns):
                column = group.column(place)
                groups.setdefault(column.path_in_schema, []).append(column.statistics)
    return {
        name: sum(one.null_count for one in found)
        for name, found in groups.items()
        if all(one is not None and one.has_null_count for one in found)
    }
