"""Which location is the distribution centre."""

import pandas as pd
import pytest

from workbench.contracts.sites import NO_CENTRE, distribution_centre
from workbench.errors import ContractError


def _locations(**kinds):
    return pd.DataFrame(kinds.items(), columns=["location_id", "kind"])


def test_the_only_one_needs_no_name():
    assert distribution_centre(_locations(north="store", LAGER="dc")) == "LAGER"


def test_shops_alone_have_none():
    assert distribution_centre(_locations(north="store", south="store")) == NO_CENTRE


def test_of_several_one_is_named():
    several = _locations(east="dc", west="dc", north="store")
    with pytest.raises(ContractError, match=r"'east', 'west'.*-p dc=east"):
        distribution_centre(several)
    assert distribution_centre(several, "west") == "west"


@pytest.mark.parametrize("name", ["NOWHERE", "north"])
def test_a_name_that_is_no_centre_is_refused(name):
    with pytest.raises(ContractError, match=f"'{name}' is no location of kind 'dc'; found 'LAGER'"):
        distribution_centre(_locations(north="store", LAGER="dc"), name)
