"""The protocol that every family of models keeps."""

import json
import subprocess
import sys

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


MEASURE = """
import json, sys
import numpy as np
from workbench.forecasting import protocol

def mib(count): return np.ones(count * 2**17)

if sys.argv[1] == "after work that was freed":
    mib(25)  # mapped by itself; once it is freed, malloc keeps what is smaller
    earlier = [mib(20) for _ in range(6)]
    last = [bytes(100_000) for _ in range(30)]  # on top: what lies below stays with malloc
    del earlier
_, small = protocol.measured(lambda: np.ones(10))
held, large = protocol.measured(lambda: mib(30))
print(json.dumps([small.peak_mib, large.peak_mib]))
"""


@pytest.mark.parametrize("when", ["at first", "after work that was freed"])
def test_cost_counts_the_memory_of_the_work_alone(when):
    """In a process of its own: other tests' threads take and give memory meanwhile."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, when], capture_output=True, text=True, check=True
    )
    small, large = json.loads(done.stdout)
    assert large == pytest.approx(30, abs=8)
    assert small < 8


def test_costs_add_up_but_for_memory_that_is_the_largest():
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
