"""What the graph takes from an event: the run, what it read and made, and what was made from what.

An output was made from every input of its run, unless its `lineage` facet says from which
(OpenLineage, LineageFacet 1-0-0: an empty list says from none). Columns follow `columnLineage` and
`lineage`. Models that a run trained or used are datasets of a kind of their own.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from workbench.errors import LineageError
from workbench.lineage.names import FILE_NAMESPACE, PRODUCER, SCHEME, SESSIONS

TABLE: Final = "table"
FILE: Final = "file"
MODEL: Final = "model"
REPORT: Final = "report"
WHOLE: Final = ""  # in place of a column: all of them
# reports/<notebook>/<as_of>/<run id>/<file>: the files of one report are one dataset, whose
# versions are the reports of the notebook's runs: the run's id names them, whichever file is read.
_REPORT: Final = re.compile(
    r"(.*reports/[^/]+)/\d{4}-\d\d-\d\d/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})/.+"
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_OURS: Final = PRODUCER.rpartition(":")[0]
_MODELS: Final = "workbench_models"
_DECISIONS: Final = "workbench_decisionLog"


class Key(NamedTuple):
    """Identity of a dataset."""

    kind: str
    namespace: str
    name: str


@dataclass(frozen=True)
class Dataset:
    """A dataset as a run read it.

    Attributes:
        digest: Empty where the event names no version; of a report, the id of its run.
        names: Others that it has (facet `symlinks`), namespace and name.
        columns: Names, where the event has its schema.
    """

    key: Key
    digest: str = ""
    names: tuple[tuple[str, str], ...] = ()
    columns: tuple[str, ...] = ()


class ColumnEdge(NamedTuple):
    """`column` of an output is made from `source_column` of a dataset; either may be `WHOLE`.

    `source` None says that the column is made from nothing.
    """

    column: str
    source: tuple[str, str] | None
    source_column: str


@dataclass(frozen=True)
class Output:
    """A dataset as a run made it.

    Attributes:
        sources: Namespace and name of what it was made from; None: every input.
        columns: What is said about its columns.
    """

    dataset: Dataset
    sources: frozenset[tuple[str, str]] | None = None
    columns: tuple[ColumnEdge, ...] = ()


@dataclass(frozen=True)
class Logged:
    """Entries of a decision log that a run appended: first index and the one after the last."""

    origin: str
    first: int
    end: int


@dataclass(frozen=True)
class RunFacts:
    """One event of a run.

    Attributes:
        moment: Microseconds since 1970, UTC.
        is_ours: Each event repeats the ones before it, so that the last says everything.
        stands: What it made stands however it ended: a session publishes as it goes.
    """

    run_id: str
    job: str
    kind: str
    moment: int
    is_ours: bool
    inputs: tuple[Dataset, ...]
    outputs: tuple[Output, ...]
    logged: Logged | None = field(default=None)
    stands: bool = False


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of a time with zone."""
    delta = moment - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def run_facts(event: Mapping[str, Any]) -> RunFacts | None:
    """What the graph takes from an event; None where it is not a run's.

    Raises:
        LineageError: Names, types or times that the graph needs are missing.
    """
    if "run" not in event and "eventType" not in event:
        return None
    try:
        return _run_facts(event)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LineageError(
            "an event lacks run, job, dataset names or time; expected OpenLineage,"
            " 'workbench lineage validate' names the line"
        ) from error


def _run_facts(event: Mapping[str, Any]) -> RunFacts:
    moment = datetime.fromisoformat(event["eventTime"])
    facets = event["run"].get("facets") or {}
    space = str(event["job"]["namespace"])
    made = tuple(_output(one) for one in event.get("outputs") or [])
    trained, used = _models(space, facets.get(_MODELS) or {})
    return RunFacts(
        run_id=str(event["run"]["runId"]),
        job=str(event["job"]["name"]),
        kind=str(event["eventType"]),
        moment=microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC)),
        is_ours=str(event.get("producer", "")).startswith(_OURS),
        inputs=(*(_dataset(one) for one in event.get("inputs") or []), *used),
        outputs=(*made, *trained),
        logged=_logged(facets.get(_DECISIONS)),
        stands=_integration(event) == SESSIONS,
    )


