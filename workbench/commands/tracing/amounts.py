"""Quantities as people read them."""

from collections.abc import Mapping
from typing import Any

from workbench.contracts.units import unit_name


def amount(value: float) -> str:
    """A quantity to the hundredth, without decimals that are zero."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")


def measured(value: float, facts: Mapping[str, Any]) -> str:
    """A quantity with the unit of a record in words; records without a unit have none."""
    code = facts.get("unit")
    return f"{amount(value)} {unit_name(str(code), value)}" if code else amount(value)
