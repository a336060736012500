"""Strict validation of a journal: form of each event, names, own facets, and one life per run.

An event is checked against the client's generated classes with formats (`conform`), against our
published schemas and, where a folder of them is given, the official ones (`schemas`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.errors import LineageError
from workbench.lineage.conform import Finding, findings
from workbench.lineage.journal import Journal, Line
from workbench.lineage.names import naming_problem
from workbench.lineage.open_runs import TERMINAL
from workbench.lineage.schemas import (
    Schemas,
    official_findings,
    official_schemas,
    own_facet_findings,
)


@dataclass(frozen=True)
class Problem:
    """What is wrong where: file and line, run, field of the event."""

    place: str
    run_id: str | None
    field: str
    message: str

    def __str__(self) -> str:
        run = f" run {self.run_id}," if self.run_id else ""
        return f"{self.place},{run} {self.field}: {self.message}"


@dataclass(frozen=True)
class ValidationReport:
    """What a journal holds and what is wrong with it.

    Attributes:
        events: Complete lines read.
        runs: Different runs among them.
        open_runs: Runs without an ending; they may still be running.
        problems: In the order of the journal.
    """

    files: int
    events: int
    runs: int
    open_runs: tuple[str, ...]
    problems: tuple[Problem, ...]

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass
class _Life:
    job: Any
    last: datetime
    ended: str | None = None


def validate_journal(folder: Path, schemas: Path | None = None) -> ValidationReport:
    """Check every event of a journal.

    Args:
        folder: Of the journal.
        schemas: Folder of the official OpenLineage schemas, to check against these too.

    Raises:
        LineageError: There is no such folder, or the schemas cannot be read.
    """
    if not folder.is_dir():
        raise LineageError(f"{folder}: no such folder; expected a journal. Run a notebook first.")
    journal = Journal(folder)
    official = official_schemas(schemas) if schemas else None
    lives: dict[str, _Life] = {}
    problems: list[Problem] = []
    events = 0
    for line in journal.lines():
        events += 1
        problems += _line_problems(line, lives, official)
    torn = journal.unfinished()
    if torn is not None:
        message = "is unfinished; the next event that is written moves it aside"
        problems.append(Problem(f"{torn.file}:byte {torn.offset}", None, "last line", message))
    return ValidationReport(
        files=len(journal.files()),
        events=events,
        runs=len(lives),
        open_runs=tuple(run for run, life in lives.items() if life.ended is None),
        problems=tuple(problems),
    )


def event_findings(event: Mapping[str, Any], official: Schemas | None = None) -> list[Finding]:
    """What is wrong with one event by itself, each thing once."""
    found = [*findings(event), *_name_findings(event), *own_facet_findings(event)]
    if official is not None:
        found += official_findings(event, official)
    return list(dict.fromkeys(found))


def _line_problems(
    line: Line, lives: dict[str, _Life], official: Schemas | None
) -> Iterator[Problem]:
    try:
        event = line.event()
    except LineageError as error:
        yield Problem(line.place, None, "line", str(error).partition(": ")[2])
        return
    run = event.get("run")
    run_id = run.get("runId") if isinstance(run, Mapping) else None
    named = run_id if isinstance(run_id, str) else None
    try:
        found = event_findings(event, official)
    except RecursionError:
        found = [("event", "is nested too deeply; expected a few levels")]
    for field, message in found:
        yield Problem(line.place, named, field, message)
    if named is not None:
        for field, message in _life_findings(named, event, lives):
            yield Problem(line.place, named, field, message)


def _name_findings(event: Mapping[str, Any]) -> Iterator[Finding]:
    named = [("job", "job", event.get("job")), ("dataset", "dataset", event.get("dataset"))]
    for side in ("inputs", "outputs"):
        found = event.get(side)
        for position, dataset in enumerate(found if isinstance(found, list) else []):
            named.append(("dataset", f"{side}[{position}]", dataset))
    for kind, field, thing in named:
        if isinstance(thing, Mapping):
            space, name = thing.get("namespace"), thing.get("name")
            if isinstance(space, str) and isinstance(name, str):
                problem = naming_problem(kind, space, name)
                if problem:
                    yield f"{field}.name", problem


def _life_findings(
    run_id: str, event: Mapping[str, Any], lives: dict[str, _Life]
) -> Iterator[Finding]:
    """START first and once, one ending, nothing but OTHER after it, one job, times in order."""
    kind, job = event.get("eventType"), _job_name(event)
    moment = _moment(event)
    life = lives.get(run_id)
    if life is None:
        lives[run_id] = _Life(job, moment or datetime.min, kind if kind in TERMINAL else None)
        if kind != "START":
            yield "eventType", f"is {kind}; expected START as the first event of its run"
        return
    if kind == "START":
        yield "eventType", "is a second START of its run"
    if life.ended is not None and kind != "OTHER":
        yield "eventType", f"is {kind} after the run has ended with {life.ended}"
    if job != life.job:
        yield "job", f"is {job}; its run began as {life.job}"
    if moment is not None and moment < life.last:
        yield "eventTime", "is before that of the event before it of its run"
    life.last = max(life.last, moment or life.last)
    if kind in TERMINAL:
        life.ended = life.ended or kind


def _job_name(event: Mapping[str, Any]) -> Any:
    job = event.get("job")
    return (job.get("namespace"), job.get("name")) if isinstance(job, Mapping) else None


def _moment(event: Mapping[str, Any]) -> datetime | None:
    """Time of an event; None where it has no time with zone, which is found elsewhere."""
    try:
        moment = datetime.fromisoformat(event["eventTime"])
    except (KeyError, TypeError, ValueError):
        return None
    return moment if moment.tzinfo else None
