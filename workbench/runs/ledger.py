"""The ledger: one row per run in `data/ledger.sqlite`."""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from workbench.errors import RunError
from workbench.lineage.redaction import redacted

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS runs (
  run_id TEXT PRIMARY KEY, job TEXT NOT NULL, kind TEXT NOT NULL, as_of TEXT,
  skip_key TEXT NOT NULL, attempt INTEGER NOT NULL, status TEXT NOT NULL,
  pid INTEGER NOT NULL, started TEXT NOT NULL,
  ended TEXT, parameters TEXT NOT NULL, inputs TEXT NOT NULL, outputs TEXT NOT NULL DEFAULT '{}',
  report TEXT, error TEXT
);
CREATE INDEX IF NOT EXISTS by_skip_key ON runs (skip_key, status);
CREATE INDEX IF NOT EXISTS by_job ON runs (job, started);
"""


@dataclass(frozen=True)
class RunRow:
    """A run as the ledger holds it; inputs and outputs map table names to versions."""

    run_id: str
    job: str
    kind: str
    as_of: date | None
    skip_key: str
    attempt: int
    status: str
    pid: int
    started: str
    ended: str | None
    parameters: Mapping[str, Any]
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    report: str | None
    error: str | None


class Ledger:
    """Rows of runs; each change is committed when the method returns."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def start(self, row: RunRow) -> None:
        """Record a run that begins."""
        values = (
            row.run_id, row.job, row.kind, row.as_of.isoformat() if row.as_of else None,
            row.skip_key, row.attempt, row.status, row.pid, row.started,
            json.dumps(redacted(row.parameters)), json.dumps(dict(row.inputs)),
        )  # fmt: skip
        with self._open() as connection:
            connection.execute(
                "INSERT INTO runs (run_id, job, kind, as_of, skip_key, attempt, status, pid,"
                " started, parameters, inputs) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values,
            )

    def end(
        self,
        run_id: str,
        status: str,
        *,
        outputs: Mapping[str, str] | None = None,
        report: str | None = None,
        error: str | None = None,
    ) -> None:
        """Record how a run ended."""
        with self._open() as connection:
            connection.execute(
                "UPDATE runs SET status = ?, ended = ?, outputs = ?, report = ?, error = ?"
                " WHERE run_id = ?",
                (status, _now(), json.dumps(dict(outputs or {})), report, error, run_id),
            )

    def completed(self, skip_key: str) -> RunRow | None:
        """The latest complete run of a skip key."""
        rows = self._select(
            "skip_key = ? AND status = 'complete' ORDER BY started DESC", (skip_key,)
        )
        return rows[0] if rows else None

    def of_skip_key(self, skip_key: str) -> list[RunRow]:
        """Every run of a skip key, oldest first."""
        return self._select("skip_key = ? ORDER BY started, rowid", (skip_key,))

    def running(self) -> list[RunRow]:
        """Runs that have no recorded end, alive or not."""
        return self._select("status = 'running' ORDER BY started", ())

    def find(self, run_id: str) -> RunRow | None:
        """A run by its whole id."""
        rows = self._select("run_id = ?", (run_id,))
        return rows[0] if rows else None

    def get(self, run_id: str) -> RunRow:
        """A run by id or by an unambiguous beginning of it.

        Raises:
            RunError: There is none, or several.
        """
        rows = self._select("run_id LIKE ?", (run_id.replace("%", "") + "%",))
        if len(rows) != 1:
            raise RunError(
                f"run {run_id!r}: {len(rows)} runs begin so; expected one, see 'workbench runs"
                " list'."
            )
        return rows[0]

    def latest(self, limit: int = 50) -> list[RunRow]:
        """The latest runs, newest first."""
        return self._select("1 ORDER BY started DESC, rowid DESC LIMIT ?", (limit,))

    def endings(self) -> Iterator[tuple[str, str, str]]:
        """Id, job and status of every run, oldest first, read as they are asked for."""
        with self._open() as connection:
            yield from connection.execute("SELECT run_id, job, status FROM runs ORDER BY started")

    def _select(self, condition: str, parameters: tuple[Any, ...]) -> list[RunRow]:
        with self._open() as connection:
            connection.row_factory = sqlite3.Row
            rows = connection.execute(
                f"SELECT * FROM runs WHERE {condition}", parameters
            ).fetchall()
        return [_row(dict(row)) for row in rows]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self._path, timeout=30)
            try:
                connection.execute("PRAGMA journal_mode = WAL")
                connection.executescript(_SCHEMA)
                with connection:
                    yield connection
            finally:
                connection.close()
        except (sqlite3.Error, OSError) as error:
            raise RunError(
                f"{self._path}: the ledger cannot be used ({error}); free space or restore it."
            ) from error


def _row(row: dict[str, Any]) -> RunRow:
    for name in ("parameters", "inputs", "outputs"):
        row[name] = json.loads(row[name])
    row["as_of"] = date.fromisoformat(row["as_of"]) if row["as_of"] else None
    return RunRow(**row)


def _now() -> str:
    return datetime.now(UTC).isoformat()
