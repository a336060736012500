"""Figures of the forecast notebook."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.contracts.printable import compared
from workbench.dashboards import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_NAMES = {
    "lightgbm_counts": "LightGBM counts",
    "lightgbm_quantiles": "LightGBM quantiles",
    "seasonal_naive": "seasonal naive",
    "croston": "Croston",
    "sba": "SBA",
    "tsb": "TSB",
    "adida": "ADIDA",
    "imapa": "IMAPA",
    "ets": "exponential smoothing",
    "arima": "ARIMA",
    "lightgbm_days": "LightGBM days",
    "hybrid_imapa": "IMAPA + LightGBM",
    "hybrid_ets": "smoothing + LightGBM",
    "stacked": "stacking",
    "deep": "sequence model",
}
_GOOD_POINTS = 3  # a randomised PIT this close to its level counts as calibrated


def _name(model: str) -> str:
    """Of a family in words; one that does not ship keeps its own."""
    return _NAMES.get(model, model.replace("_", " "))


def skill_by_model(scores: pd.DataFrame) -> "Figure":
    """How much less each family loses than seasonal naive, by pinball loss and by VW-MAPE."""
    import plotly.graph_objects as go

    table = scores[scores["model"] != "seasonal_naive"].sort_values("vw_pinball", ascending=False)
    best = table.iloc[-1]
    name = _name(best["model"])
    chart = theme.figure(
        title=f"{name[:1].upper()}{name[1:]}: {compared(-best['vw_pinball_skill'], decimals=1)}"
        " loss than seasonal naive on the test weeks",
        subtitle="value-weighted pinball loss (bars), value-weighted MAPE (circles)",
        x="% less than naive",
        height=190 + 34 * len(table),
    )
    names = [_name(model) for model in table["model"]]
    ours = table["model"] == best["model"]
    chart.add_trace(
        go.Bar(
            y=names, x=table["vw_pinball_skill"] * 100, orientation="h",
            marker={"color": [theme.COLOURS["ours" if o else "reference"] for o in ours]},
            text=[f"{v:.1%}" for v in table["vw_pinball_skill"]], textposition="inside",
            insidetextanchor="start", textangle=0,
            insidetextfont={"color": [theme.PAGE if o else theme.INK for o in ours]},
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


def skill_by_segment(segments: pd.DataFrame) -> "Figure":
    """What the chosen family gains over seasonal naive, how biased and calibrated it is."""
    import plotly.graph_objects as go

    table = segments.iloc[::-1]
    off = table["pit_gap"] * 100 > _GOOD_POINTS
    chart = theme.figure(
        title=_segment_finding(segments),
        subtitle="less value-weighted pinball loss than seasonal naive; orange: some quantile is"
        f" off by more than {_GOOD_POINTS} points",
        x="% less than naive",
        height=420,
    )
    chart.add_trace(
        go.Bar(
            y=[
                f"{name}<br><span style='font-size:11px'>{share:.0%} of value, bias"
                f" {round(bias * 100):+d}%</span>".replace("-", "−").replace("+0%", "0%")
                for name, share, bias in table[["segment", "value_share", "bias"]].to_numpy()
            ],
            x=table["vw_pinball_skill"] * 100, orientation="h",
            marker={"color": [theme.COLOURS["attention" if o else "ours"] for o in off]},
            text=[f"{v:.0%}" for v in table["vw_pinball_skill"]], textposition="inside",
            insidetextanchor="start", textangle=0,
            insidetextfont={"color": [theme.INK if o else theme.PAGE for o in off]},
            customdata=table["pit_gap"] * 100,
            hovertemplate="%{x:.1f}% less pinball loss; quantiles off by up to"
            " %{customdata:.1f} points<extra></extra>",
        )
    )  # fmt: skip
    return chart


def added_value(table: pd.DataFrame) -> "Figure":
    """Loss saved against seasonal naive and the legacy forecast, by segment, with intervals."""
    import plotly.graph_objects as go

    segments = list(dict.fromkeys(table["segment"]))
    every = table[table["segment"] == "all"].set_index("against")["saved"]
    chart = theme.figure(
        title=f"{compared(-every['legacy'], decimals=1)} loss than the legacy forecast,"
        f" {compared(-every['seasonal naive'], decimals=1)} than seasonal naive",
        subtitle="value-weighted pinball loss saved, 90% intervals by item",
        x="% less than the opponent",
        height=120 + 52 * len(segments),
    )
    for against, colour, symbol, shift in (
        ("legacy", "ours", "circle", 0.14), ("seasonal naive", "reference", "diamond", -0.14),
    ):  # fmt: skip
        rows = table[table["against"] == against].set_index("segment").loc[segments]
        middle = rows["saved"] * 100
        chart.add_trace(
            go.Scatter(
                x=middle, y=[len(segments) - 1 - n + shift for n in range(len(segments))],
                mode="markers", name=f"against {against}",
                error_x={"type": "data", "symmetric": False, "array": rows["high"] * 100 - middle,
                         "arrayminus": middle - rows["low"] * 100, "thickness": 2, "width": 0},
                marker={"color": theme.COLOURS[colour], "size": 10, "symbol": symbol},
                customdata=rows[["items", "low", "high"]].assign(segment=segments),
                hovertemplate="%{customdata[3]}, %{customdata[0]:,} items: %{x:.1f}%"
                " (%{customdata[1]:.1%} to %{customdata[2]:.1%})<extra></extra>",
            )
        )  # fmt: skip
    chart.add_vline(x=0, line={"color": theme.COLOURS["reference"], "width": 1})
    names = ["all series" if name == "all" else name for name in segments]
    chart.update_yaxes(tickvals=list(range(len(segments)))[::-1], ticktext=names, zeroline=False)
    chart.update_layout(showlegend=True)
    return chart


def _segment_finding(segments: pd.DataFrame) -> str:
    """Who gains least, and where bias misses most money."""
    rows = segments.to_dict("records")
    least = min(rows, key=lambda row: float(row["vw_pinball_skill"]))
    biased = max(rows, key=lambda row: abs(float(row["bias"])) * float(row["value_share"]))
    verb = "Every segment gains" if least["vw_pinball_skill"] > 0 else "Not every segment gains"
    return (
        f"{verb}; {_items(biased['segment'])} are forecast {theme.share(abs(biased['bias']))}"
        f" too {'low' if biased['bias'] < 0 else 'high'}"
    )


def _items(segment: str) -> str:
    """A segment in words: "all stores, smooth" are smooth items over all stores."""
    site, pattern = segment.split(", ")
    return f"{pattern} items {'over' if site == 'all stores' else 'in'} {site}"


def calibration(table: pd.DataFrame) -> "Figure":
    """Share of outcomes at or below each level: randomised PIT and raw coverage."""
    import plotly.graph_objects as go

    gap = float((table["pit"] - table["level"]).abs().max())
    chart = theme.figure(
        title=f"All series together: calibrated within {gap * 100:.1f} points at every level",
        subtitle="share of outcomes below the quantile; whole numbers cover more by nature",
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
                marker={"color": theme.COLOURS[colour], "size": 9, "symbol": symbol,
                        "line": {"width": 2 if "open" in symbol else 0}},
                hovertemplate=f"{label} at %{{x}}%: %{{y:.1f}}%<extra></extra>",
            )
        )  # fmt: skip
    chart.update_layout(showlegend=True)
    chart.data[0].showlegend = False
    return chart


def calibration_by_segment(table: pd.DataFrame) -> "Figure":
    """How far each segment's randomised PIT lies from its level, in points.

    Args:
        table: segment, level, pit.
    """
    import plotly.graph_objects as go

    off = table.assign(points=(table["pit"] - table["level"]) * 100)
    worst = off.groupby("segment")["points"].agg(lambda points: points.abs().max())
    good = int((worst <= _GOOD_POINTS).sum())
    order = worst.sort_values(ascending=False).index
    chart = theme.figure(
        title=f"{good} of {len(worst)} segments are calibrated within {_GOOD_POINTS} points;"
        f" {_items(str(order[0]))} are {worst.max():.1f} off",
        subtitle="outcomes below a quantile less its level; left of zero: demand came out higher",
        x="points, one mark per level",
        height=380,
    )
    chart.add_vrect(-_GOOD_POINTS, _GOOD_POINTS, fillcolor=theme.band("reference", 0.18),
                    line_width=0, layer="below")  # fmt: skip
    for name in order:
        rows = off[off["segment"] == name]
        outside = rows["points"].abs() > _GOOD_POINTS
        chart.add_trace(
            go.Scatter(
                x=rows["points"], y=rows["segment"], mode="markers", customdata=rows["level"] * 100,
                marker={"size": 10, "opacity": 0.75, "color": [
                    theme.COLOURS["attention" if o else "ours"] for o in outside
                ], "symbol": ["diamond" if o else "circle" for o in outside]},
                hovertemplate="%{y} at %{customdata}%: %{x:+.1f} points<extra></extra>",
            )
        )  # fmt: skip
        far = rows.loc[rows["points"].abs().idxmax()]
        if abs(far["points"]) > _GOOD_POINTS:
            chart.add_annotation(
                text=f"{far['level']:.0%} level", x=far["points"], y=name, yshift=14,
                showarrow=False, font={"size": 12, "color": theme.MUTED},
            )  # fmt: skip
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

    cutoff = history["date"].max()
    sold = float(history["quantity"].tail(len(forecast)).mean())
    chart = theme.figure(
        title=f"{name}: median of {forecast[0.5].mean():,.0f} {unit} a day in the next"
        f" {len(forecast)} days, after {sold:,.0f} sold a day",
        subtitle=f"daily demand, {unit}; median with 50% and 80% bands",
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

    finding = _promotion_finding(effect.set_index("promotion")["observed"])
    if len(effect) < 2:
        return theme.nothing_to_plot(finding, "14 days after each test cutoff, all stores")
    chart = theme.figure(
        title=finding,
        subtitle="demand of 14 days over the recent level, all stores; bars: sold, dots: forecast",
        y="demand / recent level",
        height=380,
    )
    names = [
        f"{kind.replace(' and ', '<br>and ')}<br><span style='font-size:11px'>n = {n:,}</span>"
        for kind, n in effect[["promotion", "forecasts"]].to_numpy()
    ]
    chart.add_trace(
        go.Bar(
            x=names, y=effect["observed"], width=0.5, marker={"color": theme.COLOURS["reference"]},
            hovertemplate="sold %{y:.2f} of the recent level<extra></extra>",
        )
    )  # fmt: skip
    chart.add_trace(
        go.Scatter(
            x=names, y=effect["forecast"], mode="markers",
            marker={"color": theme.COLOURS["ours"], "size": 11},
            hovertemplate="forecast %{y:.2f} of the recent level<extra></extra>",
        )
    )  # fmt: skip
    chart.update_xaxes(tickangle=0)
    return chart


def _promotion_finding(lift: "pd.Series[float]") -> str:
    """What promotions did, or why that cannot be told; `lift` by kind of promotion."""
    kinds = lift.drop("none", errors="ignore").dropna()
    if kinds.empty:
        return "No promotion ran in the test weeks: what one adds cannot be told from them"
    if not lift.get("none", 0.0) > 0:
        return "Every item was promoted in the test weeks: what that adds cannot be told from them"
    most = str(kinds.idxmax())
    times = kinds[most] / lift["none"]
    return f"With {most}, items sell {times:.1f} times as much as without promotion"


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
    """One item: exponential smoothing beside our forecast."""
    import plotly.graph_objects as go

    gap = float(ours["value"].sum() / max(smoothing["mean"].sum(), 1e-9) - 1)
    word = "above" if gap >= 0 else "below"
    chart = theme.figure(
        title=f"{name}: our median lies {theme.share(abs(gap))} {word} smoothing",
        subtitle=f"daily demand, {unit}; smoothing's mean with its 80% band, our median",
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
    ends = [
        ("smoothing", last, float(smoothing["mean"].iloc[-1]), theme.MUTED),
        ("ours", last, float(np.asarray(ours["value"])[-1]), theme.COLOURS["ours"]),
    ]
    theme.labels_at_ends(chart, ends)
    chart.update_layout(margin={"r": 80})
    chart.update_yaxes(rangemode="tozero")
    return chart
