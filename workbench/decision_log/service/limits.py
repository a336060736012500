"""How much the service takes in at once, for each OS user: the rest waits, or is refused."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from workbench.errors import LogError

MOST_CONNECTIONS: Final = 64  # of one user
MOST_BYTES: Final = 192 << 20  # of one user's requests, received and not yet answered


class TooManyError(LogError):
    """A user has too many connections."""


class Limits:
    """Counts connections and bytes by user.

    Args:
        connections: Of one user at most; more are refused.
        size: Bytes in flight of one user at most; who asks for more waits.
    """

    def __init__(self, connections: int = MOST_CONNECTIONS, size: int = MOST_BYTES) -> None:
        self._connections = connections
        self._size = size
        self._open: Counter[int] = Counter()
        self._taken: Counter[int] = Counter()
        self._change = threading.Condition()

    @contextmanager
    def connection(self, uid: int) -> Iterator[None]:
        """One more connection of a user.

        Raises:
            TooManyError: The user has too many.
        """
        with self._change:
            if self._open[uid] >= self._connections:
                raise TooManyError(
                    f"the log's service has {self._connections} connections of this user; expected"
                    " fewer, wait until some end and run again."
                )
            self._open[uid] += 1
        try:
            yield
        finally:
            with self._change:
                self._open[uid] -= 1

    @contextmanager
    def room(self, uid: int, size: int) -> Iterator[None]:
        """Room for a request; waits until there is: what is not read yet stays with its sender."""
        with self._change:
            self._change.wait_for(
                lambda: not self._taken[uid] or self._taken[uid] + size <= self._size
            )
            self._taken[uid] += size
        try:
            yield
        finally:
            with self._change:
                self._taken[uid] -= size
                self._change.notify_all()