def _integration(event: Mapping[str, Any]) -> str:
    facet = (event["job"].get("facets") or {}).get("jobType") or {}
    return str(facet.get("integration", ""))


def _dataset(stated: Mapping[str, Any]) -> Dataset:
    space, name = str(stated["namespace"]), str(stated["name"])
    facets = stated.get("facets") or {}
    version = facets.get("version") or {}
    kind = (facets.get("datasetType") or {}).get("datasetType")
    others = (facets.get("symlinks") or {}).get("identifiers") or []
    names = tuple((str(one["namespace"]), str(one["name"])) for one in others)
    report = _REPORT.fullmatch(name)
    if report:
        return Dataset(Key(REPORT, space, report.group(1)), report.group(2))
    fields = (facets.get("schema") or {}).get("fields") or []
    return Dataset(
        Key(_kind(space, name, kind), space, name),
        str(version.get("datasetVersion", "")),
        names,
        tuple(str(one["name"]) for one in fields),
    )


def report_name(name: str) -> str | None:
    """Name under which the graph has a file of a report; None for other files."""
    found = _REPORT.fullmatch(name)
    return found.group(1) if found else None


def _kind(space: str, name: str, stated: Any) -> str:
    if space.startswith(SCHEME):
        return FILE if "/" in name else TABLE
    is_file = space == FILE_NAMESPACE or space.startswith("pkg:") or stated == "FILE"
    return FILE if is_file else TABLE


def _output(stated: Mapping[str, Any]) -> Output:
    facets = stated.get("facets") or {}
    explicit = facets.get("lineage") or {}
    sources = explicit.get("inputs")
    named = None if sources is None else frozenset(_pair(one) for one in sources if "name" in one)
    columns = (*_column_lineage(facets.get("columnLineage") or {}), *_explicit_columns(explicit))
    return Output(_dataset(stated), named, tuple(dict.fromkeys(columns)))


def _pair(one: Mapping[str, Any]) -> tuple[str, str]:
    return str(one["namespace"]), str(one["name"])


def _column_lineage(facet: Mapping[str, Any]) -> Iterator[ColumnEdge]:
    for column, found in (facet.get("fields") or {}).items():
        if not found["inputFields"]:
            yield ColumnEdge(str(column), None, WHOLE)
        for one in found["inputFields"]:
            yield ColumnEdge(str(column), _pair(one), str(one["field"]))
    for one in facet.get("dataset") or []:
        yield ColumnEdge(WHOLE, _pair(one), str(one["field"]))


def _explicit_columns(facet: Mapping[str, Any]) -> Iterator[ColumnEdge]:
    for column, found in (facet.get("fields") or {}).items():
        if not found["inputs"]:
            yield ColumnEdge(str(column), None, WHOLE)
        for one in found["inputs"]:
            if "name" in one:
                yield ColumnEdge(str(column), _pair(one), str(one.get("field", WHOLE)))
    for one in facet.get("inputs") or []:
        if "field" in one:
            yield ColumnEdge(WHOLE, _pair(one), str(one["field"]))


def _models(space: str, facet: Mapping[str, Any]) -> tuple[Sequence[Output], Sequence[Dataset]]:
    """Models that were trained, from the tables that the facet names, and models that were used."""
    trained, used = [], []
    for one in facet.get("models") or []:
        model = Dataset(Key(MODEL, space, str(one["name"])), str(one["digest"]))
        if one["role"] == "trained":
            tables = one.get("trainingInputs") or {}
            sources = frozenset((space, str(table)) for table in tables)
            trained.append(Output(model, sources or None))
        else:
            used.append(model)
    return trained, used


def _logged(facet: Mapping[str, Any] | None) -> Logged | None:
    if not facet or facet.get("firstIndex") is None or not facet["entries"]:
        return None
    first = int(facet["firstIndex"])
    return Logged(str(facet["origin"]), first, first + int(facet["entries"]))
