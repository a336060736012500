"""One item inspected: parts that add up, opinions of models, what is refused."""

from dataclasses import replace

import duckdb
import numpy as np
import pandas as pd
import pytest

from workbench.dashboards.figures import item as figures
from workbench.errors import ContractError
from workbench.forecasting import item

LEVELS = [0.1, 0.5, 0.9]


@pytest.fixture(scope="module")
def panel(make_panel):
    return make_panel(series=12, share=0.0)


@pytest.fixture(scope="module")
def ours(panel):
    """Windows of 7 days forecast at 70, 80 and 90 units, at the last day and 14 and 28 before."""
    rows = [
        ("0001", "DC1", panel.last_day - pd.Timedelta(days=back), days, level,
         10 * days + 100 * (level - 0.5))
        for back in (28, 14, 0) for days in (7, 21) for level in LEVELS
    ]  # fmt: skip
    frame = pd.DataFrame(
        rows, columns=["item_id", "location_id", "cutoff", "n", "quantile", "value"]
    )
    frame["horizon_start"] = frame["cutoff"] + pd.Timedelta(days=1)
    frame["horizon_end"] = frame["cutoff"] + pd.to_timedelta(frame["n"], unit="D")
    frame["serves"] = "replenishment"
    connection = duckdb.connect()
    connection.register("given", frame)
    days = ", ".join(f"{n}::DATE AS {n}" for n in ("cutoff", "horizon_start", "horizon_end"))
    connection.execute(f"CREATE TABLE forecasts AS SELECT * REPLACE ({days}) FROM given")
    return item.window_forecasts(connection, "0001", "DC1", days=9)


def test_the_parts_add_up_and_know_the_weekday(panel):
    row = int(np.argmax(panel.units.sum(axis=1)))
    found = item.decompose(panel, row)
    total = found.parts[["trend", "weekday", "remainder"]].sum(axis=1)
    assert total.to_numpy() == pytest.approx(found.parts["units"].to_numpy())
    assert found.weekday_strength > 0.3
    # Demand is highest on the second day of the simulated week, which begins on a Sunday.
    assert "Monday sells most" in found.reading or "Tuesday sells most" in found.reading


def test_noise_is_told_from_a_pattern():
    rng = np.random.default_rng(0)
    noise, wave = rng.normal(size=400), np.sin(np.arange(400) / 3)
    assert (np.abs(item.autocorrelation(noise)["correlation"]) < 0.15).all()
    found = item.autocorrelation(wave)
    assert found["correlation"].iloc[0] == pytest.approx(np.cos(1 / 3), abs=0.02)
    assert (
        "Nothing is left"
        in figures.remainder_correlation(item.autocorrelation(noise)).layout.title.text
    )


def test_the_nearest_window_that_was_forecast_is_taken(ours):
    table, days = ours
    assert days == 7
    assert table[LEVELS].iloc[0].tolist() == [30, 70, 110]


def test_models_see_only_what_was_known_at_the_cutoff(panel):
    cutoff = panel.units.shape[1] - 15
    changed = panel.units.copy()
    changed[:, cutoff + 1 :] = 999
    span = {"start": 1, "length": 7}
    assert item.expected_units(panel, 1, cutoff, **span) == pytest.approx(
        item.expected_units(replace(panel, units=changed), 1, cutoff, **span)
    )


def test_opinions_are_scored_on_windows_that_have_passed(panel, ours):
    past = item.past_opinions(panel, 1, ours[0], length=7)
    assert len(past) == 2
    last = panel.units.shape[1] - 1
    assert past["sold"].tolist() == [
        panel.units[1, k + 1 : k + 8].sum() for k in (last - 28, last - 14)
    ]
    scores = item.opinion_scores(past).set_index("model")
    error = (past[item.OURS] - past["sold"]).abs().mean()
    assert scores.loc[item.OURS, "mean_absolute_error"] == pytest.approx(error)
    assert scores["closest"].sum() == 2
    ahead = item.opinions_ahead(panel, 1, ours[0], length=7)
    assert ahead["model"].tolist() == list(item.MODELS)
    assert scores.index[0] in item.disagreement(ahead, item.opinion_scores(past))


def test_a_range_of_opinions_is_called_a_disagreement():
    scores = pd.DataFrame({"model": ["TSB"], "mean_absolute_error": [2.0]})
    apart = pd.DataFrame({"model": ["TSB", "IMAPA"], "expected": [80.0, 120.0],
                          "against_mean": [-0.2, 0.2]})  # fmt: skip
    assert "disagree: IMAPA expects 120 units, TSB 80" in item.disagreement(apart, scores)
    near = apart.assign(expected=[98.0, 102.0], against_mean=[-0.02, 0.02])
    assert "of one opinion, 98 to 102" in item.disagreement(near, scores)


def test_an_item_is_found_by_its_id_or_by_revenue(panel):
    assert item.find_row(panel, "0003", "") == 3
    assert item.find_row(panel, "0004", "7") == 4
    revenue = panel.units.sum(axis=1) * panel.series["price"] * panel.is_dc
    assert item.find_row(panel, "", "") == int(np.argmax(revenue))


def test_an_item_without_a_forecast_is_refused_with_where_it_has_one(panel):
    with pytest.raises(ContractError, match=r"'0003' at location_id '7'.*forecast at DC1"):
        item.find_row(panel, "0003", "7")
    with pytest.raises(ContractError, match="end of the report of 10-forecast-demand"):
        item.find_row(panel, "none", "")
