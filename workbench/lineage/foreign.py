"""Brings events of other producers into the journal: one history, one graph."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from workbench.errors import LineageError
from workbench.lineage.conform import findings
from workbench.lineage.journal import Journal
from workbench.lineage.names import PRODUCER, naming_problem

_OURS: Final = PRODUCER.rpartition(":")[0].encode()
_LONGEST: Final = 16 * 2**20  # bytes of a line; the largest of ours have some hundred kilobytes


@dataclass(frozen=True)
class Imported:
    """How many events of a file were new, and how many the journal had already."""

    new: int
    known: int


def import_events(journal: Journal, file: Path, *, namespace: str) -> Imported:
    """Append the events of an NDJSON file, such as OpenLineage's file transport writes.

    All of them are checked before the first is appended; those that are in the journal already, to
    the last value, are left out, so that a file that grows can be imported again and again.

    Args:
        journal: Of this workspace.
        file: One event a line.
        namespace: Of this workspace's jobs, whose events only its own runs write.

    Raises:
        LineageError: A line is no valid event, or claims to be of this workspace; nothing of the
            file is imported then.
    """
    events = _read(file, namespace)
    known = {
        _identity(line.event())
        for line in journal.lines()
        if b'"producer":"' + _OURS not in line.data
    }
    new = 0
    for event in events:
        identity = _identity(event)
        if identity not in known:
            journal.append(event)
            known.add(identity)
            new += 1
    return Imported(new, len(events) - new)


def _read(file: Path, namespace: str) -> list[dict[str, Any]]:
    events = []
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(iter(lambda: lines.readline(_LONGEST), b""), 1):
                if line.strip():
                    events.append(_event(f"{file}:{number}", line, namespace))
    except OSError as error:
        raise LineageError(
            f"{file}: cannot be read ({error.strerror}); expected a file with one event a line."
        ) from error
    return events


def _event(place: str, line: bytes, namespace: str) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else "not JSON"
        raise _refused(place, f"{reason}, or an unfinished line") from error
    if not isinstance(event, dict):
        raise _refused(place, "not a JSON object")
    for field, message in findings(event):
        raise _refused(place, f"{field}: {message}")
    if event.get("job", {}).get("namespace") == namespace:
        raise _refused(place, f"its job is in {namespace}, this workspace itself")
    for side in ("inputs", "outputs"):
        for one in event.get(side) or []:
            if problem := naming_problem("dataset", one["namespace"], one["name"]):
                raise _refused(place, f"{side}: {problem}")
    return event


def _identity(event: Mapping[str, Any]) -> bytes:
    return sha256(json.dumps(event, sort_keys=True).encode()).digest()


def _refused(place: str, found: str) -> LineageError:
    return LineageError(
        f"{place}: {found}; expected an OpenLineage event of another producer. Nothing of the file"
        " was imported: mend or remove that line."
    )
