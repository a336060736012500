"""Figures of the forecast notebook."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.dashboards import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_NAMES = {
    "lightgbm_counts": "LightGBM, count quantiles",
    "seasonal_naive": "seasonal naive",
    "croston": "Croston",
    "sba": "Syntetos–Boylan",
    "tsb": "Teunter–Syntetos–Babai",
}


def skill_by_model(scores: pd.DataFrame) -> "Figure":
    """How much less each family loses than seasonal naive, by pinball loss and by VW-MAPE."""
    import plotly.graph_objects as go

    table = scores[scores["model"] != "seasonal_naive"].sort_values("vw_pinball", ascending=False)
    best = table.iloc[-1]
    chart = theme.figure(
        title=f"{_NAMES[best['model']]} loses {theme.share(best['vw_pinball_skill'])} less than"
        " seasonal naive",
        subtitle="less value-weighted pinball loss (bars) and less value-weighted MAPE (dots)",
        x="less than seasonal naive, %",
        height=340,
    )
    names = [_NAMES[name] for name in table["model"]]
    ours = table["model"] == best["model"]
    chart.add_trace(
        go.Bar(
            y=names, x=table["vw_pinball_skill"] * 100, orientation="h",
            marker={"color": [theme.COLOURS["ours" if o else "reference"] for o in ours]},
            text=[f"{v:.1%}" for v in table["vw_pinball_skill"]], textposition="inside",
            insidetextanchor="start",
            hovertemplate="%{y}: %{x:.1f}% less pinball loss<extra></extra>",
        )
    )  # fmt: skip
    chart.add_trace(
        go.Scatter(
            y=names, x=table["vw_mape_skill"] * 100, mode="markers",
            marker={"color": theme.INK, "size": 9, "symbol": "circle-open", "line": {"width": 2}},
            hovertemplate="%{y}: %{x:.1f}% less VW-MAPE<extra></extra>",
        )
    )  # fmt: skip
    return chart


def calibration(table: pd.DataFrame) -> "Figure":
    """Share of outcomes at or below each level: randomised PIT and raw coverage."""
    import plotly.graph_objects as go

    gap = float((table["pit"] - table["level"]).abs().max())
    chart = theme.figure(
        title=f"Calibrated within {gap * 100:.1f} points at every level",
        subtitle="share of outcomes below the quantile; whole-number quantiles of slow movers cover"
        " more by nature",
        x="level, %",
        y="outcomes, %",
    )
    line = {"color": theme.COLOURS["reference"], "width": 1}
    chart.add_trace(go.Scatter(x=[0, 100], y=[0, 100], mode="lines", line=line, hoverinfo="skip"))
    for column, label, colour, symbol in (
        ("raw_coverage", "raw coverage", "attention", "diamond-open"),
        ("pit", "randomised PIT", "ours", "circle"),
    ):
        chart.add_trace(
            go.Scatter(
                x=table["level"] * 100, y=table[column] * 100, mode="markers", name=label,
                marker={"color": theme.COLOURS[colour], "size": 9, "symbol": symbol},
                hovertemplate=f"{label} at %{{x}}%: %{{y:.1f}}%<extra></extra>",
            )
        )  # fmt: skip
    chart.update_layout(showlegend=True)
    chart.data[0].showlegend = False
    return chart


def fan(history: pd.DataFrame, forecast: pd.DataFrame, *, name: str, unit: str) -> "Figure":
    """History in ink, forecast in blue with its 50% and 80% bands.

    Args:
        history: date, quantity.
        forecast: date and columns named by level: 0.1, 0.25, 0.5, 0.75, 0.9.
        name: Of the item.
        unit: Of measure.
    """
    import plotly.graph_objects as go

    low, high = float(forecast[0.1].sum()), float(forecast[0.9].sum())
    cutoff = history["date"].max()
    chart = theme.figure(
        title=f"{name}: {forecast[0.5].sum():,.0f} {unit} expected in {len(forecast)} days",
        subtitle=f"daily demand, {unit}; median with 50% and 80% bands (sum of daily 10% to 90%"
        f" quantiles: {low:,.0f} to {high:,.0f})",
        y=f"{unit} a day",
    )
    dates = [*forecast["date"], *forecast["date"][::-1]]
    for a, b, opacity in ((0.1, 0.9, 0.16), (0.25, 0.75, 0.28)):
        chart.add_trace(
            go.Scatter(
                x=dates, y=[*forecast[b], *forecast[a][::-1]], fill="toself", mode="lines",
                fillcolor=theme.band("ours", opacity), line={"width": 0}, hoverinfo="skip",
            )
        )  # fmt: skip
    for frame, column, colour, width in (
        (history, "quantity", theme.INK, 1), (forecast, 0.5, theme.COLOURS["ours"], 2.5),
    ):  # fmt: skip
        chart.add_trace(
            go.Scatter(
                x=frame["date"], y=frame[column], mode="lines",
                line={"color": colour, "width": width},
                hovertemplate="%{x|%Y-%m-%d}: %{y:,.0f}<extra></extra>",
            )
        )  # fmt: skip
    chart.add_vline(x=cutoff, line={"color": theme.MUTED, "width": 1})
    chart.add_annotation(
        text=f"{cutoff:%Y-%m-%d}", x=cutoff, y=1, yref="paper", xanchor="right", showarrow=False,
        font={"size": 12, "color": theme.MUTED},
    )  # fmt: skip
    chart.update_yaxes(rangemode="tozero")
    return chart


def promotion_effect(effect: pd.DataFrame) -> "Figure":
    """Mean demand over the recent level, with and without promotion: observed and forecast."""
    import plotly.graph_objects as go

    lift = effect.set_index("promotion")["observed"]
    most = lift.drop("none").idxmax()
    chart = theme.figure(
        title=f"Promotion lifts demand: {most} sells {lift[most] / lift['none']:.1f} times as much",
        subtitle="demand of the next 14 days over the recent level, distribution centre, test"
        " cutoffs; dots: forecast",
        y="demand / recent level",
        height=360,
    )
    chart.add_trace(
        go.Bar(
            x=effect["promotion"], y=effect["observed"], width=0.5,
            marker={"color": theme.COLOURS["reference"]},
            hovertemplate="%{x}: observed %{y:.2f}<extra></extra>",
            text=[f"{n:,} forecasts" for n in effect["forecasts"]], textposition="inside",
            insidetextanchor="start",
        )
    )  # fmt: skip
    chart.add_trace(
        go.Scatter(
            x=effect["promotion"], y=effect["forecast"], mode="markers",
            marker={"color": theme.COLOURS["ours"], "size": 11},
            hovertemplate="%{x}: forecast %{y:.2f}<extra></extra>",
        )
    )  # fmt: skip
    return chart


def errors_over_time(errors: pd.DataFrame) -> "Figure":
    """Relative error per test cutoff, ours and naive, in money."""
    import plotly.graph_objects as go

    value = errors["price"]
    table = errors.assign(
        ours=errors["absolute_error"] * value,
        rival=(errors["actual"] - errors["naive"]).abs() * value,
        money=errors["actual"] * value,
    ).groupby("cutoff")[["ours", "rival", "money"]].sum()  # fmt: skip
    ours, naive = table["ours"] / table["money"], table["rival"] / table["money"]
    wins = int((ours < naive).sum())
    count = "every one" if wins == len(table) else f"{wins}"
    chart = theme.figure(
        title=f"Better than seasonal naive at {count} of {len(table)} cutoffs",
        subtitle="value-weighted MAPE of the 14 days after each cutoff, %",
        x="cutoff",
        y="VW-MAPE, %",
        height=340,
    )
    for values, label, colour in ((naive, "naive", theme.COLOURS["reference"]),
                                  (ours, "ours", theme.COLOURS["ours"])):  # fmt: skip
        chart.add_trace(
            go.Scatter(
                x=values.index, y=values * 100, mode="lines+markers",
                line={"color": colour, "width": 2.5},
                hovertemplate=f"{label} %{{x|%Y-%m-%d}}: %{{y:.1f}}%<extra></extra>",
            )
        )  # fmt: skip
        theme.direct_label(chart, label, x=values.index[-1], y=values.iloc[-1] * 100, colour=colour)
    chart.update_yaxes(rangemode="tozero")
    chart.update_layout(margin={"r": 64})
    return chart


def inspected(history: pd.DataFrame, smoothing: pd.DataFrame, ours: pd.DataFrame, *, name: str,
              unit: str) -> "Figure":  # fmt: skip
    """One item: exponential smoothing beside the global model."""
    import plotly.graph_objects as go

    gap = float(ours["value"].sum() / max(smoothing["mean"].sum(), 1e-9) - 1)
    word = "more" if gap >= 0 else "less"
    chart = theme.figure(
        title=f"{name}: the global model expects {theme.share(abs(gap))} {word} than smoothing",
        subtitle=f"daily demand, {unit}; exponential smoothing with its 80% band, global median",
        y=f"{unit} a day",
        height=360,
    )
    chart.add_trace(
        go.Scatter(
            x=[*smoothing["date"], *smoothing["date"][::-1]],
            y=[*smoothing["high"], *smoothing["low"][::-1]], fill="toself", mode="lines",
            fillcolor=theme.band("reference", 0.25), line={"width": 0}, hoverinfo="skip",
        )
    )  # fmt: skip
    for frame, column, colour in (
        (history, "quantity", theme.INK), (smoothing, "mean", theme.COLOURS["reference"]),
        (ours, "value", theme.COLOURS["ours"]),
    ):  # fmt: skip
        chart.add_trace(
            go.Scatter(
                x=frame["date"], y=frame[column], mode="lines", line={"color": colour, "width": 2},
                hovertemplate="%{x|%Y-%m-%d}: %{y:,.1f}<extra></extra>",
            )
        )  # fmt: skip
    last = smoothing["date"].iloc[-1]
    theme.direct_label(chart, "smoothing", x=last, y=smoothing["mean"].iloc[-1],
                       colour=theme.MUTED)  # fmt: skip
    theme.direct_label(chart, "global", x=last, y=float(np.asarray(ours["value"])[-1]),
                       colour=theme.COLOURS["ours"])  # fmt: skip
    chart.update_layout(margin={"r": 80})
    chart.update_yaxes(rangemode="tozero")
    return chart
