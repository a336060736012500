"""Contributions in units sum to the forecast."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from workbench.errors import ContractError
from workbench.explain.contributions import contributions_in_units, group_contributions
from workbench.explain.reasons import reading, reasons_by_series

RAW = arrays(float, (5, 4), elements=st.floats(-3, 3))


@given(RAW, st.floats(0.1, 100))
def test_log_link_contributions_sum_to_the_forecast(raw, scale):
    units, baseline = contributions_in_units(raw, link="log", scale=scale)
    assert units.sum(axis=1) + baseline == pytest.approx(scale * np.exp(raw.sum(axis=1)))


@given(RAW)
def test_a_feature_without_effect_contributes_nothing(raw):
    raw[:, 1] = 0
    units, _ = contributions_in_units(raw, link="log")
    assert (units[:, 1] == 0).all()


def test_two_equal_factors_share_the_difference_equally():
    # Baseline 1, two factors of 2: forecast 4, difference 3, half each.
    raw = np.array([[np.log(2), np.log(2), 0.0]])
    units, baseline = contributions_in_units(raw, link="log")
    assert units[0] == pytest.approx([1.5, 1.5])
    assert baseline[0] == pytest.approx(1)


def test_identity_link_contributions_equal_shap_values_of_lightgbm():
    lightgbm, shap = pytest.importorskip("lightgbm"), pytest.importorskip("shap")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 3))
    y = x[:, 0] * 2 + x[:, 1] ** 2
    parameters = {"objective": "regression", "verbosity": -1, "num_threads": 1}
    model = lightgbm.train(parameters, lightgbm.Dataset(x, y), 20)
    units, baseline = contributions_in_units(
        np.asarray(model.predict(x, pred_contrib=True)), link="identity"
    )
    assert units == pytest.approx(shap.TreeExplainer(model).shap_values(x), abs=1e-6)
    assert units.sum(axis=1) + baseline == pytest.approx(model.predict(x))


def test_drivers_add_up_their_features():
    grouped = group_contributions(
        np.array([[1.0, 2.0, 4.0]]),
        np.array([10.0]),
        features=["lag_7", "mean_28", "price"],
        drivers={"lag_7": "recent sales", "mean_28": "recent sales", "price": "price"},
    )
    assert grouped.iloc[0].to_dict() == {"baseline": 10, "recent sales": 3, "price": 4}


def test_refuses_a_feature_without_driver():
    with pytest.raises(ContractError, match="'price': belongs to no driver"):
        group_contributions(
            np.ones((1, 1)), np.ones(1), features=["price"], drivers={"lag": "recent sales"}
        )


def test_reasons_name_the_three_strongest_drivers_in_order():
    drivers = ["baseline", "price", "promotion", "recent sales", "calendar"]
    contributions = pd.DataFrame(
        {
            "item_id": "1",
            "location_id": "DC1",
            "horizon_start": pd.Timestamp("2018-01-01"),
            "horizon_end": pd.Timestamp("2018-01-10"),
            "driver": drivers,
            "contribution": [10.0, -6.0, 1.0, 4.0, 0.5],
        }
    )
    reasons = reasons_by_series(contributions)["reasons"].iloc[0]
    assert reasons[0] == "price -6.0 units"
    assert reasons[1:] == ["recent sales +4.0 units", "promotion +1.0 units"]


def test_a_driver_that_moves_nothing_is_no_reason():
    rows = pd.DataFrame(
        {
            "item_id": ["1", "1", "2"], "location_id": "DC1",
            "horizon_start": pd.Timestamp("2018-01-01"), "horizon_end": pd.Timestamp("2018-01-10"),
            "driver": ["price", "trend", "price"], "contribution": [-0.05, 0.04, 0.0],
        }
    )  # fmt: skip
    found = reasons_by_series(rows)
    assert found["reasons"].tolist() == [["price -0.1 units"]]
    assert reading(pd.Series({"price": 0.03, "trend": 0.02})).startswith("No driver moves")
