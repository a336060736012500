"""Arithmetic of the readiness score."""

import pandas as pd
import pytest

from workbench.readiness.score import area_scores, points, total_score


@pytest.mark.parametrize(
    ("affected", "checked", "zero_at", "expected"),
    [(0, 100, 0.1, 1.0), (5, 100, 0.1, 0.5), (10, 100, 0.1, 0.0), (100, 100, 0.1, 0.0)],
)
def test_points_fall_in_a_straight_line(affected, checked, zero_at, expected):
    assert points(affected, checked, zero_at) == pytest.approx(expected)


def checks(*rows):
    names = ["area", "status", "rows_affected", "points", "weight"]
    return pd.DataFrame(rows, columns=names)


def test_area_is_the_weighted_mean_of_its_checks():
    frame = checks(
        ("history", "measured", 0, 1.0, 5),
        ("history", "measured", 9, 0.5, 3),
        ("history", "not measured", 0, float("nan"), 5),
        ("item master", "measured", 1, 0.25, 1),
    )
    areas = area_scores(frame).set_index("area")
    assert areas.loc["history", "score"] == pytest.approx(100 * 6.5 / 8)
    assert areas.loc["history", "arithmetic"] == "6.5 of 8 points"
    assert areas.loc["history", ["checks", "without_finding", "not_measured"]].tolist() == [2, 1, 1]
    assert total_score(areas.reset_index()) == pytest.approx((100 * 6.5 / 8 + 25) / 2)


def test_area_without_measured_checks_has_no_score():
    areas = area_scores(checks(("history", "measured", 0, 1.0, 5))).set_index("area")
    assert pd.isna(areas.loc["stock and receipts", "score"])
    assert areas.loc["stock and receipts", "arithmetic"] == "not measured"
