"""Judgements of monitors as rows of the `alarms` table."""

from datetime import date
from hashlib import sha256

import pandas as pd

from workbench.monitoring.drift import error_ratio


def error_changes(
    errors: pd.DataFrame, *, dc: str, level: float, seed: int
) -> tuple[pd.DataFrame, pd.Timestamp]:
    """Ratio of relative error, later half of the cutoffs over the earlier, per kind of site.

    Args:
        errors: item_id, location_id, cutoff, actual, absolute_error, price.
        dc: Location id of the distribution centre.
        level: Probability of the interval.
        seed: Of the bootstrap.

    Returns:
        scope, reference, current, ratio, low, high; and the first cutoff of the later half.
    """
    cutoffs = errors["cutoff"].drop_duplicates().sort_values()
    split = pd.Timestamp(cutoffs.iloc[len(cutoffs) // 2])
    rows = errors.assign(
        now=errors["cutoff"] >= split,
        size=errors["absolute_error"] * errors["price"],
        demand=errors["actual"] * errors["price"],
    )
    centre = rows["location_id"] == dc
    scopes = {"all series": rows, "distribution centre": rows[centre], "stores": rows[~centre]}
    table = [
        {
            "scope": name,
            **error_ratio(
                part, cluster="item_id", current="now", numerator="size", denominator="demand",
                level=level, seed=seed,
            ),
        }
        for name, part in scopes.items()
        if len(part)
    ]  # fmt: skip
    return pd.DataFrame(table), split


def alarm_rows(
    drift: pd.DataFrame,
    errors: pd.DataFrame,
    *,
    run_id: str,
    start: date,
    end: date,
    tolerance: float,
) -> pd.DataFrame:
    """The `alarms` table: input drift per feature, error ratios per scope."""
    inputs = pd.DataFrame(
        {
            "monitor": "input drift",
            "scope": drift["feature"],
            "statistic": drift["statistic"],
            "threshold": drift["threshold"],
            "raised": drift["raised"],
        }
    )
    ratios = pd.DataFrame(
        {
            "monitor": "forecast error",
            "scope": errors["scope"],
            "statistic": errors["ratio"],
            "threshold": 1 + tolerance,
            "raised": errors["low"] > 1 + tolerance,
        }
    )
    table = pd.concat([inputs, ratios], ignore_index=True)
    names = run_id + "/" + table["monitor"] + "/" + table["scope"]
    return table.assign(
        alarm_id=[sha256(name.encode()).hexdigest()[:32] for name in names],
        window_start=pd.Timestamp(start),
        window_end=pd.Timestamp(end),
    )
