"""Tables that say how good the forecasts of a backtest were, and for whom."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.contracts import columns as c
from workbench.forecasting import losses
from workbench.forecasting.families import CHOSEN, NAIVE, Judged, Setting, Stack
from workbench.forecasting.patterns import SEGMENTS, segment

Array = npt.NDArray[np.float64]


def score_table(setting: Setting, case: Stack, judged: Mapping[str, Judged]) -> pd.DataFrame:
    """One row per family, best first.

    Columns: model, vw_mape (of the median), vw_pinball (loss times price over sales value),
    pinball (units), rmsse (of the mean), coverage_90, bias (of the mean), and what each of the
    first two gains over seasonal naive: its forecast value added.
    """
    rows = pd.DataFrame(
        [
            {"model": name, **_scores(setting, case, forecast),
             "rmsse": _rmsse(setting, case, forecast)}
            for name, forecast in judged.items()
        ]
    )  # fmt: skip
    naive = rows.set_index("model").loc[NAIVE]
    for column in ("vw_mape", "vw_pinball"):
        rows[f"{column}_skill"] = 1 - rows[column] / float(naive[column])
    return rows.sort_values("vw_pinball", ignore_index=True)


def segment_table(
    setting: Setting, case: Stack, judged: Mapping[str, Judged], *, chosen: str = CHOSEN
) -> pd.DataFrame:
    """The chosen family against seasonal naive, per kind of site and demand pattern.

    Columns: segment, series, value_share, vw_mape, bias (of expected demand), vw_mape_skill,
    vw_pinball_skill, pit_gap (largest distance of the randomised PIT from its level) and
    under_coverage (most that raw coverage stays below its level).
    """
    every = _segment_of(setting, case)
    money = case.actual * _value(setting, case)
    pit = judged[chosen].pit
    rows = []
    for name in sorted(set(every)):
        rows_of = every == name
        ours, naive = (
            _scores(setting, case.where(rows_of), f.where(rows_of),
                    value=_value(setting, case)[rows_of])
            for f in (judged[chosen], judged[NAIVE])
        )  # fmt: skip
        below = np.array([(pit[rows_of] <= level).mean() for level in setting.levels])
        raw = losses.coverage(case.actual[rows_of], judged[chosen].quantiles[rows_of])
        rows.append(
            {
                "segment": name,
                "series": int(rows_of[: len(setting.panel.series)].sum()),
                "value_share": float(money[rows_of].sum() / money.sum()),
                "vw_mape": ours["vw_mape"],
                "bias": ours["bias"],
                "vw_mape_skill": 1 - ours["vw_mape"] / naive["vw_mape"],
                "vw_pinball_skill": 1 - ours["vw_pinball"] / naive["vw_pinball"],
                "pit_gap": float(np.abs(below - setting.levels).max()),
                "under_coverage": float(max(0, (setting.levels - raw).max())),
            }
        )
    return pd.DataFrame(rows).sort_values("value_share", ascending=False, ignore_index=True)


def segment_calibration(setting: Setting, case: Stack, chosen: Judged) -> pd.DataFrame:
    """`calibration_table` of each kind of site and demand pattern, named in `segment`."""
    every = _segment_of(setting, case)
    tables = [
        calibration_table(setting, case.where(every == name), chosen.where(every == name)).assign(
            segment=name
        )
        for name in sorted(set(every))
    ]
    return pd.concat(tables, ignore_index=True)


def calibration_table(setting: Setting, case: Stack, chosen: Judged) -> pd.DataFrame:
    """Per level: share of outcomes below it by randomised PIT, and raw coverage."""
    return pd.DataFrame(
        {
            "level": setting.levels,
            "pit": [float((chosen.pit <= level).mean()) for level in setting.levels],
            "raw_coverage": losses.coverage(case.actual, chosen.quantiles),
        }
    )


def error_rows(
    setting: Setting, case: Stack, judged: Mapping[str, Judged], *, chosen: str = CHOSEN
) -> pd.DataFrame:
    """Errors of one window length (14 days or the nearest) per cutoff and series.

    Columns: item_id, location_id, price, cutoff, window_days, actual, median, naive,
    absolute_error, pinball, naive_pinball.
    """
    lengths = np.unique(case.length)
    shown = case.length == lengths[np.abs(lengths - 14).argmin()]
    actual, values = case.actual[shown], judged[chosen].quantiles[shown]
    naive, median = judged[NAIVE].quantiles[shown], _median(setting)
    panel = setting.panel
    keys = [panel.series[[c.ITEM_ID, c.LOCATION_ID, "price"]]] * (len(actual) // len(panel.series))
    return pd.concat(keys, ignore_index=True).assign(
        cutoff=panel.first_day + pd.to_timedelta(case.cutoff[shown], unit="D"),
        window_days=case.length[shown],
        actual=actual,
        median=values[:, median],
        naive=naive[:, median],
        absolute_error=np.abs(actual - values[:, median]),
        pinball=losses.pinball(actual, values, setting.levels).mean(axis=1),
        naive_pinball=losses.pinball(actual, naive, setting.levels).mean(axis=1),
    )


def _scores(
    setting: Setting, case: Stack, forecast: Judged, value: Array | None = None
) -> dict[str, float]:
    value = _value(setting, case) if value is None else value
    median = forecast.quantiles[:, _median(setting)]
    ninety = forecast.quantiles[:, int(np.abs(setting.levels - 0.9).argmin())]
    loss = losses.pinball(case.actual, forecast.quantiles, setting.levels).mean(axis=1)
    return {
        "vw_mape": losses.value_weighted_mape(case.actual, median, value),
        "vw_pinball": float((loss * value).sum() / (case.actual * value).sum()),
        "pinball": float(loss.mean()),
        "coverage_90": float((case.actual <= ninety).mean()),
        "bias": losses.bias_share(case.actual, forecast.mean),
    }


def _rmsse(setting: Setting, case: Stack, forecast: Judged) -> float:
    """Mean RMSSE of the series, each window scaled by the naive change of its own length."""
    panel = setting.panel
    known = panel.units[:, : int(case.cutoff.min()) + 1].astype(float)
    scales = {n: losses.naive_scale(known, int(n)) for n in np.unique(case.length)}
    shape = (-1, len(panel.series))
    scale = np.stack([scales[n] for n in case.length.reshape(shape)[:, 0]])
    error = (case.actual - forecast.mean).reshape(shape) ** 2
    return float(np.nanmean(np.sqrt((error / scale).mean(axis=0))))


def _segment_of(setting: Setting, case: Stack) -> npt.NDArray[np.str_]:
    """Segment of each forecast's series, as known at the first cutoff."""
    names = np.array(SEGMENTS)[segment(setting.panel, int(case.cutoff.min()))]
    return np.tile(names, len(case.actual) // len(names))


def _value(setting: Setting, case: Stack) -> Array:
    price = setting.panel.series["price"].to_numpy()
    return np.tile(price, len(case.actual) // len(price))


def _median(setting: Setting) -> int:
    return int(np.abs(setting.levels - 0.5).argmin())
