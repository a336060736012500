"""Group commit: what waits together is made durable together."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

from workbench.decision_log.append import Appended, DecisionLog
from workbench.errors import LogError, WorkbenchError

_MOST_BYTES: Final = 8 << 20  # of one group
_WAITING_BYTES: Final = 64 << 20  # beyond, those who ask wait: back-pressure
_QUIET_SECONDS: Final = 0.005  # without a request, until readers are shown what was appended
_LINGER_SECONDS: Final = 0.5
_RETRY_SECONDS: Final = 1.0  # until it is tried again after the storage refused


class StoppingError(LogError):
    """Refused, nothing of it appended: the service ends, another may be asked."""


class GroupCommit:
    """Appends of many threads, done by one that holds the log open while there are any.

    When none came for a while it lets the log's lock and journal go, so that who mends the log by
    hand need not stop it; opening again reads the key anew, which may have been rotated.

    Args:
        open_log: Opens the log in this process.
        linger: Seconds without a request after which the log is let go.
    """

    def __init__(
        self, open_log: Callable[[], DecisionLog], *, linger: float = _LINGER_SECONDS
    ) -> None:
        self._open = open_log
        self._linger = linger
        self._change = threading.Condition()
        self._waiting: deque[tuple[Sequence[bytes], int, Future[Appended]]] = deque()
        self._questions: deque[tuple[Callable[[DecisionLog], Any], Future[Any]]] = deque()
        self._bytes = 0
        self._closing = False
        self._failed: Exception | None = None
        self._refused = False  # by the storage: readers may lack what was acknowledged
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="append", daemon=True)

    def start(self) -> None:
        """Open the log, complete what a crash left, and begin.

        Raises:
            WorkbenchError: The log is locked, damaged or unwritable.
        """
        self._thread.start()
        self._ready.wait()
        if self._failed:
            raise self._failed

    def append(self, entries: Sequence[bytes]) -> Appended:
        """Append; returns when the entries are durable.

        Raises:
            WorkbenchError: The request was refused, or the storage failed.
        """
        size = sum(map(len, entries))
        answer: Future[Appended] = Future()
        with self._change:
            self._change.wait_for(lambda: self._bytes < _WAITING_BYTES or self._closing)
            if self._closing:
                raise _stopping()
            self._waiting.append((entries, size, answer))
            self._bytes += size
            self._change.notify_all()
        return answer.result()

    def entries_of(self, ids: Sequence[str]) -> dict[str, bytes]:
        """Entries of those decisions that are in the log, by id.

        Raises:
            WorkbenchError: The log cannot be read.
        """
        found: dict[str, bytes] = self._ask(lambda log: log.entries_of(ids))
        return found

    def publish(self) -> None:
        """Return when readers see all that was acknowledged.

        Raises:
            WorkbenchError: The storage refused; nothing acknowledged is lost.
        """
        self._ask(_publish)

    def _ask(self, question: Callable[[DecisionLog], Any]) -> Any:
        answer: Future[Any] = Future()
        with self._change:
            if self._closing:
                raise _stopping()
            self._questions.append((question, answer))
            self._change.notify_all()
        return answer.result()

    def close(self) -> None:
        """Refuse what comes, finish what waits, let the log go."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        self._thread.join()

    def _run(self) -> None:
        try:
            self._open().checkpoint()
        except Exception as error:
            self._failed = error
            return
        finally:
            self._ready.set()
        try:
            while self._wait(_RETRY_SECONDS if self._refused else None) or self._retries():
                self._hold()
        finally:
            self._abandon()

    def _retries(self) -> bool:
        return self._refused and not self._closing

    def _abandon(self) -> None:
        """Nobody waits for a thread that is gone."""
        with self._change:
            self._closing = True
        self._refuse(_stopping())

    def _hold(self) -> None:
        """Serve requests until none came for a while."""
        try:
            log = self._open()
            with log.held():
                log.checkpoint()  # completes what the storage refused earlier
                self._refused = False
                while self._serve(log):
                    pass
        except Exception as error:  # what is acknowledged is durable; who waits must hear of it
            self._refused = True
            self._refuse(error)

    def _serve(self, log: DecisionLog) -> bool:
        """Serve what waits; show readers what was appended once it is quiet."""
        if not self._wait(_QUIET_SECONDS):
            log.publish()
            if not self._wait(self._linger):
                return False
        self._reply(log)
        self._commit(log, self._next())
        return True

    def _wait(self, patience: float | None = None) -> bool:
        """Until there is something to do; False when nothing came, or nothing more may come."""
        with self._change:
            self._change.wait_for(
                lambda: self._waiting or self._questions or self._closing, patience
            )
            return bool(self._waiting or self._questions)

    def _refuse(self, error: Exception) -> None:
        with self._change:
            appends, questions = list(self._waiting), list(self._questions)
            self._waiting.clear()
            self._questions.clear()
            self._bytes = 0
            self._change.notify_all()
        for _, _, appended in appends:
            appended.set_exception(error)
        for _, found in questions:
            found.set_exception(error)

    def _reply(self, log: DecisionLog) -> None:
        while self._questions:
            question, answer = self._questions.popleft()
            try:
                answer.set_result(question(log))
            except Exception as error:
                answer.set_exception(error)

    def _next(self) -> list[tuple[Sequence[bytes], Future[Appended]]]:
        """What waits, up to the size of a group."""
        group: list[tuple[Sequence[bytes], Future[Appended]]] = []
        taken = 0
        with self._change:
            while self._waiting and (not group or taken + self._waiting[0][1] <= _MOST_BYTES):
                entries, size, answer = self._waiting.popleft()
                group.append((entries, answer))
                taken += size
            self._bytes -= taken
            self._change.notify_all()
        return group

    def _commit(
        self, log: DecisionLog, group: list[tuple[Sequence[bytes], Future[Appended]]]
    ) -> None:
        if not group:
            return
        try:
            outcomes = log.append_group([entries for entries, _ in group])
        except Exception as error:  # whoever asked must hear of it, and the next be served
            self._refused = True
            for _, answer in group:
                answer.set_exception(error)
            return
        for (_, answer), outcome in zip(group, outcomes, strict=True):
            if isinstance(outcome, WorkbenchError):
                answer.set_exception(outcome)
            else:
                answer.set_result(outcome)


def _publish(log: DecisionLog) -> None:
    log.checkpoint()  # takes up what was acknowledged before a batch that the storage refused
    log.publish()


def _stopping() -> StoppingError:
    return StoppingError("the log's service is stopping; run again.")
