"""Group commit: what waits together is made durable together."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Final

from workbench.decision_log.append import Appended, DecisionLog
from workbench.errors import LogError, WorkbenchError

_MOST_BYTES: Final = 8 << 20  # of one group
_WAITING_BYTES: Final = 64 << 20  # beyond, those who ask wait: back-pressure
_QUIET_SECONDS: Final = 0.005  # without a request, until readers are shown what was appended
_IDLE_SECONDS: Final = 0.2  # without a request, until the index is brought up to date
_RETRY_SECONDS: Final = 1.0  # until it is tried again after the storage refused


class GroupCommit:
    """Appends of many threads, done by one that holds the log open.

    Args:
        log: Opened by this process; held until `close`.
    """

    def __init__(self, log: DecisionLog) -> None:
        self._log = log
        self._change = threading.Condition()
        self._waiting: deque[tuple[Sequence[bytes], int, Future[Appended]]] = deque()
        self._questions: deque[tuple[Sequence[str], Future[dict[str, bytes]]]] = deque()
        self._bytes = 0
        self._closing = False
        self._failed: WorkbenchError | None = None
        self._refused = False  # by the storage: readers may lack what was acknowledged
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="append", daemon=True)

    def start(self) -> None:
        """Take the log's lock and begin.

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
        answer: Future[dict[str, bytes]] = Future()
        with self._change:
            if self._closing:
                raise _stopping()
            self._questions.append((ids, answer))
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
            with self._log.held():
                self._log.checkpoint()
                self._ready.set()
                while self._wait():
                    self._reply()
                    self._commit(self._next())
        except WorkbenchError as error:
            self._failed = error
        finally:
            self._abandon()
            self._ready.set()

    def _abandon(self) -> None:
        """Nobody waits for a thread that is gone."""
        with self._change:
            self._closing = True
            self._change.notify_all()
        for _, _, append in self._waiting:
            append.set_exception(_stopping())
        for _, question in self._questions:
            question.set_exception(_stopping())

    def _wait(self) -> bool:
        """Until there is something to do; False when all is done and nothing more may come."""
        quiet: float | None = _QUIET_SECONDS
        while not self._asked(quiet):
            quiet = self._rest()
        with self._change:
            return bool(self._waiting or self._questions)

    def _rest(self) -> float | None:
        """While nobody asks: show readers what was appended, then bring the index up to date.

        Returns:
            Seconds to wait for the next step; None where nothing is left to do.
        """
        try:
            if self._log.unpublished or self._refused:
                self._log.checkpoint()  # completes the journal if anything was refused
                self._log.publish()
                self._refused = False
                return _IDLE_SECONDS
            self._log.index()
        except WorkbenchError:  # whoever appends next is told
            self._refused = True
            return _RETRY_SECONDS
        return None

    def _asked(self, seconds: float | None) -> bool:
        """Wait until somebody asks for something; False when it took too long."""
        with self._change:
            return bool(
                self._change.wait_for(
                    lambda: self._waiting or self._questions or self._closing, seconds
                )
            )

    def _reply(self) -> None:
        while self._questions:
            ids, answer = self._questions.popleft()
            try:
                answer.set_result(self._log.entries_of(ids))
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

    def _commit(self, group: list[tuple[Sequence[bytes], Future[Appended]]]) -> None:
        if not group:
            return
        try:
            outcomes = self._log.append_group([entries for entries, _ in group])
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


def _stopping() -> LogError:
    return LogError("the log's service is stopping; run again.")
