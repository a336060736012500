"""What the tables of a run were made from, column by column, as its functions state it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib import import_module

from workbench.contracts.made_from import EVERY_FILE, MadeFrom, Use
from workbench.errors import RunError
from workbench.lineage.facts import ColumnSource, Feed, FileVersion

Statement = MadeFrom | Callable[[frozenset[str]], MadeFrom]
"""A constant, or a function of the tables that were there to be read."""


def stated(where: Mapping[str, str], *, read: Iterable[str]) -> dict[str, MadeFrom]:
    """Statements by table.

    Args:
        where: `module:NAME` by table, from a notebook's metadata.
        read: Tables that the run reads; what is said of others is left out.

    Raises:
        RunError: A name cannot be imported or is no statement.
    """
    tables = frozenset(read)
    return {table: _statement(name, tables) for table, name in where.items()}


def _statement(name: str, read: frozenset[str]) -> MadeFrom:
    module, _, attribute = name.partition(":")
    try:
        found = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise RunError(
            f"made_from {name!r} cannot be imported ({error}); expected module:NAME in the"
            " notebook's metadata."
        ) from error
    statement = found if isinstance(found, MadeFrom) or not callable(found) else found(read)
    if not isinstance(statement, MadeFrom):
        raise RunError(
            f"made_from {name!r} is {type(statement).__name__}; expected a MadeFrom, as"
            " workbench.contracts.made_from describes it."
        )
    return statement.only(read)


def table_feed(
    made_from: MadeFrom, *, tables: Sequence[str] | None = None, files: Sequence[FileVersion] = ()
) -> Feed:
    """A feed whose columns are stated.

    Args:
        made_from: Of the table.
        tables: That the table as a whole was made from; None: all that its run read.
        files: Read by the run; the statement names them by the end of their path, by their name
            without ending, or all at once.
    """
    columns = {name: _sources(uses, files) for name, uses in made_from.columns.items()}
    return Feed(tables=tables, columns=columns, rows=_sources(made_from.rows, files))


def _sources(uses: Iterable[Use], files: Sequence[FileVersion]) -> list[ColumnSource]:
    return [
        ColumnSource(of, use.column, use.masked, use.how)
        for use in uses
        for of in _named(use.of, files)
    ]


def _named(of: str, files: Sequence[FileVersion]) -> list[str | FileVersion]:
    if of == EVERY_FILE:
        return list(files)
    if "/" in of:
        return [file for file in files if file.path.as_posix().endswith(f"/{of}")]
    return [file for file in files if file.path.stem == of] or [of]
