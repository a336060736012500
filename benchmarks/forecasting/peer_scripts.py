"""How a user of the peers would forecast the same frame; run by `peers.py` with the peers' Python.

    python peer_scripts.py NAME FRAME.parquet OUT.parquet HORIZON SEASON FREQUENCY

Needs nothing of this project. FRAME has unique_id, ds, y; OUT gets unique_id, ds, mean and, where
the peer gives any, quantiles. Prints what it cost: imports and reading are over before the clock
starts, as they are for us.
"""

import json
import sys
import time
import warnings
from pathlib import Path

import pandas as pd

warnings.simplefilter("ignore")
LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
INTERVALS = (50, 80, 95)
SIDES = {0.025: "lo-95", 0.1: "lo-80", 0.25: "lo-50", 0.75: "hi-50", 0.9: "hi-80", 0.975: "hi-95"}


def nixtla(name, frame, horizon, season, frequency):
    """Statsforecast; intermittent methods have no intervals of their own, so conformal ones."""
    from statsforecast import StatsForecast, models
    from statsforecast.utils import ConformalIntervals

    windows = ConformalIntervals(n_windows=3 if season == 7 else 2, h=horizon)
    made = {
        "SeasonalNaive": lambda: models.SeasonalNaive(season),
        "AutoETS": lambda: models.AutoETS(season_length=season),
        "ETS(A,N,A)": lambda: models.AutoETS(season_length=season, model="ANA"),
        "DynamicOptimizedTheta": lambda: models.DynamicOptimizedTheta(season_length=season),
        "AutoARIMA": lambda: models.AutoARIMA(season_length=season),
        "CrostonSBA": lambda: models.CrostonSBA(prediction_intervals=windows),
        "TSB": lambda: models.TSB(0.1, 0.05, prediction_intervals=windows),
        "IMAPA": lambda: models.IMAPA(prediction_intervals=windows),
    }[name]()
    forecaster = StatsForecast(models=[made], freq=frequency, n_jobs=1)
    found = forecaster.forecast(df=frame, h=horizon, level=list(INTERVALS))
    return levels_of(found, str(made))


def levels_of(found, name):
    """Mean and quantiles from the columns that Nixtla's libraries give."""
    columns = {level: found[f"{name}-{side}"] for level, side in SIDES.items()}
    return found[["unique_id", "ds"]].assign(
        mean=found[name], **{f"q{0.5}": found[name]}, **{f"q{k}": v for k, v in columns.items()}
    )


def gradient_boosting(name, frame, horizon, season, frequency):
    """Mlforecast: recursive LightGBM on lags and rolling means, conformal intervals."""
    from lightgbm import LGBMRegressor
    from mlforecast import MLForecast
    from mlforecast.lag_transforms import RollingMean
    from mlforecast.utils import PredictionIntervals

    lags = [1, 7, 14, 28] if season == 7 else [1, 2, 3, 6]
    rolling = [RollingMean(7), RollingMean(28)] if season == 7 else [RollingMean(3), RollingMean(6)]
    model = LGBMRegressor(
        objective="tweedie", n_estimators=200, learning_rate=0.08, num_leaves=63, n_jobs=1,
        verbosity=-1, seed=1,
    )  # fmt: skip
    forecaster = MLForecast(
        models={"lgb": model}, freq=frequency, lags=lags, lag_transforms={1: rolling},
        date_features=["dayofweek"] if season == 7 else ["month"], num_threads=1,
    )  # fmt: skip
    intervals = PredictionIntervals(n_windows=3 if season == 7 else 2, h=horizon)
    forecaster.fit(frame, prediction_intervals=intervals)
    return levels_of(forecaster.predict(horizon, level=list(INTERVALS)), "lgb")


def skforecast(name, frame, horizon, season, frequency):
    """Skforecast: recursive LightGBM of all series, quantiles by bootstrapped residuals."""
    from lightgbm import LGBMRegressor
    from skforecast.preprocessing import RollingFeatures
    from skforecast.recursive import ForecasterRecursiveMultiSeries

    series = frame.pivot(index="ds", columns="unique_id", values="y").asfreq(frequency)
    series.columns = [str(one) for one in series.columns]
    window = 28 if season == 7 else 6
    model = LGBMRegressor(
        objective="tweedie", n_estimators=200, learning_rate=0.08, num_leaves=63, n_jobs=1,
        verbosity=-1, seed=1,
    )  # fmt: skip
    forecaster = ForecasterRecursiveMultiSeries(
        estimator=model, lags=[1, 7, 14, 28] if season == 7 else [1, 2, 3, 6],
        window_features=RollingFeatures(stats=["mean", "mean"], window_sizes=[window // 4, window]),
        encoding="ordinal",
    )  # fmt: skip
    forecaster.fit(series=series, store_in_sample_residuals=True, suppress_warnings=True)
    found = forecaster.predict_quantiles(
        steps=horizon, quantiles=list(LEVELS), n_boot=50, use_in_sample_residuals=True,
        suppress_warnings=True,
    )  # fmt: skip
    point = forecaster.predict(steps=horizon, suppress_warnings=True)
    keys = ["level", "ds"]
    both = (
        found.rename_axis("ds")
        .reset_index()
        .merge(point.rename_axis("ds").reset_index(), on=keys, validate="one_to_one")
    )
    named = {f"q_{k:g}": f"q{k}" for k in LEVELS}
    return both.rename(columns={"level": "unique_id", "pred": "mean", **named})


def sktime(name, frame, horizon, season, frequency):
    """Sktime: its theta forecaster for every series of a panel, normal quantiles."""
    from sktime.forecasting.theta import ThetaForecaster

    panel = frame.set_index(["unique_id", "ds"])[["y"]]
    forecaster = ThetaForecaster(sp=season, deseasonalize=False)
    forecaster.fit(panel, fh=list(range(1, horizon + 1)))
    point = forecaster.predict()
    found = forecaster.predict_quantiles(alpha=list(LEVELS))
    found.columns = [f"q{alpha}" for _, alpha in found.columns]
    return found.assign(mean=point["y"]).rename_axis(["unique_id", "ds"]).reset_index()


def status(key):
    line = next(x for x in Path("/proc/self/status").read_text().splitlines() if x.startswith(key))
    return int(line.split()[1]) / 1024


def main():
    name, source, out, horizon, season, frequency = sys.argv[1:]
    library, _, kind = name.partition(" ")
    use = {"statsforecast": nixtla, "mlforecast": gradient_boosting, "skforecast": skforecast,
           "sktime": sktime}[library]  # fmt: skip
    frame = pd.read_parquet(source)
    warm(library)
    Path("/proc/self/clear_refs").write_text("5")
    held, cpu, clock = status("VmRSS"), time.process_time(), time.perf_counter()
    found = use(kind, frame, int(horizon), int(season), frequency)
    cost = {"cpu": time.process_time() - cpu, "seconds": time.perf_counter() - clock,
            "mib": status("VmHWM") - held}  # fmt: skip
    found.to_parquet(out)
    version = __import__(library).__version__
    print(json.dumps({**cost, "version": version}))


def warm(library):
    """Import what the peer needs before the clock starts."""
    import lightgbm  # noqa: F401

    names = {"statsforecast": "statsforecast.models", "mlforecast": "mlforecast.utils",
             "skforecast": "skforecast.recursive",
             "sktime": "sktime.forecasting.theta"}  # fmt: skip
    __import__(names[library])


if __name__ == "__main__":
    main()
