"""Runs that started and never ended, found without reading the whole journal each time.

`.open-runs.json` in the journal's folder remembers how far it was read and which runs were open
there. It is derived: deleting it costs one full read.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workbench.errors import LineageError
from workbench.folders import locked, replace_durably
from workbench.lineage.journal import Journal, Line, Position, file_order

TERMINAL: Final = frozenset({"COMPLETE", "FAIL", "ABORT"})
_CURSOR: Final = ".open-runs.json"


@dataclass(frozen=True)
class OpenRun:
    """A run without a terminal event.

    Attributes:
        started: Its START event.
        position: Where that is in the journal.
    """

    run_id: str
    started: Mapping[str, Any]
    position: Position

    @property
    def job(self) -> str:
        """Name of its job."""
        return str(self.started["job"]["name"])


@dataclass
class _Cursor:
    end: Position | None
    open: dict[str, Position]


def open_runs(journal: Journal) -> list[OpenRun]:
    """Runs with a START and no COMPLETE, FAIL or ABORT, oldest first.

    Raises:
        LineageError: A line of the journal is not a JSON object.
    """
    if not journal.folder.is_dir():
        return []
    try:
        with locked(journal.folder):
            cursor = _advanced(journal, _load(journal))
            content = {
                "end": _pair(cursor.end),
                "open": {k: _pair(v) for k, v in cursor.open.items()},
            }
            replace_durably(journal.folder / _CURSOR, json.dumps(content).encode())
    except OSError:  # a journal that we may only read
        cursor = _advanced(journal, _Cursor(None, {}))
    found = [_opened(journal, run_id, position) for run_id, position in cursor.open.items()]
    return sorted(found, key=lambda run: (file_order(run.position.file), run.position.offset))


def run_id_and_type(line: Line) -> tuple[str | None, str | None]:
    """Run and type of an event; None for events that are not of a run."""
    event = line.event()
    run = event.get("run")
    run_id = run.get("runId") if isinstance(run, dict) else None
    kind = event.get("eventType")
    return (run_id if isinstance(run_id, str) else None, kind if isinstance(kind, str) else None)


def has_ended(journal: Journal, run_id: str, since: Position | None) -> str | None:
    """Type of the terminal event of a run, looked for from its START on or in all; or None."""
    needle = run_id.encode()
    for line in journal.lines(since):
        if needle in line.data:
            found, kind = run_id_and_type(line)
            if found == run_id and kind in TERMINAL:
                return kind
    return None


def latest_event(journal: Journal, run: OpenRun) -> Mapping[str, Any]:
    """The last event of a run; each of ours repeats those before it."""
    latest, needle = run.started, run.run_id.encode()
    for line in journal.lines(run.position):
        if needle in line.data and run_id_and_type(line)[0] == run.run_id:
            latest = line.event()
    return latest


def _advanced(journal: Journal, cursor: _Cursor) -> _Cursor:
    for line in journal.lines(cursor.end):
        run_id, kind = run_id_and_type(line)
        if run_id is not None and kind == "START":
            cursor.open.setdefault(run_id, line.position)
        elif run_id is not None and kind in TERMINAL:
            cursor.open.pop(run_id, None)
        cursor.end = Position(line.position.file, line.end)
    return cursor


def _load(journal: Journal) -> _Cursor:
    """The remembered cursor, or a fresh one where it does not fit the files."""
    try:
        content = json.loads((journal.folder / _CURSOR).read_text(encoding="utf-8"))
        end = Position(*content["end"])
        cursor = _Cursor(end, {run: Position(*pair) for run, pair in content["open"].items()})
        sizes = {path.name: path.stat().st_size for path in journal.files()}
        fits = end.offset <= sizes[end.file] and all(p.file in sizes for p in cursor.open.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return _Cursor(None, {})
    return cursor if fits else _Cursor(None, {})


def _opened(journal: Journal, run_id: str, position: Position) -> OpenRun:
    line = next(journal.lines(position), None)
    if line is None or line.position != position:
        raise LineageError(
            f"{journal.folder / position.file}: nothing at byte {position.offset}, where run"
            f" {run_id} started; delete {journal.folder / _CURSOR} and try again."
        )
    return OpenRun(run_id, line.event(), position)


def _pair(position: Position | None) -> list[str | int] | None:
    return [position.file, position.offset] if position else None
