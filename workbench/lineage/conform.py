"""Checks events against the OpenLineage client's own generated classes.

The client builds events but cannot read them, and its classes accept what their annotations
forbid. This walks a JSON object along those annotations: required fields, types, enumerations,
unknown fields and the formats that the specification gives to a field's name.
"""

import enum
import functools
import importlib
import pkgutil
import sys
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Any, Final, Literal

import attr
import jsonschema
from openlineage.client import generated
from openlineage.client.generated import base

from workbench.errors import LineageError
from workbench.lineage import facets as own
from workbench.lineage.names import FACET_PREFIX

Finding = tuple[str, str]
"""Field, as a path of dots, and what is wrong with it."""

FORMATS: Final = {
    "eventTime": "date-time",
    "nominalStartTime": "date-time",
    "nominalEndTime": "date-time",
    "runId": "uuid",
    "producer": "uri",
    "schemaURL": "uri",
    "_producer": "uri",
    "_schemaURL": "uri",
    "uri": "uri",
    "url": "uri",
}
# Class that facets of an entity derive from, and how their names end; the longer ending first.
_PLACES: Final[dict[type, str]] = {
    base.InputDatasetFacet: "InputDatasetFacet",
    base.OutputDatasetFacet: "OutputDatasetFacet",
    base.DatasetFacet: "DatasetFacet",
    base.RunFacet: "RunFacet",
    base.JobFacet: "JobFacet",
}
_IRREGULAR_KEYS: Final = {
    "DatasetVersion": "version",
    "Datasource": "dataSource",
    "SQL": "sql",
    "InputSubset": "subset",
    "OutputSubset": "subset",
    "ProcessingEngine": "processing_engine",
}


def format_checker() -> jsonschema.FormatChecker:
    """Checker of every format that events use.

    Raises:
        LineageError: A library for one of them is missing; it would pass unchecked.
    """
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    missing = sorted({*FORMATS.values(), "date"} - set(checker.checkers))
    if missing:
        raise LineageError(
            f"validation: no checker for the format {missing[0]!r}; install the package with its"
            " locked requirements (jsonschema[format])."
        )
    return checker


@functools.cache
def facet_classes() -> dict[tuple[type, str], type]:
    """Class of each facet, by the entity that it describes and its key there."""
    for module in pkgutil.iter_modules(generated.__path__):
        importlib.import_module(f"{generated.__name__}.{module.name}")
    classes = {
        (place, facet_key(cls)): cls
        for place in _PLACES
        for cls in _subclasses(place)
        if _is_current(cls)
    }
    classes[base.RunFacet, own.MODELS] = own.WorkbenchModelsRunFacet
    classes[base.RunFacet, own.DECISION_LOG] = own.WorkbenchDecisionLogRunFacet
    classes[base.RunFacet, own.CLUSTER] = own.WorkbenchClusterRunFacet
    classes[base.DatasetFacet, own.PROVENANCE] = own.WorkbenchProvenanceDatasetFacet
    return classes


def facet_key(cls: type) -> str:
    """Key under which a facet class of the client stands in an event."""
    suffix = next(suffix for suffix in _PLACES.values() if cls.__name__.endswith(suffix))
    name = cls.__name__.removesuffix(suffix)
    return _IRREGULAR_KEYS.get(name, name[:1].lower() + name[1:])


def event_class(event: Mapping[str, Any]) -> type:
    """Which of the three kinds of event this is."""
    if "run" in event:
        return base.RunEvent
    return base.DatasetEvent if "dataset" in event else base.JobEvent


def findings(event: Mapping[str, Any]) -> Iterator[Finding]:
    """Everything in an event that breaks the client's classes."""
    cls = event_class(event)
    yield from _object(cls, event, "")
    stated = event.get("schemaURL")
    if stated != cls._get_schema():  # type: ignore[attr-defined]
        yield "schemaURL", f"is {stated!r}; expected {cls._get_schema()!r}"  # type: ignore[attr-defined]


def _is_current(cls: type) -> bool:
    """Whether the client's module holds this very class.

    A class with slots is made a second time by attrs; the first, without fields, is still among
    the subclasses of its base until garbage is collected.
    """
    named = cls.__module__.startswith(generated.__name__)
    return named and getattr(sys.modules[cls.__module__], cls.__name__, None) is cls


