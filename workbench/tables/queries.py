"""A DuckDB connection that keeps what it is asked, for the record of the run."""

from collections.abc import Callable
from typing import Any, Final

_ASKED: Final = ("execute", "sql", "query")


class Recorded:
    """Passes everything on to a connection; told are the texts of queries, not their values."""

    def __init__(self, connection: Any, note: Callable[[str], None]) -> None:
        self._connection = connection
        self._note = note

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._connection, name)
        if name not in _ASKED:
            return found

        def ask(query: Any, *values: Any, **options: Any) -> Any:
            if isinstance(query, str):
                self._note(query)
            return found(query, *values, **options)

        return ask

    def __enter__(self) -> "Recorded":
        self._connection.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._connection.__exit__(*error)
