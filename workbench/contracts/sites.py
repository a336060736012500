"""Which of a business's locations is its distribution centre."""

import pandas as pd

from workbench.contracts import columns as c
from workbench.errors import ContractError

NO_CENTRE = ""


def distribution_centre(locations: pd.DataFrame, named: str = "") -> str:
    """The location that stands for all stores of an item: the one of kind `dc`.

    Args:
        locations: location_id, kind.
        named: The one to take where a business has several; empty takes the only one.

    Returns:
        Its location id, or `NO_CENTRE` where no location is of kind `dc`: shops then stand alone.

    Raises:
        ContractError: `named` is no distribution centre, or there are several and none was named.
    """
    centres = sorted(locations.loc[locations["kind"] == "dc", c.LOCATION_ID].astype(str))
    if named and named not in centres:
        raise ContractError(
            f"locations: '{named}' is no location of kind 'dc'; found {_listed(centres)}. Name one"
            " of them as parameter dc, or leave it empty."
        )
    if not named and len(centres) > 1:
        raise ContractError(
            f"locations: {len(centres)} are of kind 'dc', {_listed(centres)}; expected one that"
            f" stands for all stores. Name it, for example -p dc={centres[0]}."
        )
    return named or (centres[0] if centres else NO_CENTRE)


def _listed(centres: list[str]) -> str:
    shown = ", ".join(f"'{name}'" for name in centres[:5])
    more = len(centres) - 5
    return (shown + (f" and {more} more" if more > 0 else "")) if centres else "none"
