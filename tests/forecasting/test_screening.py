"""Bad input: a stated rule or a refusal with its reason; never the whole panel."""

import numpy as np
import pandas as pd
import pytest

from workbench.errors import ContractError
from workbench.forecasting.global_model import Window
from workbench.forecasting.screening import carry_prices, screen
from workbench.forecasting.slow_movers import Plan, fit_counts, past_windows

AS_OF = pd.Timestamp("2024-06-30")


def rows(item, quantities, *, end=AS_OF, dates=None):
    dates = pd.date_range(end=end, periods=len(quantities)) if dates is None else dates
    return pd.DataFrame(
        {"item_id": item, "location_id": "1", "date": dates, "quantity": quantities}
    )


def healthy(count=60, days=120, seed=0):
    rng = np.random.default_rng(seed)
    return [rows(f"good{i:02d}", rng.poisson(0.8, days).astype(float)) for i in range(count)]


def with_fault(faulty):
    found = screen(pd.concat([*healthy(), faulty]), as_of=AS_OF)
    line = found.report[found.report["item_id"] == "bad"]
    return found, (line["outcome"].tolist(), line["reason"].tolist())


REFUSED = {
    "duplicate dates": (
        rows("bad", [1.0] * 40, dates=[*pd.date_range(end=AS_OF, periods=39), AS_OF]),
        "1 days twice, the first 2024-06-30",
    ),
    "negative": (rows("bad", [1.0] * 39 + [-2]), "1 negative quantities, the first on 2024-06-30"),
    "infinite": (rows("bad", [1.0] * 39 + [np.inf]), "1 infinite quantities, .* 2024-06-30"),
    "fractions": (rows("bad", [0.5] * 40), "sold in fractions of its base unit, .*2024-05-22"),
    "too short": (rows("bad", [1.0] * 5), "only since 2024-06-26; expected 28 days or more"),
    "all zero": (rows("bad", [0.0] * 60), "never sold"),
    "all NaN": (rows("bad", [np.nan] * 60), "never sold"),
}  # fmt: skip


@pytest.mark.parametrize("fault", REFUSED)
def test_a_series_that_cannot_be_forecast_is_left_out_with_its_reason(fault):
    import re

    faulty, reason = REFUSED[fault]
    found, (outcome, reasons) = with_fault(faulty)
    assert outcome == ["left out"]
    assert re.fullmatch(reason, reasons[0])
    assert len(found.series) == 60
    assert "bad" not in set(found.series["item_id"])


def test_rows_of_the_future_are_ignored():
    faulty = rows("bad", np.arange(50.0) % 4, end=AS_OF + pd.Timedelta(days=3))
    found, (outcome, reasons) = with_fault(faulty)
    assert (outcome, reasons) == (["kept"], ["3 rows after the as-of date ignored"])
    assert found.units[found.series["item_id"] == "bad"][0, -1] == 46 % 4


def test_a_quantity_that_is_no_number_is_a_day_nobody_observed():
    faulty = rows("bad", [1.0, np.nan, 3.0] * 20)
    found, (outcome, reasons) = with_fault(faulty)
    assert outcome == ["kept"]
    assert reasons == ["20 days whose quantity is no number: not observed"]
    assert np.isnan(found.units[found.series["item_id"] == "bad"][0, -2])


def test_days_without_a_row_sold_nothing_but_those_before_the_first_are_unknown():
    dates = [AS_OF - pd.Timedelta(days=d) for d in (60, 50, 0)]
    found, (outcome, _) = with_fault(rows("bad", [1.0, 2.0, 3.0], dates=dates))
    units = found.units[found.series["item_id"] == "bad"][0]
    assert outcome == []
    assert np.isnan(units[:-61]).all()
    assert units[-61:].sum() == 6


def test_a_constant_series_is_kept_and_forecast_at_its_constant():
    found, (outcome, reasons) = with_fault(rows("bad", [2.0] * 120))
    assert (outcome, reasons) == (["kept"], ["the same quantity on all 120 days with a row"])
    trials = past_windows(found.units, [Window(1, 1)], Plan(start=30))
    fitted = fit_counts(found.units, trials, method="tsb", levels=[0.5])
    row = found.series["item_id"] == "bad"
    assert fitted.forecast(found.units).rate[row] == pytest.approx(2.0)


def test_a_panel_of_every_fault_still_forecasts_its_good_series():
    faulty = [f.assign(item_id=f"bad {name}") for name, (f, _) in REFUSED.items()]
    clean, dirty = (screen(pd.concat(parts), as_of=AS_OF) for parts in
                    (healthy(), [*healthy(), *faulty]))  # fmt: skip
    assert sorted(dirty.report["item_id"]) == sorted(f"bad {name}" for name in REFUSED)
    assert dirty.series["item_id"].tolist() == clean.series["item_id"].tolist()
    assert (dirty.units == clean.units).all()


def test_a_panel_without_one_good_series_is_refused_with_the_first_reason():
    with pytest.raises(ContractError, match=r"none of 1 series can be forecast.*never sold"):
        screen(rows("bad", [0.0] * 60), as_of=AS_OF)


def test_a_missing_column_is_named():
    with pytest.raises(ContractError, match="no column quantity"):
        screen(rows("bad", [1.0]).drop(columns="quantity"), as_of=AS_OF)


def test_a_missing_price_ahead_is_the_last_one_known():
    price = np.array([[np.nan, 2.0, np.nan, 3.0, np.nan, np.nan], [np.nan] * 6])
    carried = carry_prices(price)
    assert carried[0, 1:].tolist() == [2, 2, 3, 3, 3]
    assert np.isnan(carried[0, 0])
    assert np.isnan(carried[1]).all()
