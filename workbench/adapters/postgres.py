"""Queries on a PostgreSQL database over its own protocol, in one read-only transaction.

The answer travels as COPY in CSV into a file in the work folder: the server streams it, null and
empty text stay apart, and it is read like any delimited text. A password comes from the environment
or from libpq's own places, and stands in no message.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import duckdb

from workbench.adapters.files import FILE, ROW
from workbench.adapters.sources import PostgresSource
from workbench.contracts.relation_checks import literal, quoted
from workbench.errors import SourceError


def stage_postgres(
    connection: duckdb.DuckDBPyConnection,
    source: PostgresSource,
    wanted: Sequence[str] | None,
    query: str,
    work: Path,
) -> None:
    """Stage the wanted columns of the query's answer, or all of them, as text in `raw`.

    Raises:
        SourceError: The database cannot be reached or does not let in, or does not answer.
    """
    path = work / "answer.csv"
    names = _copied(source, query, path)
    for name in wanted or ():
        if name not in names:
            found = ", ".join(map(repr, names))
            raise SourceError(
                f"source {source.name!r}: the query answers no column {name!r}; found {found}."
                " Correct [source.columns] or 'query'."
            )
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in names)
    selected = ", ".join(quoted(name) for name in (names if wanted is None else wanted))
    connection.execute("SET preserve_insertion_order = true")
    connection.execute(
        f"CREATE TEMP TABLE raw AS SELECT {selected}, 'query' AS {FILE},"
        f" row_number() OVER () AS {ROW} FROM read_csv({literal(str(path))}, auto_detect = false,"
        f" columns = {{{columns}}}, header = true, delim = ',', quote = '\"', escape = '\"',"
        " nullstr = '', allow_quoted_nulls = false, max_line_size = 67108864)"
    )
    connection.execute("SET preserve_insertion_order = false")
    path.unlink()


def database_of(source: PostgresSource) -> tuple[str, str]:
    """Namespace and name of the database as OpenLineage names PostgreSQL's; no user, no password.

    Raises:
        SourceError: 'connection' is not understood.
    """
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        given = conninfo_to_dict(source.connection)
    except psycopg.Error as error:
        raise _refused(source, error, None) from error
    host, port = given.get("host") or "localhost", given.get("port") or 5432
    return f"postgres://{host}:{port}", str(given.get("dbname") or given.get("user") or "postgres")


def _copied(source: PostgresSource, query: str, path: Path) -> list[str]:
    """Write the answer to a file; returns the names of its columns."""
    import psycopg

    password = _password(source)
    try:
        with psycopg.connect(
            source.connection, connect_timeout=source.timeout_s, **password
        ) as database:
            database.read_only = True
            database.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            with database.cursor() as cursor, path.open("wb") as file:
                statement = query.strip().rstrip(";")
                cursor.execute("SET LOCAL TIME ZONE 'UTC'; SET LOCAL DateStyle = 'ISO'")
                cursor.execute(f"SELECT * FROM ({statement}) AS answer LIMIT 0")
                names = [column.name for column in cursor.description or ()]
                with cursor.copy(
                    f"COPY ({statement}) TO STDOUT (FORMAT csv, HEADER true, ENCODING 'UTF8')"
                ) as answer:
                    for block in answer:
                        file.write(block)
    except (psycopg.Error, UnicodeError) as error:
        raise _refused(source, error, password.get("password")) from error
    return names


def _password(source: PostgresSource) -> dict[str, Any]:
    if not source.password_env:
        return {}
    value = os.environ.get(source.password_env)
    if value is None:
        raise SourceError(
            f"source {source.name!r}: environment variable {source.password_env} is not set;"
            " expected the password of the database. Set it, or use ~/.pgpass."
        )
    return {"password": value}


_REMEDIES: Final = (
    ("password authentication", "check the user, and the password in its environment variable"),
    ("permission denied", "ask for SELECT on it"),
    ("does not exist", "correct 'query' or 'connection'"),
    ("read-only transaction", "only read in 'query'"),
    ("syntax error", "correct 'query'"),
)


def _refused(source: PostgresSource, error: Exception, password: str | None) -> SourceError:
    text = " ".join(str(error).split()) or type(error).__name__
    for secret in filter(None, (password, os.environ.get("PGPASSWORD"))):
        text = text.replace(secret, "…")
    remedy = next((remedy for part, remedy in _REMEDIES if part in text), None)
    remedy = remedy or "check that the database runs, and 'connection'"
    return SourceError(
        f"source {source.name!r}: PostgreSQL did not answer ({text[:300].rstrip('.')});"
        f" expected the rows of 'query': {remedy}."
    )
