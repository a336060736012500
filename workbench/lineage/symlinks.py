"""Names by which other producers know our tables and files: `[lineage.symlinks]` in workbench.toml.

    [lineage.symlinks]
    sales = { namespace = "duckdb:///srv/warehouse.duckdb", name = "warehouse.main.sales" }
    "exports/weekly.parquet" = { namespace = "duckdb:///srv/w.duckdb", name = "w.main.weekly" }

The workspace's own name stands left; a list gives several. Events then carry the facet `symlinks`,
by which consumers, and our graph, know that both names are one dataset.
"""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from openlineage.client.facet_v2 import symlinks_dataset
from openlineage.client.serde import Serde

from workbench.errors import LineageError
from workbench.lineage.names import PRODUCER, workspace_file

Symlinks = Mapping[str, Sequence[Mapping[str, str]]]
"""Our name of a dataset to its others, each with namespace, name and type."""
_EXAMPLE: Final = '{ namespace = "duckdb:///srv/w.duckdb", name = "w.main.sales" }'


def load_symlinks(settings: Path) -> Symlinks:
    """What the file with the workspace's settings says; nothing where it says nothing.

    Raises:
        LineageError: It is there and not a table of names.
    """
    try:
        content = tomllib.loads(settings.read_text(encoding="utf-8")).get("lineage", {})
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}  # whoever opens the workspace says so
    stated = content.get("symlinks", {}) if isinstance(content, dict) else {}
    if not isinstance(stated, dict):
        raise LineageError(
            f"{settings}: lineage.symlinks is {stated!r:.60}; expected a table [lineage.symlinks]."
        )
    return {
        workspace_file(name) if "." in name else name: _identifiers(settings, name, value)
        for name, value in stated.items()
    }


def _identifiers(settings: Path, name: str, value: Any) -> list[dict[str, str]]:
    found = value if isinstance(value, list) else [value]
    for one in found:
        texts = isinstance(one, dict) and all(isinstance(v, str) and v for v in one.values())
        if not texts or not {"namespace", "name"} <= set(one) <= {"namespace", "name", "type"}:
            raise LineageError(
                f"{settings}: lineage.symlinks.{name} is {one!r:.80}; expected namespace and name"
                f" of another producer, such as {_EXAMPLE}."
            )
    return [{"type": "TABLE", **one} for one in found]


def with_symlinks(event: Mapping[str, Any], space: str, known: Symlinks) -> Mapping[str, Any]:
    """The event with the facet on each dataset of ours that has other names."""
    if not known:
        return event
    marked: dict[str, Any] = {
        side: [_marked(dataset, space, known) for dataset in event[side]]
        for side in ("inputs", "outputs")
        if side in event
    }
    if "dataset" in event:
        marked["dataset"] = _marked(event["dataset"], space, known)
    return {**event, **marked}


def _marked(dataset: Mapping[str, Any], space: str, known: Symlinks) -> Mapping[str, Any]:
    if dataset["namespace"] != space or dataset["name"] not in known:
        return dataset
    identifiers = [
        symlinks_dataset.Identifier(**identifier) for identifier in known[dataset["name"]]
    ]
    facet = symlinks_dataset.SymlinksDatasetFacet(identifiers=identifiers, producer=PRODUCER)
    return {**dataset, "facets": {**dataset.get("facets", {}), "symlinks": Serde.to_dict(facet)}}
