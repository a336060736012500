"""ABC, XYZ and demand patterns, against worked examples."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.errors import ContractError
from workbench.segmentation.abc_xyz import (
    abc_classes,
    average_interval,
    coefficient_of_variation,
    demand_patterns,
    squared_cv_of_sizes,
    xyz_classes,
)
from workbench.segmentation.config import SegmentConfig
from workbench.segmentation.segment import rule_of, segment_columns, segment_series


def test_abc_by_cumulative_share():
    # shares 50, 30, 12, 5, 3%: A until 80% is reached, B until 95%
    assert "".join(abc_classes([500, 300, 120, 50, 30], a_share=0.8, b_share=0.95)) == "AABBC"


def test_abc_follows_revenue_not_position():
    assert "".join(abc_classes([30, 500, 50, 300, 120], a_share=0.8, b_share=0.95)) == "CABAB"


def test_without_revenue_all_are_c():
    assert set(abc_classes([0, 0, -5], a_share=0.8, b_share=0.95)) == {"C"}


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=50))
def test_class_a_is_the_fewest_series_that_reach_its_share(revenue):
    value = np.array(revenue)
    chosen = abc_classes(value, a_share=0.8, b_share=0.95) == "A"
    assert value[chosen].sum() >= 0.8 * value.sum() * (1 - 1e-9)
    without_least = value[chosen].sum() - value[chosen].min()
    assert without_least < 0.8 * value.sum() * (1 + 1e-9)


def test_coefficient_of_variation_by_hand():
    # 2, 4, 4, 4, 5, 5, 7, 9: mean 5, standard deviation 2
    assert coefficient_of_variation(np.array([[2.0, 4, 4, 4, 5, 5, 7, 9]]))[0] == 0.4


@pytest.mark.parametrize(
    ("cv", "label"), [(0.5, "X"), (0.51, "Y"), (1.0, "Y"), (1.2, "Z"), (np.nan, "Z")]
)
def test_xyz_limits(cv, label):
    assert xyz_classes(np.array([cv]), x_maximum_cv=0.5, y_maximum_cv=1.0)[0] == label


def test_average_interval_counts_buckets_per_bucket_with_demand():
    assert average_interval(np.array([[0.0, 3, 0, 0, 2, 0]]))[0] == 3.0


def test_squared_cv_ignores_empty_buckets():
    # sizes 1 and 3: mean 2, variance 1
    assert squared_cv_of_sizes(np.array([[0.0, 1, 0, 3]]))[0] == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("interval", "squared_cv", "pattern"),
    [
        (1.0, 0.1, "smooth"), (1.31, 0.49, "erratic"), (1.32, 0.48, "intermittent"),
        (4.0, 0.9, "lumpy"), (np.nan, np.nan, "lumpy"),
    ],
)  # fmt: skip
def test_patterns_at_the_limits_of_syntetos_and_boylan(interval, squared_cv, pattern):
    assert demand_patterns(np.array([interval]), np.array([squared_cv]))[0] == pattern


def _sales(last="2017-12-31"):
    """Item 1 sells 7 a day in two stores; item 2 sells 1 every 14th day in store b."""
    days = pd.date_range(end=last, periods=70)
    steady = [
        pd.DataFrame({c.ITEM_ID: "1", c.LOCATION_ID: store, c.DATE: days, c.QUANTITY: 7.0})
        for store in "ab"
    ]
    rare = pd.DataFrame({c.ITEM_ID: "2", c.LOCATION_ID: "b", c.DATE: days[::14], c.QUANTITY: 1.0})
    frame = pd.concat([*steady, rare], ignore_index=True)
    return frame.assign(**{c.REVENUE: frame[c.QUANTITY] * 2})


SERIES = pd.DataFrame(
    [("1", "DC1"), ("1", "a"), ("2", "DC1"), ("2", "b")], columns=[c.ITEM_ID, c.LOCATION_ID]
)


def test_segments_of_a_steady_and_a_rare_item():
    found = segment_series(_sales(), SERIES, dc="DC1", config=SegmentConfig())
    by = found.set_index([c.ITEM_ID, c.LOCATION_ID])
    assert by.loc[("1", "DC1"), [c.SEGMENT, c.PATTERN]].tolist() == ["AX", "smooth"]
    assert by.loc[("2", "DC1"), [c.SEGMENT, c.PATTERN]].tolist() == ["CY", "intermittent"]
    assert by.loc[("1", "DC1"), c.DEMAND_MEAN] == 98.0
    assert by.loc[("2", "b"), c.AVERAGE_INTERVAL] == 2.0


def test_centre_and_stores_are_ranked_apart():
    found = segment_series(_sales(), SERIES, dc="DC1", config=SegmentConfig())
    by = found.set_index([c.ITEM_ID, c.LOCATION_ID])[c.ABC]
    assert by[("1", "a")] == "A"
    assert by[("2", "b")] == "C"


def test_sees_nothing_after_as_of():
    early = segment_series(
        _sales(), SERIES, dc="DC1", config=SegmentConfig(), as_of=pd.Timestamp("2017-12-03")
    )
    cut = _sales()
    cut = cut[cut[c.DATE] <= "2017-12-03"]
    again = segment_series(cut, SERIES, dc="DC1", config=SegmentConfig())
    pd.testing.assert_frame_equal(early, again)


def test_frame_has_the_columns_of_the_contract():
    found = segment_columns(segment_series(_sales(), SERIES, dc="DC1", config=SegmentConfig()))
    assert {c.RUN_ID, *found.columns} == set(tables.SEGMENTS.names)


def test_max_series_keeps_those_of_highest_revenue():
    found = segment_series(_sales(), SERIES, dc="DC1", config=SegmentConfig(max_series=2))
    assert set(found[c.ITEM_ID]) == {"1"}


@pytest.mark.parametrize(
    ("segment", "rule"),
    [
        ("AZ", "order_up_to_high"), ("BY", "order_up_to_standard"), ("CZ", "order_up_to_lean"),
    ],
)  # fmt: skip
def test_rule_of_a_segment(segment, rule):
    assert rule_of(segment, SegmentConfig()) == rule


def test_too_short_a_history_is_refused():
    sales = _sales()
    short = sales[sales[c.DATE] > "2017-12-21"]
    with pytest.raises(ContractError, match="cover 10 days; expected at least 14"):
        segment_series(short, SERIES, dc="DC1", config=SegmentConfig())


def test_a_segment_cannot_have_two_rules():
    with pytest.raises(ValidationError, match="AX is in high_segments and in lean_segments"):
        SegmentConfig(high_segments=["AX"], lean_segments=["AX"])


def test_class_limits_must_rise():
    with pytest.raises(ValidationError, match="a_share must lie below b_share"):
        SegmentConfig(a_share=0.95, b_share=0.9)
