"""Holidays by rule, against published dates."""

from datetime import date

import pytest

from workbench.adapters.holidays import easter_sunday, united_states


@pytest.mark.parametrize(
    "easter",
    # U.S. Census Bureau, dates of Easter; 1818 and 1943 are the earliest and latest possible.
    [
        date(1818, 3, 22), date(1943, 4, 25), date(2000, 4, 23), date(2016, 3, 27),
        date(2017, 4, 16), date(2018, 4, 1), date(2024, 3, 31), date(2038, 4, 25),
    ],
)  # fmt: skip
def test_easter_matches_published_dates(easter):
    assert easter_sunday(easter.year) == easter


def test_public_holidays_of_2017_match_the_government_list():
    # U.S. Office of Personnel Management, federal holidays 2017 (days off work).
    observed = {
        date(2017, 1, 2), date(2017, 1, 16), date(2017, 2, 20), date(2017, 5, 29),
        date(2017, 7, 4), date(2017, 9, 4), date(2017, 10, 9), date(2017, 11, 10),
        date(2017, 11, 23), date(2017, 12, 25),
    }  # fmt: skip
    actual = {date(2017, 1, 1), date(2017, 11, 11)}
    found = {day for day, _, kind in united_states(2017) if kind == "public_holiday"}
    assert found == observed | actual


def test_every_event_of_a_year_occurs_once():
    keys = [(day, event) for day, event, _ in united_states(2022)]
    assert len(keys) == len(set(keys))
