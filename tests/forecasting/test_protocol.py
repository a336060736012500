"""The protocol that every family of models keeps."""

import numpy as np
import pytest

from workbench.errors import ContractError
from workbench.forecasting import protocol
from workbench.forecasting.calibrated import Counts
from workbench.forecasting.global_model import Window
from workbench.forecasting.protocol import Cost, Forecast, Task

TASK = Task(windows=(Window(1, 7), Window(8, 7)), levels=np.array([0.5, 0.9]))


def test_a_history_holds_nothing_after_its_cutoff_but_plans(make_panel):
    panel = make_panel(series=3, days=100)
    history = protocol.known_by(panel, 60)
    assert history.units.shape == history.price.shape == (3, 61)
    assert history.promoted.shape == panel.promoted.shape


def test_the_reach_is_the_last_day_of_the_longest_window():
    assert TASK.reach == 14


def test_cost_counts_the_memory_of_the_work_alone():
    pytest.importorskip("resource")
    _, small = protocol.measured(lambda: np.ones(10))
    held, large = protocol.measured(lambda: np.ones(30 * 2**17))  # 30 MiB
    assert len(held)
    assert large.peak_mib == pytest.approx(30, abs=8)
    assert small.peak_mib < 8
    assert (small + large).peak_mib == large.peak_mib
    assert Cost(1, 2, 3) + Cost(1, 1, 1) == Cost(2, 3, 3)


def test_cost_counts_the_seconds_of_the_processor():
    def work():
        total = 0.0
        for i in range(400_000):
            total += i**0.5
        return total

    _, cost = protocol.measured(work)
    assert 0.005 < cost.cpu_seconds <= cost.seconds + 0.05


def _forecast(panel, **changed):
    shape = (len(panel.series), 2)
    parts = {"mean": np.ones(shape), "quantiles": np.ones((*shape, 2)), **changed}
    return Forecast(**parts)


def test_a_forecast_that_keeps_the_protocol_passes(make_panel):
    panel = make_panel(series=3, days=40)
    good = _forecast(panel)
    assert protocol.checked(good, panel, TASK, family="own") is good


@pytest.mark.parametrize("values", [[2.0, 1.0], [-1.0, 1.0], [1.0, np.nan]])
def test_a_forecast_that_breaks_it_names_family_and_series(make_panel, values):
    panel = make_panel(series=3, days=40)
    quantiles = np.ones((3, 2, 2))
    quantiles[1, 0] = values
    with pytest.raises(ContractError, match=r"family 'own'.*1 series.*item 0001 at DC1"):
        protocol.checked(_forecast(panel, quantiles=quantiles), panel, TASK, family="own")


def test_a_forecast_of_another_shape_is_refused(make_panel):
    panel = make_panel(series=3, days=40)
    with pytest.raises(ContractError, match=r"expected \(3, 2\) and \(3, 2, 2\)"):
        protocol.checked(_forecast(panel, mean=np.ones((3, 1))), panel, TASK, family="own")


class _Unsure:
    name, good_for = "unsure", "nothing"

    def fit(self, history, task):
        return self

    def mean(self, history):
        made = np.ones((len(history.series), 2))
        made[2, 1] = np.nan
        return made


def test_expected_demand_that_is_missing_names_family_and_series(make_panel):
    panel = make_panel(series=3, days=200)
    with pytest.raises(ContractError, match=r"family 'unsure'.*1 series.*the first item 0002"):
        Counts(_Unsure()).fit(panel, TASK)


def test_a_plain_panel_holds_demand_alone():
    units = np.arange(12.0).reshape(2, 6)
    panel = protocol.plain_panel(units, ahead=3)
    assert panel.units.tolist() == units.tolist()
    assert panel.promoted.shape == (2, 2, 9)
    assert protocol.known_by(panel, 3).units.shape == (2, 4)
