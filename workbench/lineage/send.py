"""Forwarding: every event of the journal, in order, to an HTTP consumer, at least once.

The journal is what counts, and this only reads it: a consumer that is away holds up no run. Where
the last one left off is kept in a cursor per consumer, written after answers, so that a crash sends
some events again and never leaves one out. A consumer tells repetitions by run, type and time of
an event, or by the `Idempotency-Key` of the request, which is a digest of the event.
"""

import json
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Final

from workbench.errors import LineageError
from workbench.folders import locked, replace_durably
from workbench.lineage.consumer import Answer, Consumer
from workbench.lineage.journal import Journal, Line, Position

_KEEP_SECONDS: Final = 0.5
_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 30.0


@dataclass(frozen=True)
class Refusal:
    """An event that the consumer does not take, and what it said; it was not sent again."""

    place: str
    status: int
    said: str


@dataclass
class Sent:
    """What one call forwarded.

    Attributes:
        events: Accepted now.
        known: Of those, which the consumer said it already had (409).
        refused: Events that it does not take, for good.
    """

    events: int = 0
    known: int = 0
    refused: list[Refusal] = field(default_factory=list)


class Cursor:
    """How far one consumer has all events, in a file of its own.

    Args:
        folder: Where cursors are kept.
        url: Of the consumer.
    """

    def __init__(self, folder: Path, url: str) -> None:
        self._url = url
        self.path = folder / f"{sha256(url.encode()).hexdigest()[:16]}.json"

    @contextmanager
    def held(self) -> Iterator[None]:
        """One sender at a time: another waits."""
        with locked(self.path.with_suffix("")):
            yield

    def read(self) -> Position | None:
        """End of the last event that was answered for; None before the first.

        Raises:
            LineageError: The file is damaged.
        """
        try:
            kept = json.loads(self.path.read_text(encoding="utf-8"))
            return Position(str(kept["file"]), int(kept["offset"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise LineageError(
                f"{self.path}: unreadable ({error}); expected a cursor, delete it to send every"
                " event again: consumers know what they have."
            ) from error

    def keep(self, position: Position) -> None:
        """Make a position durable."""
        kept = {"url": self._url, "file": position.file, "offset": position.offset}
        try:
            replace_durably(self.path, json.dumps(kept).encode())
        except OSError as error:
            raise LineageError(
                f"{self.path}: not written ({error.strerror}); free disk space and send again: some"
                " events go twice, none is left out."
            ) from error


def send(
    journal: Journal,
    consumer: Consumer,
    cursor: Cursor,
    *,
    patience: float = 60.0,
    progress: Callable[[Sent], None] = lambda sent: None,
) -> Sent:
    """Forward every event that the consumer does not have yet.

    Args:
        journal: Whose events.
        consumer: Takes them.
        cursor: How far it has them.
        patience: Seconds to go on trying while the consumer does not answer or is overloaded.
        progress: Called after each event.

    Raises:
        LineageError: The consumer did not answer in time, or turned the sender away; what it has
            is remembered. Or the file where the cursor stands is gone.
    """
    sent = Sent()
    with cursor.held():
        keeper = _Keeper(cursor)
        try:
            for line in _unsent(journal, cursor):
                _forward(line, consumer, sent, patience)
                keeper.reached(Position(line.position.file, line.end))
                progress(sent)
        finally:
            keeper.finish()
    return sent


class _Keeper:
    """Writes the cursor now and then, and in the end."""

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor
        self._pending: Position | None = None
        self._last = time.monotonic()

    def reached(self, position: Position) -> None:
        self._pending = position
        if time.monotonic() - self._last > _KEEP_SECONDS:
            self.finish()
            self._last = time.monotonic()

    def finish(self) -> None:
        if self._pending is not None:
            self._cursor.keep(self._pending)
            self._pending = None


def _unsent(journal: Journal, cursor: Cursor) -> Iterator[Line]:
    since = cursor.read()
    names = [path.name for path in journal.files()]
    if since is not None and since.file not in names:
        raise LineageError(
            f"{journal.folder / since.file}: gone, and with it perhaps events that were not sent;"
            f" put the file back, or delete {cursor.path} to send every event that is left."
        )
    return journal.lines(since)


def _forward(line: Line, consumer: Consumer, sent: Sent, patience: float) -> None:
    """Send one event until the consumer has answered for it."""
    key = sha256(line.data).hexdigest()
    deadline, delay = time.monotonic() + patience, _FIRST_DELAY
    while (answer := consumer.take(line.data.rstrip(b"\n"), key)).again:
        wait = answer.wait if answer.wait is not None else delay * random.uniform(0.5, 1.0)
        if time.monotonic() + wait > deadline:
            raise _gave_up(line, consumer, answer, sent)
        time.sleep(wait)
        delay = min(2 * delay, _LONGEST_DELAY)
    if answer.accepted or answer.known:
        sent.events += 1
        sent.known += answer.known
    elif answer.turned_away:
        raise LineageError(
            f"{consumer.url}: answered {answer.status}; expected an address that takes OpenLineage"
            f" events and a key that it knows: correct them and send again. {_so_far(sent)}"
        )
    else:
        sent.refused.append(Refusal(line.place, answer.status, answer.said))


def _gave_up(line: Line, consumer: Consumer, answer: Answer, sent: Sent) -> LineageError:
    what = f"answered {answer.status}" if answer.status else f"no answer ({answer.said})"
    return LineageError(
        f"{consumer.url}: {what} for the event at {line.place}; expected it to be taken."
        f" {_so_far(sent)} Send again when the consumer is back."
    )


def _so_far(sent: Sent) -> str:
    return f"{sent.events:,} events were sent, no event is lost."
