"""JSON Schemas: our own, which ship with the product, and the official ones from a folder."""

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import jsonschema
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable

from workbench.errors import LineageError
from workbench.lineage.conform import Finding, event_class, format_checker
from workbench.lineage.names import FACET_PREFIX
from workbench.resources import resource

CORE: Final = "OpenLineage.json"
OWN_FOLDER: Final = "contracts/schemas"


class Schemas:
    """JSON Schemas of one folder, which may refer to each other by `$id`."""

    def __init__(self, folder: Path) -> None:
        """Read every `*.json` of the folder.

        Raises:
            LineageError: There is none, or one is no JSON Schema.
        """
        self.folder = folder
        self.schemas = {path.name: _read(path) for path in sorted(folder.glob("*.json"))}
        if not self.schemas:
            raise LineageError(
                f"{folder}: no *.json in it; expected a folder of JSON Schemas, such as the"
                " OpenLineage specification's."
            )
        pairs = [
            (schema["$id"], Resource.from_contents(schema)) for schema in self.schemas.values()
        ]
        self._registry: Registry[Any] = Registry().with_resources(pairs)
        self._homes = {
            name: schema["$id"]
            for schema in self.schemas.values()
            for name in schema.get("$defs", {})
        }
        self._keys = {
            str(reference.get("$ref")).rpartition("/")[2]: key
            for schema in self.schemas.values()
            for key, reference in schema.get("properties", {}).items()
        }

    @functools.cached_property
    def _validators(self) -> dict[str, jsonschema.Draft202012Validator]:
        return {
            name: jsonschema.Draft202012Validator(
                {"$ref": f"{home}#/$defs/{name}"},
                registry=self._registry,
                format_checker=format_checker(),
            )
            for name, home in self._homes.items()
        }

    def defines(self, name: str) -> bool:
        """Whether a definition of that name is in the folder."""
        return name in self._homes

    def key_of(self, name: str) -> str | None:
        """Key under which a facet of that definition stands, where the schemas say so."""
        return self._keys.get(name)

    def findings(self, name: str, value: Any, field: str) -> Iterator[Finding]:
        """What in a value breaks the definition of that name.

        Raises:
            LineageError: The definition refers to a schema that the folder lacks.
        """
        try:
            for error in self._validators[name].iter_errors(value):
                yield f"{field}{error.json_path[1:]}".lstrip("."), error.message
        except Unresolvable as error:
            raise LineageError(
                f"{self.folder}: schema of {name} refers to {error.ref!r}, which is not there;"
                " give the specification's folder whole."
            ) from error


@functools.cache
def own_schemas() -> Schemas:
    """Published schemas of our own facets and of the decision record."""
    return Schemas(resource(OWN_FOLDER))


def official_schemas(folder: Path) -> Schemas:
    """The OpenLineage schemas of a folder.

    Raises:
        LineageError: The folder holds no `OpenLineage.json`.
    """
    schemas = Schemas(folder)
    if CORE not in schemas.schemas:
        raise LineageError(
            f"{folder}: no {CORE} in it; expected the folder of the OpenLineage schemas."
        )
    return schemas


def own_facet_findings(event: Mapping[str, Any]) -> Iterator[Finding]:
    """What breaks the published schemas of our own facets."""
    for field, name, facet in facets_of(event):
        schema = _schema_name(facet)
        if name.startswith(FACET_PREFIX) and own_schemas().defines(schema):
            yield from own_schemas().findings(schema, facet, field)


def official_findings(event: Mapping[str, Any], official: Schemas) -> Iterator[Finding]:
    """What breaks the official schemas: the event's own, then that of each standard facet."""
    yield from official.findings(event_class(event).__name__, event, "")
    for field, name, facet in facets_of(event):
        schema = _schema_name(facet)
        if official.defines(schema):
            yield from official.findings(schema, facet, field)
            if official.key_of(schema) not in (name, None):
                yield field, f"is a {schema}; expected the key {official.key_of(schema)!r}"
        elif "_" not in name:
            yield f"{field}._schemaURL", f"{schema!r} is not defined in {official.folder}"


def facets_of(event: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Field, key and value of every facet in an event."""
    holders: list[tuple[str, Any]] = [
        ("run", event.get("run")), ("job", event.get("job")), ("dataset", event.get("dataset"))
    ]  # fmt: skip
    for side in ("inputs", "outputs"):
        found = event.get(side)
        datasets = found if isinstance(found, list) else []
        holders += [(f"{side}[{number}]", dataset) for number, dataset in enumerate(datasets)]
    for field, holder in holders:
        for kind in ("facets", "inputFacets", "outputFacets"):
            facets = holder.get(kind) if isinstance(holder, Mapping) else None
            for name, facet in facets.items() if isinstance(facets, Mapping) else ():
                yield f"{field}.{kind}.{name}", name, facet


def _schema_name(facet: Any) -> str:
    stated = facet.get("_schemaURL") if isinstance(facet, Mapping) else None
    return str(stated).rpartition("/")[2]


def _read(path: Path) -> dict[str, Any]:
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        schema["$id"], schema["$schema"]
    except (OSError, ValueError, KeyError, TypeError, jsonschema.SchemaError) as error:
        raise LineageError(
            f"{path}: not a JSON Schema with $id and $schema ({type(error).__name__}); expected a"
            " folder of schemas only."
        ) from error
    return dict(schema)
