"""`workbench ingest`: read described sources and write them as versioned tables."""

import json
from pathlib import Path
from typing import Annotated

import typer

from workbench.commands.terminal import say
from workbench.contracts.printable import counted
from workbench.errors import ConfigError
from workbench.workspace import find_workspace


def ingest(
    sources: Annotated[
        list[Path],
        typer.Argument(help="TOML file that describes the sources; with --suggest, the files."),
    ],
    suggest: Annotated[
        bool, typer.Option("--suggest", help="Write a first description of these files.")
    ] = False,
    out: Annotated[Path, typer.Option(help="With --suggest: where to write it.")] = Path(
        "SOURCES.toml"
    ),
    folder: Annotated[
        Path | None, typer.Option(help="Where the paths begin; default: beside SOURCES.toml.")
    ] = None,
    force: Annotated[bool, typer.Option(help="Read again even if nothing changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Read SOURCES.toml and write a new version of each table that it fills."""
    from workbench.adapters.sources import load_sources, tables_of
    from workbench.runs.steps import governed_step, ingest_step
    from workbench.tables.store import TableStore

    if suggest:
        _suggest(sources, out)
        return
    if len(sources) != 1:
        raise typer.BadParameter("name one description, or several files with --suggest.")
    (stated,) = sources
    workspace, lines = find_workspace(), list[str]()
    step = ingest_step(workspace, stated, folder=folder, say=lines.append if as_json else say)
    result = governed_step(workspace, step, force=force)
    if not as_json:
        say(f"{result.job}: {result.status} in {result.seconds:.1f} s, run {result.run_id}")
        return
    store = TableStore(workspace.tables)
    names = [table for source in load_sources(stated, folder).source for table in tables_of(source)]
    facts = [
        {"table": v.table, "version": v.version, "digest": v.digest, "rows": v.rows}
        for v in map(store.current, names)
    ]
    run = {"job": result.job, "run_id": result.run_id, "status": result.status}
    say(json.dumps({**run, "tables": facts, "account": lines}, indent=1))


def _suggest(files: list[Path], out: Path) -> None:
    from workbench.adapters.suggest import suggested

    text = suggested(files, out.parent, out.name, find_workspace().currency)
    write_new(out, text)
    open_points = text.count("NEEDED:") + text.count("CHECK:") + text.count("no table guessed")
    say(f"{out}: {text.count('[[source]]')} sources described, {open_points} open points.")
    say(f"Check every line, then run 'workbench ingest {out}'.")


def quarantine(
    tables: Annotated[list[str] | None, typer.Argument(help="Tables; all by default.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write every bad row to this file.")] = None,
    earlier: Annotated[
        bool, typer.Option("--earlier", help="Those of earlier deliveries of incremental sources.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Show the bad rows that an ingest set aside, with their reasons."""
    from workbench.adapters.registers import bad_rows, reasons
    from workbench.contracts.export import safe_csv
    from workbench.tables.store import TableStore

    store = TableStore(find_workspace().tables)
    found = bad_rows(store, tables or (), earlier=earlier)
    if csv is not None:
        write_new(csv, safe_csv(found))
    summary = reasons(found)
    if as_json:
        say(json.dumps(summary, indent=1))
        return
    for row in summary:
        say(f"{row['table']}: {counted(row['rows'], 'row')}, {row['reason']}; first {row['first']}")
    where = f", written to {csv}" if csv else "" if found.empty else "; --csv FILE writes them all"
    say(f"{counted(len(found), 'bad row')} set aside{where}.")
    before = 0 if earlier else len(bad_rows(store, tables or (), earlier=True))
    if before:
        say(f"{before:,} more of earlier deliveries, perhaps mended by later ones: see --earlier.")


def write_new(path: Path, text: str) -> None:
    """Write a file that is not there yet.

    Raises:
        ConfigError: It is there, or cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8", newline="") as file:
            file.write(text)
    except FileExistsError as error:
        raise ConfigError(f"{path}: exists; name a file that does not, or remove it.") from error
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be written ({error.strerror}); name another file."
        ) from error
