"""Quantities as people read them."""


def amount(value: float) -> str:
    """A quantity to the hundredth, without decimals that are zero."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")
