"""Figures of the explanation notebook."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.dashboards import theme
from workbench.explain.contributions import BASELINE
from workbench.explain.reasons import LEAST_UNITS

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def driver_sizes(sizes: "pd.Series[float]", *, window_days: int) -> "Figure":
    """Mean size of each driver's contribution, largest on top."""
    import plotly.graph_objects as go

    ordered = sizes.sort_values()
    chart = theme.figure(
        title=f"{str(ordered.index[-1]).capitalize()}: {ordered.iloc[-1]:.1f} units on average,"
        " more than any other driver"
        if ordered.iloc[-1] >= LEAST_UNITS
        else "No driver moves the forecast",
        subtitle=f"mean size of contributions to {window_days} days of demand, units per series",
        x="units",
        height=360,
    )
    chart.add_trace(
        go.Bar(
            x=ordered, y=ordered.index, orientation="h", marker={"color": theme.COLOURS["ours"]},
            text=[f"{v:.2f}" for v in ordered], textposition="outside", cliponaxis=False,
            hovertemplate="%{y}: %{x:.2f} units<extra></extra>",
        )
    )  # fmt: skip
    return chart


def beeswarm(grouped: pd.DataFrame, *, rows: int, seed: int, window_days: int) -> "Figure":
    """Every series a dot per driver, as shap's summary plot shows them: relative contributions."""
    import plotly.graph_objects as go

    rng = np.random.default_rng(seed)
    chosen = grouped.iloc[np.sort(rng.permutation(len(grouped))[:rows])]
    total = chosen.sum(axis=1).clip(lower=1e-6)
    shares = chosen.drop(columns=BASELINE).div(total, axis=0) * 100
    order = shares.abs().mean().sort_values().index
    up = float((shares["promotion"] > 5).mean()) if "promotion" in shares else 0.0
    chart = theme.figure(
        title=f"A promotion ahead lifts the forecast of {theme.share(up)} of series by over 5%",
        subtitle=f"contribution as a share of the demand of {window_days} days, one dot per series,"
        f" {len(chosen):,} series",
        x="share of the forecast, %",
        height=420,
    )
    for place, driver in enumerate(order):
        chart.add_trace(
            go.Scattergl(
                x=shares[driver].clip(-100, 100), y=place + rng.uniform(-0.3, 0.3, len(shares)),
                mode="markers", hoverinfo="x",
                marker={"color": theme.COLOURS["ours"], "size": 4, "opacity": 0.45},
            )
        )  # fmt: skip
    chart.update_yaxes(tickvals=list(range(len(order))), ticktext=list(order), showgrid=False)
    chart.add_vline(x=0, line={"color": theme.MUTED, "width": 1})
    return chart


def waterfall(row: "pd.Series[float]", *, name: str, window_days: int) -> "Figure":
    """One forecast, from the usual level to the expected demand, driver by driver."""
    import plotly.graph_objects as go

    drivers = row.drop(BASELINE)
    drivers = drivers.loc[drivers.abs().sort_values(ascending=False).index]
    most = f"{drivers.index[0]} {drivers.iloc[0]:+,.1f}".replace("-", "−")
    chart = theme.figure(
        title=f"{name}: {row.sum():,.0f} units expected, "
        + (most if abs(drivers.iloc[0]) >= LEAST_UNITS else "no driver moves them"),
        subtitle=f"expected demand of the next {window_days} days, units, from the usual level",
        y="units",
        height=400,
    )
    chart.add_trace(
        go.Waterfall(
            x=["usual level", *drivers.index, "expected"],
            y=[row[BASELINE], *drivers, 0],
            measure=["absolute", *["relative"] * len(drivers), "total"],
            text=[f"{row[BASELINE]:,.0f}", *[f"{v:+,.1f}".replace("-", "−") for v in drivers],
                  f"{row.sum():,.0f}"],
            textposition="outside", cliponaxis=False,
            connector={"line": {"color": theme.HAIRLINE, "width": 1}},
            increasing={"marker": {"color": theme.COLOURS["good"]}},
            decreasing={"marker": {"color": theme.COLOURS["bad"]}},
            totals={"marker": {"color": theme.COLOURS["reference"]}},
        )
    )  # fmt: skip
    return chart
