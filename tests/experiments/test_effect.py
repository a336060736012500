"""Paired differences and bootstrap intervals: known answers, coverage, honesty about losses."""

import numpy as np
import pandas as pd
import pytest

from workbench.contracts import columns as c
from workbench.errors import ContractError
from workbench.experiments.config import RoiConfig
from workbench.experiments.effect import bootstrap_totals, paired_difference
from workbench.experiments.finance import roi_kpis

CONFIG = RoiConfig(resamples=500)


def _items(count, *, series_each=3, seed=0, mean=1.0):
    """Values that share a component within an item."""
    draw = np.random.default_rng(seed)
    own = np.repeat(draw.normal(mean, 2.0, count), series_each)
    values = own + draw.normal(0, 0.1, count * series_each)
    clusters = pd.Series(np.repeat(np.arange(count), series_each))
    return pd.DataFrame({"saving": values}), clusters


def test_estimate_is_the_plain_total():
    columns, clusters = _items(50)
    drawn = bootstrap_totals(columns, clusters, level=0.8, resamples=200, seed=1)
    assert drawn.total("saving")[0] == pytest.approx(columns["saving"].sum())


def test_interval_agrees_with_the_normal_approximation_of_cluster_sums():
    # second route: z(0.9) * sqrt(n) * sd of the cluster sums
    columns, clusters = _items(400)
    _, low, high = bootstrap_totals(columns, clusters, level=0.8, resamples=4000, seed=1).total(
        "saving"
    )
    sums = columns["saving"].groupby(clusters).sum()
    assert high - low == pytest.approx(2 * 1.2816 * len(sums) ** 0.5 * sums.std(), rel=0.06)


def test_ignoring_clusters_would_understate_the_interval():
    columns, clusters = _items(100)
    by_item = bootstrap_totals(columns, clusters, level=0.8, resamples=1000, seed=1)
    alone = pd.Series(range(len(columns)))
    by_row = bootstrap_totals(columns, alone, level=0.8, resamples=1000, seed=1)
    width = [high - low for _, low, high in (by_item.total("saving"), by_row.total("saving"))]
    assert width[0] > 1.5 * width[1]


def test_interval_covers_the_truth_about_as_often_as_it_says():
    hits = 0
    for seed in range(200):
        columns, clusters = _items(60, series_each=2, seed=seed, mean=1.0)
        _, low, high = bootstrap_totals(
            columns, clusters, level=0.8, resamples=300, seed=seed
        ).total("saving")
        hits += low <= 120.0 <= high  # 60 items, 2 series each, mean 1
    assert 0.70 <= hits / 200 <= 0.89


def test_same_seed_gives_the_same_interval():
    columns, clusters = _items(30)
    first, second = (
        bootstrap_totals(columns, clusters, level=0.8, resamples=200, seed=4).total("saving")
        for _ in range(2)
    )
    assert first == second


def test_ratio_of_totals_gets_its_own_interval():
    columns, clusters = _items(80)
    columns["base"] = 10.0
    drawn = bootstrap_totals(columns, clusters, level=0.8, resamples=500, seed=1)
    value, low, high = drawn.of(lambda totals: totals["saving"] / totals["base"])
    assert value == pytest.approx(columns["saving"].sum() / columns["base"].sum())
    assert low < value < high


def test_one_item_has_no_interval():
    with pytest.raises(ContractError, match="two or more"):
        bootstrap_totals(
            pd.DataFrame({"a": [1.0]}), pd.Series(["x"]), level=0.8, resamples=100, seed=1
        )


def test_difference_is_positive_where_the_treated_arm_costs_less():
    rows = pd.DataFrame({"item": ["a", "a"], "arm": ["ours", "legacy"], "cost": [3.0, 5.0]})
    found = paired_difference(
        rows, keys=["item"], arm="arm", treated="ours", control="legacy", value="cost"
    )
    assert found.tolist() == [2.0]


def test_difference_needs_both_arms():
    rows = pd.DataFrame({"item": ["a"], "arm": ["ours"], "cost": [3.0]})
    with pytest.raises(ContractError, match="1 of 1 rows lack"):
        paired_difference(
            rows, keys=["item"], arm="arm", treated="ours", control="legacy", value="cost"
        )


WEEKS = pd.date_range("2017-12-18", periods=2, freq="7D")


def _scenarios(ours, legacy):
    """Two items at the centre and one of them in a store; costs per row as given."""
    rows = []
    for policy, cost in (("ours", ours), ("legacy", legacy)):
        for item, location in (("1", "DC1"), ("2", "DC1"), ("1", "7")):
            for week in WEEKS:
                rows.append((policy, item, location, week, week + pd.Timedelta(days=6), cost))
    frame = pd.DataFrame(rows, columns=[c.SCENARIO, c.ITEM_ID, c.LOCATION_ID, c.WINDOW_START,
                                        c.WINDOW_END, c.TOTAL_COST])  # fmt: skip
    third = frame[c.TOTAL_COST] / 3
    lost = frame[c.SCENARIO].map({"ours": 1.0, "legacy": 2.0})
    return frame.assign(**{
        c.HOLDING_COST: third, c.ORDERING_COST: third, c.STOCKOUT_COST: third, c.DEMAND: 10.0,
        c.LOST: lost, c.AVERAGE_STOCK_VALUE: 100.0, c.END_STOCK_VALUE: 90.0,
    })  # fmt: skip


SEGMENTS = pd.DataFrame({
    c.ITEM_ID: ["1", "1", "2"], c.LOCATION_ID: ["DC1", "7", "DC1"], c.SEGMENT: ["AX", "AZ", "CZ"],
})  # fmt: skip


def _kpis(ours, legacy):
    rows = roi_kpis(_scenarios(ours, legacy), SEGMENTS, dc="DC1", currency="USD", config=CONFIG)
    return rows.set_index([c.KPI, c.SCOPE])


def test_savings_by_hand():
    found = _kpis(ours=4.0, legacy=5.0)[c.VALUE]
    assert found[("saving_total", "all")] == pytest.approx(6.0)
    assert found[("saving_share", "all")] == pytest.approx(6 / 30)
    assert found[("saving_annual", "all")] == pytest.approx(6 * 365 / 14)
    assert found[("saving_weekly", "week=2017-12-18")] == pytest.approx(3.0)
    assert found[("saving_cumulative", "week=2017-12-25")] == pytest.approx(6.0)
    assert found[("saving_kind", "kind=store")] == pytest.approx(2.0)
    assert found[("saving_segment", "segment=CZ")] == pytest.approx(2.0)
    assert found[("fill_rate", "policy=legacy")] == pytest.approx(0.8)
    assert found[("fill_rate_change", "all")] == pytest.approx(0.1)
    assert found[("stock_value", "policy=ours")] == pytest.approx(300.0)
    assert found[("stock_value_end", "policy=ours")] == pytest.approx(270.0)


def test_a_loss_is_reported_as_a_negative_saving():
    assert _kpis(ours=5.0, legacy=4.0).loc[("saving_total", "all"), c.VALUE] == pytest.approx(-6.0)


@pytest.mark.parametrize(
    "family", ["saving_kind", "saving_segment", "saving_site", "saving_component", "saving_weekly"]
)
def test_every_split_adds_up_to_the_total(family):
    found = _kpis(ours=4.0, legacy=5.0)[c.VALUE]
    assert found[family].sum() == pytest.approx(found[("saving_total", "all")])


def test_every_row_has_a_unit_and_its_own_key():
    rows = _kpis(ours=4.0, legacy=5.0)
    assert rows.index.is_unique
    assert set(rows[c.UNIT]) == {"USD", "share"}
