"""The service-level cost curve: what a forecast is worth once a policy acts on it.

Every family's quantile at a service target is the base-stock level of each review; demand is what
came. Lead time, start and prices are the same for all, so that whatever differs in service, stock
and money is the forecast's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm

from workbench.contracts.printable import compared
from workbench.inventory.costs import Costs, cost_components
from workbench.inventory.policies import base_stock_levels, trailing_statistics
from workbench.inventory.simulate import StartState, Terms, simulate

FloatArray = NDArray[np.float64]
LEGACY: Final = "legacy"
TARGETS: Final = (0.8, 0.85, 0.9, 0.925, 0.95, 0.965, 0.975, 0.99, 0.995)
_WARM_UP: Final = 1  # cycles not counted: they show the start more than the forecast


@dataclass(frozen=True)
class Trial:
    """Days on which the levels of every family are tried.

    Attributes:
        demand: What came, base units, series by day; day 0 is a review day.
        review_days: Days between reviews (R).
        lead_days: Days from order to receipt (L); the level must cover R + L days.
        costs: Cost terms of the series.
    """

    demand: FloatArray
    review_days: int
    lead_days: int
    costs: Costs


def legacy_levels(
    known: FloatArray, reviews: Sequence[int], targets: Sequence[float], *, cover_days: int,
    trailing_days: int = 56,
) -> FloatArray:  # fmt: skip
    """What a business has without forecasts: mean plus z standard deviations of recent days.

    Args:
        known: Demand, series by day.
        reviews: Column of each review day; what is known ends the day before.
        targets: Service targets; z is the normal quantile.
        cover_days: Days that the level must cover (R + L).
        trailing_days: Length of recent history.

    Returns:
        Whole base units, series by review by target.
    """
    statistics = trailing_statistics(known, reviews, trailing_days=trailing_days)
    each = [base_stock_levels(statistics, cover_days, norm.ppf(target)) for target in targets]
    return np.ceil(np.maximum(np.stack(each, axis=2), 0.0) - 1e-9)


def service_curve(
    trial: Trial, levels: Mapping[str, FloatArray], targets: Sequence[float]
) -> pd.DataFrame:
    """Simulate every family at every target.

    Args:
        trial: Demand and terms.
        levels: Per family base-stock levels, series by review by target.
        targets: Service targets, in the order of the levels.

    Returns:
        family, target, cycle_service (share of review periods without a lost sale), fill_rate,
        average_on_hand (base units), stock_value, lost (base units), holding_cost, lost_margin,
        total_cost; of all series over the days that count.
    """
    rows = [
        {"family": family, "target": target, **_outcome(trial, values[:, :, place])}
        for family, values in levels.items()
        for place, target in enumerate(targets)
    ]
    return pd.DataFrame(rows)


def _outcome(trial: Trial, levels: FloatArray) -> dict[str, float]:
    series, reviews = levels.shape
    terms = Terms(
        np.zeros(series), np.ones(series), np.full((series, reviews), trial.lead_days),
        np.zeros(series),
    )  # fmt: skip
    start = StartState(levels[:, 0].astype(np.float64), np.zeros((series, 0)))
    found = simulate(trial.demand, levels, terms, start, review_days=trial.review_days)
    money = cost_components(found, trial.costs)
    counted = slice(_WARM_UP if reviews > _WARM_UP else 0, None)
    days = trial.demand.shape[1] - trial.review_days * (counted.start or 0)
    on_hand = found.on_hand_days[:, counted].sum(axis=1) / days
    lost, holding = found.lost[:, counted], float(money.holding[:, counted].sum())
    margin = float(money.lost_margin[:, counted].sum())
    return {
        "cycle_service": float((lost <= 0).mean()),
        "fill_rate": 1 - float(lost.sum() / found.demand[:, counted].sum()),
        "average_on_hand": float(on_hand.sum()),
        "stock_value": float((on_hand * trial.costs.unit_cost).sum()),
        "lost": float(lost.sum()),
        "holding_cost": holding,
        "lost_margin": margin,
        "total_cost": holding + margin,
    }


def at_equal_service(curve: pd.DataFrame, family: str, other: str) -> float:
    """Stock value that a family needs over what another one needs for the same fill rate, less 1.

    The mean over the fill rates that both reach; NaN where there are none.
    """
    lines = [curve[curve["family"] == name].sort_values("fill_rate") for name in (family, other)]
    low = max(line["fill_rate"].min() for line in lines)
    high = min(line["fill_rate"].max() for line in lines)
    if not low < high:
        return float("nan")
    places = np.linspace(low, high, 50)
    stock = [np.interp(places, line["fill_rate"], line["stock_value"]) for line in lines]
    return float(np.mean(stock[0] / stock[1]) - 1)


def reading(curve: pd.DataFrame, family: str) -> str:
    """What a family's forecast is worth beside each other one, in one sentence."""
    parts = []
    least = curve.groupby("family")["total_cost"].min()
    for other, stock in _others(curve, family):
        cost = least[family] / least[other] - 1
        needs = (
            "never meets the fill rate of" if np.isnan(stock)
            else f"needs {compared(stock)} stock for the same fill rate than"
        )  # fmt: skip
        name = other.replace("_", " ")
        parts.append(f"{needs} {name}, and at the best target of each it costs {compared(cost)}")
    return f"Acting on this forecast {'; it '.join(parts)}."


def finding(curve: pd.DataFrame, family: str) -> str:
    """The same in a few words."""
    parts = [
        f"{compared(stock)} stock than {other.replace('_', ' ')}"
        for other, stock in _others(curve, family) if np.isfinite(stock)
    ]  # fmt: skip
    return f"The same service takes {' and '.join(parts)}" if parts else "No common fill rate"


def summary(curve: pd.DataFrame, targets: Sequence[float] = (0.8, 0.9, 0.95, 0.99)) -> pd.DataFrame:
    """Some targets, and of the columns those that a planner compares."""
    columns = ["family", "target", "fill_rate", "stock_value", "lost", "total_cost"]
    return curve.loc[curve["target"].isin(targets), columns].reset_index(drop=True)


def _others(curve: pd.DataFrame, family: str) -> list[tuple[str, float]]:
    """Every other family, and the stock that this one needs over theirs for the same service."""
    names = [str(name) for name in dict.fromkeys(curve["family"]) if name != family]
    return [(name, at_equal_service(curve, family, name)) for name in names]
