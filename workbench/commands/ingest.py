"""`workbench ingest`: read described sources and write them as versioned tables."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from workbench.workspace import find_workspace

if TYPE_CHECKING:
    from workbench.adapters.ingest import IngestResult


def ingest(
    sources: Annotated[
        Path, typer.Argument(help="TOML file that describes the sources, see docs/sources.md.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print facts as JSON.")] = False,
) -> None:
    """Read SOURCES.toml and write a new version of each table that it fills."""
    from workbench.adapters.ingest import ingest_step

    results = ingest_step(
        find_workspace(), sources, progress=(lambda _: None) if as_json else typer.echo
    )
    if as_json:
        typer.echo(json.dumps([facts(result) for result in results], indent=1))
        return
    for note in (note for result in results for note in result.notes):
        typer.echo(f"  {note}")


def facts(result: "IngestResult") -> dict[str, Any]:
    """One table's account, for programs."""
    return {
        "table": result.table,
        "version": result.version.version,
        "digest": result.version.digest,
        "source": result.source,
        "read": result.read,
        "expanded": result.expanded,
        "merged": result.merged,
        "rejected": result.rejected,
        "loaded": result.loaded,
        "notes": list(result.notes),
    }
