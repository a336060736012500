"""Job and dataset events: what is designed, before and without any run (OpenLineage 2-0-2)."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from workbench.lineage.journal import Journal
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


def unrecorded(
    journal: Journal, events: Iterable[Mapping[str, Any]]
) -> Iterator[Mapping[str, Any]]:
    """Those job and dataset events that say something else than the journal's last of that name."""
    known: dict[tuple[str, str, str], Mapping[str, Any]] = {}
    for line in journal.lines():
        if b'"eventType":' not in line.data:  # not of a run
            recorded = line.event()
            known[_subject(recorded)] = recorded
    for event in events:
        last = known.get(_subject(event))
        if last is None or _untimed(last) != _untimed(event):
            yield event


def _subject(event: Mapping[str, Any]) -> tuple[str, str, str]:
    kind = "job" if "job" in event else "dataset"
    named = event.get(kind) or {}
    return kind, str(named.get("namespace")), str(named.get("name"))


def _untimed(event: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name != "eventTime"}


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