def _subclasses(cls: type) -> set[type]:
    children: set[type] = set(cls.__subclasses__())
    return children.union(*(_subclasses(child) for child in children))


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _object(cls: type, value: Any, field: str) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield field or "event", f"is {type(value).__name__}; expected an object"
        return
    known = {item.name: item for item in attr.fields(cls)}
    for name in value:
        if name not in known:
            yield _join(field, name), "is unknown to the specification"
    for name, item in known.items():
        place = _join(field, name)
        if name not in value:
            if item.default is attr.NOTHING or name in ("producer", "_producer", "_schemaURL"):
                yield place, "is missing"
        else:
            yield from _value(_hints(cls)[name], value[name], place)


def _value(hint: Any, value: Any, field: str) -> Iterator[Finding]:
    options = [option for option in _options(hint) if option is not type(None)]
    option = _chosen(options, value)
    origin = typing.get_origin(option) or option
    if value is None:
        yield field, "is null; absent fields are left out"
    elif origin is Literal:
        if value not in typing.get_args(option):
            yield field, f"is {value!r}; expected one of {', '.join(typing.get_args(option))}"
    elif origin is list:
        yield from _list(option, value, field)
    elif origin is dict:
        yield from _mapping(option, value, field)
    elif attr.has(origin):
        yield from _object(origin, value, field)
    elif issubclass(origin, enum.Enum):
        if value not in [member.value for member in origin]:
            yield field, f"is {value!r}; expected one of {', '.join(m.value for m in origin)}"
    elif not any(_is_scalar(kind, value) for kind in options):
        expected = " or ".join(kind.__name__ for kind in options)
        yield field, f"is {type(value).__name__} {value!r}; expected {expected}"
    else:
        yield from _format(value, field)


def _chosen(options: list[Any], value: Any) -> Any:
    """Of several classes, the one whose field `type` allows what the value says; else the first."""
    if len(options) > 1 and isinstance(value, Mapping):
        for option in options:
            if attr.has(option) and value.get("type") in _kinds(option):
                return option
    return options[0]


def _kinds(cls: type) -> tuple[Any, ...]:
    """What the field `type` of a class may say: a list of words, or the one that it begins with."""
    kinds = typing.get_args(_hints(cls).get("type"))
    return kinds or tuple(item.default for item in attr.fields(cls) if item.name == "type")


def _options(hint: Any) -> tuple[Any, ...]:
    union = typing.get_origin(hint) in (typing.Union, types.UnionType)
    return typing.get_args(hint) if union else (hint,)


def _is_scalar(kind: type, value: Any) -> bool:
    if kind is Any:
        return True
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _list(hint: Any, value: Any, field: str) -> Iterator[Finding]:
    if not isinstance(value, list):
        yield field, f"is {type(value).__name__}; expected a list"
        return
    for position, item in enumerate(value):
        for option in typing.get_args(hint)[:1]:
            yield from _value(option, item, f"{field}[{position}]")


def _mapping(hint: Any, value: Any, field: str) -> Iterator[Finding]:
    if not isinstance(value, Mapping):
        yield field, f"is {type(value).__name__}; expected an object"
        return
    kind = typing.get_args(hint)[1] if typing.get_args(hint) else Any
    for name, item in value.items():
        place = _join(field, name)
        if kind in _PLACES:
            yield from _facet(kind, name, item, place)
        elif kind is not Any:
            yield from _value(kind, item, place)


def _facet(kind: type, name: str, value: Any, field: str) -> Iterator[Finding]:
    cls = facet_classes().get((kind, name))
    if cls is not None:
        yield from _object(cls, value, field)
        stated = str(value.get("_schemaURL", "")) if isinstance(value, Mapping) else ""
        if stated.rpartition("/")[2] != cls.__name__:
            yield f"{field}._schemaURL", f"is {stated!r}; expected the schema of {cls.__name__}"
    elif name.startswith(FACET_PREFIX) or "_" not in name:
        yield field, "is no facet of the specification or of ours that may stand here"
    elif not isinstance(value, Mapping) or not {"_producer", "_schemaURL"} <= value.keys():
        yield field, "has no _producer or no _schemaURL"


def _format(value: Any, field: str) -> Iterator[Finding]:
    wanted = FORMATS.get(field.rpartition(".")[2])
    if wanted and not format_checker().conforms(value, wanted):
        yield field, f"is {value!r}; expected the format {wanted}"


def _join(field: str, name: str) -> str:
    return f"{field}.{name}" if field else name
