"""Strict validation of a journal: form of each event, naming, and one life per run."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from workbench.errors import LineageError
from workbench.lineage.journal import Journal
from workbench.resources import resource

_STATES: Final = ("START", "RUNNING", "COMPLETE", "FAIL", "ABORT", "OTHER")
_TERMINAL: Final = ("COMPLETE", "FAIL", "ABORT")
_NAMESPACE: Final = re.compile(r"^(workbench://[\w.-]+|file)$")
_OWN_FACETS: Final = {
    "workbench_decisionLog": "WorkbenchDecisionLogRunFacet.json",
    "workbench_models": "WorkbenchModelsRunFacet.json",
}


@dataclass(frozen=True)
class Problem:
    """What is wrong with which event: its number in the journal, from 1, and the field."""

    event: int
    field: str
    message: str

    def __str__(self) -> str:
        return f"event {self.event}, {self.field}: {self.message}"


def validate_journal(folder: Path, schemas: Path | None = None) -> tuple[int, list[Problem]]:
    """Check every event of a journal.

    Args:
        folder: Of the journal.
        schemas: Folder with the official OpenLineage schemas, if at hand.

    Returns:
        Number of events, and problems in order.

    Raises:
        LineageError: The journal or a schema is unreadable.
    """
    events = list(Journal(folder).events())
    return len(events), validate_events(events, schemas)


def validate_events(
    events: Iterable[Mapping[str, Any]], schemas: Path | None = None
) -> list[Problem]:
    """Check events in the order in which they were written."""
    official = _Official(schemas) if schemas else None
    problems: list[Problem] = []
    lives: dict[str, list[str]] = {}
    times: dict[str, datetime] = {}
    for number, event in enumerate(events, start=1):
        found = _form(event)
        if not found:
            found = [*_names(event), *_life(event, lives, times), *_own_facets(event)]
            if official:
                found += official.check(event)
        problems += [Problem(number, field, message) for field, message in found]
    return problems


def _form(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    problems = []
    try:
        when = datetime.fromisoformat(event["eventTime"])
        if when.tzinfo is None:
            problems.append(("eventTime", "has no time zone; expected an offset"))
    except (KeyError, TypeError, ValueError):
        problems.append(("eventTime", "is not a date-time of ISO 8601"))
    try:
        UUID(event["run"]["runId"])
    except (KeyError, TypeError, ValueError):
        problems.append(("run.runId", "is not a UUID"))
    if event.get("eventType") not in _STATES:
        problems.append(("eventType", f"is {event.get('eventType')!r}"))
    job = event.get("job")
    if not isinstance(job, dict) or not job.get("namespace") or not job.get("name"):
        problems.append(("job", "has no namespace or name"))
    if not str(event.get("producer", "")).startswith("urn:"):
        problems.append(("producer", "is not a URN"))
    return problems


def _names(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    named = [("job", event["job"])]
    for side in ("inputs", "outputs"):
        named += [(f"{side}[{i}]", d) for i, d in enumerate(event.get(side, []))]
    return [
        (f"{field}.namespace", f"is {thing['namespace']!r}; expected workbench://ID or file")
        for field, thing in named
        if not _NAMESPACE.match(thing["namespace"])
    ]


def _life(
    event: Mapping[str, Any], lives: dict[str, list[str]], times: dict[str, datetime]
) -> list[tuple[str, str]]:
    """START first, one terminal event last, times in order."""
    run, state = event["run"]["runId"], event["eventType"]
    seen = lives.setdefault(run, [])
    problems = []
    if not seen and state != "START":
        problems.append(("eventType", f"{state} before START of run {run}"))
    if seen and state == "START":
        problems.append(("eventType", f"second START of run {run}"))
    if any(s in _TERMINAL for s in seen):
        problems.append(("eventType", f"{state} after the end of run {run}"))
    seen.append(state)
    when = datetime.fromisoformat(event["eventTime"])
    if run in times and when < times[run]:
        problems.append(("eventTime", f"earlier than the event before it of run {run}"))
    times[run] = when
    return problems


def _own_facets(event: Mapping[str, Any]) -> list[tuple[str, str]]:
    import jsonschema

    problems = []
    for name, file in _OWN_FACETS.items():
        facet = event["run"].get("facets", {}).get(name)
        if facet is None:
            continue
        schema = json.loads(resource(f"contracts/schemas/{file}").read_text(encoding="utf-8"))
        for error in jsonschema.Draft202012Validator(schema).iter_errors(facet):
            problems.append((f"run.facets.{name}{error.json_path[1:]}", error.message))
    return problems


class _Official:
    """The official schemas of a folder, each facet checked against its own."""

    def __init__(self, folder: Path) -> None:
        import jsonschema
        from referencing import Registry, Resource

        try:
            schemas = {p.name: json.loads(p.read_text("utf-8")) for p in folder.glob("*.json")}
            core = schemas["OpenLineage.json"]
        except (OSError, ValueError, KeyError) as error:
            raise LineageError(
                f"{folder}: no readable OpenLineage.json ({error!r}); expected the folder of the"
                " OpenLineage specification's schemas."
            ) from error
        pairs = [(s["$id"], Resource.from_contents(s)) for s in schemas.values()]
        registry: Registry[Any] = Registry().with_resources(pairs)
        make = jsonschema.Draft202012Validator
        checker = make.FORMAT_CHECKER
        self._event = make(
            {"$ref": f"{core['$id']}#/$defs/RunEvent"}, registry=registry, format_checker=checker
        )
        self._facets = {
            schema["$id"]: make(schema, registry=registry, format_checker=checker)
            for schema in schemas.values()
        }

    def check(self, event: Mapping[str, Any]) -> list[tuple[str, str]]:
        found = [
            (e.json_path.removeprefix("$."), e.message) for e in self._event.iter_errors(event)
        ]
        for where, name, facet in _all_facets(event):
            schema = str(facet.get("_schemaURL", "")).partition("#")[0]
            validator = self._facets.get(schema)
            if validator:
                found += [
                    (f"{where}.{name}{e.json_path[1:]}", e.message)
                    for e in validator.iter_errors({name: facet})
                ]
            elif not name.startswith("workbench_"):
                found.append((f"{where}.{name}", f"schema {schema!r} is not among those given"))
        return found


def _all_facets(event: Mapping[str, Any]) -> Iterable[tuple[str, str, Mapping[str, Any]]]:
    for part in ("run", "job"):
        for name, facet in event[part].get("facets", {}).items():
            yield f"{part}.facets", name, facet
    for side, extra in (("inputs", "inputFacets"), ("outputs", "outputFacets")):
        for i, dataset in enumerate(event.get(side, [])):
            for kind in ("facets", extra):
                for name, facet in dataset.get(kind, {}).items():
                    yield f"{side}[{i}].{kind}", name, facet
