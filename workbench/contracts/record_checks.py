"""Whether an entry is a decision record by its published schema."""

from collections.abc import Callable
from datetime import date, datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from workbench.contracts.canonical import parse_canonical
from workbench.contracts.private import has_private
from workbench.contracts.records import MAXIMUM_ENTRY_BYTES
from workbench.errors import ContractError
from workbench.resources import resource

_SCHEMA: Final = "contracts/schemas/DecisionRecord.json"


def check_entry(entry: bytes) -> dict[str, Any]:
    """Parse an entry and check it against `schemas/DecisionRecord.json`.

    Args:
        entry: Canonical JSON.

    Returns:
        The record as JSON values.

    Raises:
        ContractError: Naming the decision, the field, what was found and what was expected.
    """
    from fastjsonschema import JsonSchemaValueException

    if len(entry) > MAXIMUM_ENTRY_BYTES:
        raise ContractError(f"entry: {len(entry)} bytes; expected at most {MAXIMUM_ENTRY_BYTES}.")
    try:
        record = parse_canonical(entry)
    except (ValueError, RecursionError) as error:
        raise ContractError(f"entry {entry[:40]!r}: {error}; expected canonical JSON.") from error
    try:
        _validator()(record)
    except JsonSchemaValueException as error:
        name = record.get("id") if isinstance(record, dict) else entry[:40]
        hidden = has_private(record)
        found = "an open private value" if hidden else repr(str(error.value)[:60])
        raise ContractError(
            f"decision {str(name)[:80]!r}: {error.message}, found {found};"
            " expected a record by the schema of the decision log."
        ) from error
    checked: dict[str, Any] = record
    return checked


@cache
def _validator() -> Callable[[Any], Any]:
    import json

    import fastjsonschema

    schema = json.loads(resource(_SCHEMA).read_text(encoding="utf-8"))
    formats = {
        "date": _accepts(_day),
        "date-time": _accepts(datetime.fromisoformat),
        "uuid": _accepts(UUID),
    }
    compiled: Callable[[Any], Any] = fastjsonschema.compile(schema, formats=formats)
    return compiled


def _day(text: str) -> date:
    if len(text) != len("2026-01-31"):
        raise ValueError(text)
    return date.fromisoformat(text)


def _accepts(parse: Callable[[str], Any]) -> Callable[[str], bool]:
    def holds(text: str) -> bool:
        try:
            parse(text)
        except ValueError:
            return False
        return True

    return holds
