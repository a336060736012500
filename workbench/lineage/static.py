"""Job and dataset events: what is designed, before and without any run (OpenLineage 2-0-2)."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from openlineage.client import facet_v2 as standard
from openlineage.client.event_v2 import DatasetEvent, InputDataset, JobEvent, OutputDataset
from openlineage.client.generated.base import DatasetFacet, StaticDataset
from openlineage.client.serde import Serde

from workbench.contracts import tables
from workbench.lineage.datasets import feed_facets
from workbench.lineage.events import instant, job_of
from workbench.lineage.facts import Feed, JobDescription
from workbench.lineage.names import PRODUCER


def job_event(
    namespace: str,
    job: JobDescription,
    *,
    reads: Sequence[str],
    writes: Mapping[str, Feed | None],
    moment: datetime,
) -> dict[str, Any]:
    """A job with the tables that it declares to read and write, and what each is made from."""
    event = JobEvent(
        eventTime=instant(moment),
        job=job_of(namespace, job),
        inputs=[
            InputDataset(namespace, table, facets=_facets(namespace, table)) for table in reads
        ],
        outputs=[
            OutputDataset(
                namespace,
                table,
                facets=_facets(namespace, table) | (feed_facets(namespace, feed) if feed else {}),
            )
            for table, feed in writes.items()
        ],
        producer=PRODUCER,
    )
    return Serde.to_dict(event)


def dataset_event(namespace: str, table: str, *, moment: datetime) -> dict[str, Any]:
    """A table with the columns of its contract."""
    event = DatasetEvent(
        eventTime=instant(moment),
        dataset=StaticDataset(namespace, table, facets=_facets(namespace, table)),
        producer=PRODUCER,
    )
    return Serde.to_dict(event)


def _facets(namespace: str, table: str) -> dict[str, DatasetFacet]:
    module = standard.schema_dataset
    fields = [
        module.SchemaDatasetFacetFields(
            name=column.name, type=column.type, ordinal_position=position, fields=None
        )
        for position, column in enumerate(tables.contract(table).columns, 1)
    ]
    return {
        "schema": module.SchemaDatasetFacet(fields=fields, producer=PRODUCER),
        "datasetType": standard.dataset_type_dataset.DatasetTypeDatasetFacet(
            datasetType="TABLE", producer=PRODUCER
        ),
        "dataSource": standard.datasource_dataset.DatasourceDatasetFacet(
            name=namespace, uri=namespace, producer=PRODUCER
        ),
    }
