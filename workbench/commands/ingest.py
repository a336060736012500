"""`workbench ingest`: read described sources and write them as versioned tables."""

import json
from pathlib import Path
from typing import Annotated

import typer

from workbench.workspace import find_workspace


def ingest(
    sources: Annotated[
        Path, typer.Argument(help="TOML file that describes the sources, see docs/sources.md.")
    ],
    force: Annotated[bool, typer.Option(help="Read again even if nothing changed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Read SOURCES.toml and write a new version of each table that it fills."""
    from workbench.adapters.sources import load_sources, tables_of
    from workbench.runs.steps import governed_step, ingest_step
    from workbench.tables.store import TableStore

    workspace, lines = find_workspace(), list[str]()
    step = ingest_step(workspace, sources, say=lines.append if as_json else typer.echo)
    result = governed_step(workspace, step, force=force)
    if not as_json:
        typer.echo(f"{result.job}: {result.status} in {result.seconds:.1f} s, run {result.run_id}")
        return
    store = TableStore(workspace.tables)
    names = [table for source in load_sources(sources).source for table in tables_of(source)]
    facts = [
        {"table": v.table, "version": v.version, "digest": v.digest, "rows": v.rows}
        for v in map(store.current, names)
    ]
    run = {"job": result.job, "run_id": result.run_id, "status": result.status}
    typer.echo(json.dumps({**run, "tables": facts, "account": lines}, indent=1))
