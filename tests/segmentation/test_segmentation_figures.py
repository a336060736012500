"""Figures of the segments carry the numbers of their frame."""

import pandas as pd
import pytest

from workbench.contracts import columns as c
from workbench.dashboards.figures import segmentation


@pytest.fixture
def segments():
    rows = [
        ("1", "DC1", "AX", "smooth", 80.0, 1.0, 0.1, "order_up_to_high"),
        ("2", "DC1", "BY", "erratic", 15.0, 1.1, 0.8, "order_up_to_standard"),
        ("3", "DC1", "CZ", "lumpy", 5.0, 4.0, 0.9, "order_up_to_lean"),
        ("1", "7", "AX", "smooth", 40.0, 1.0, 0.2, "order_up_to_high"),
    ]
    names = [c.ITEM_ID, c.LOCATION_ID, c.SEGMENT, c.PATTERN, c.REVENUE, c.AVERAGE_INTERVAL,
             "size_cv2", c.POLICY]  # fmt: skip
    frame = pd.DataFrame(rows, columns=names)
    return frame.assign(**{c.ABC: frame[c.SEGMENT].str[0], c.XYZ: frame[c.SEGMENT].str[1]})


def test_revenue_curve_counts_class_a(segments):
    figure = segmentation.revenue_curve(segments, dc="DC1", a_share=0.8, b_share=0.95)
    assert "1 of 3 items make up 80% of revenue" in figure.layout.title.text
    assert {max(line.y) for line in figure.data} == {100.0}


def test_cells_hold_share_of_revenue(segments):
    centre = segments[segments[c.LOCATION_ID] == "DC1"]
    cells = segmentation.value_by_variability(centre, where="at the centre").data[0].z
    assert cells[0][0] == pytest.approx(0.8)
    assert sum(map(sum, cells)) == pytest.approx(1.0)


def test_pattern_figure_draws_every_series(segments):
    figure = segmentation.demand_patterns(
        segments, dc="DC1", interval_threshold=1.32, size_threshold=0.49
    )
    assert sum(len(dots.x) for dots in figure.data) == 4
    assert "50.0% of series sell in the smooth pattern" in figure.layout.title.text


def test_rules_show_their_share_of_revenue(segments):
    bars = segmentation.rules(segments).data[0]
    shown = dict(zip(bars.y, bars.x, strict=True))
    assert shown["high target"] == pytest.approx(100 * 120 / 140)
