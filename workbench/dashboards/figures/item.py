"""Figures of the notebook that inspects one item."""

from typing import TYPE_CHECKING

import pandas as pd

from workbench.dashboards import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_ACCIDENTS = 3  # of 28 correlations of noise so many lie outside their limits, at 95%
_PARTS = (("units", "sold"), ("trend", "trend"), ("weekday", "weekday"), ("remainder", "rest"))
_LINES = (("our forecast", "ours", "solid"), ("exponential smoothing", "attention", "solid"),
          ("TSB", "good", "dash"), ("IMAPA", "extra", "dash"),
          ("seasonal naive", "reference", "dot"))  # fmt: skip


def decomposition(parts: pd.DataFrame, *, name: str, unit: str) -> "Figure":
    """Demand and the parts that add up to it, one below the other.

    Args:
        parts: date, units, trend, weekday, remainder.
        name: Of the item.
        unit: Of measure.
    """
    import plotly.graph_objects as go

    change = parts["trend"].iloc[-1] - parts["trend"].iloc[0]
    word = "rose" if change > 0 else "fell"
    chart = theme.figure(
        title=f"{name}: the level {word} from {parts['trend'].iloc[0]:,.1f} to"
        f" {parts['trend'].iloc[-1]:,.1f} {unit} a day",
        subtitle=f"daily demand, {unit}, and its parts by STL: they add up to it",
        height=620,
    )
    count, gap = len(_PARTS), 0.05
    tall = (1 - gap * (count - 1)) / count
    for place, (column, label) in enumerate(_PARTS):
        axis = "" if place == 0 else str(place + 1)
        bottom = 1 - (place + 1) * tall - place * gap
        chart.add_trace(
            go.Scatter(
                x=parts["date"], y=parts[column], mode="lines", yaxis=f"y{axis}",
                line={"color": theme.INK if place == 0 else theme.COLOURS["ours"], "width": 1.2},
                hovertemplate=f"%{{x|%Y-%m-%d}}: %{{y:,.1f}} {label}<extra></extra>",
            )
        )  # fmt: skip
        base = chart.layout.yaxis.to_plotly_json() if place else {}
        chart.update_layout(
            {f"yaxis{axis}": {**base, "domain": [bottom, bottom + tall],
                              "title": {"text": label, "font": {"size": 12}}}}
        )  # fmt: skip
    chart.update_xaxes(anchor=f"y{count}")
    return chart


def remainder_correlation(table: pd.DataFrame) -> "Figure":
    """How a day's remainder goes with earlier ones, with the limits of noise.

    Args:
        table: lag, correlation, limit.
    """
    import plotly.graph_objects as go

    beyond = table[table["correlation"].abs() > table["limit"]].reset_index(drop=True)
    finding = (
        "Nothing is left in the remainder that earlier days would tell"
        if len(beyond) <= _ACCIDENTS
        else f"The remainder goes with that of {len(beyond)} of {len(table)} earlier days, most"
        f" {beyond['lag'].iloc[int(beyond['correlation'].abs().argmax())]} days back"
    )
    chart = theme.figure(
        title=finding,
        subtitle="correlation of a day's remainder with that of earlier days; band: noise",
        x="days back",
        y="correlation",
        height=320,
    )
    limit = float(table["limit"].iloc[0])
    chart.add_hrect(
        y0=-limit, y1=limit, fillcolor=theme.band("reference", 0.2), line_width=0, layer="below"
    )
    off = table["correlation"].abs() > table["limit"]
    chart.add_trace(
        go.Bar(
            x=table["lag"], y=table["correlation"],
            marker={"color": [theme.COLOURS["attention" if o else "ours"] for o in off]},
            hovertemplate="%{x} days back: %{y:.2f}<extra></extra>",
        )
    )  # fmt: skip
    return chart


def opinions_over_time(past: pd.DataFrame, *, days: int, unit: str) -> "Figure":
    """What each model expected of windows that have passed, and what sold.

    Args:
        past: cutoff, sold, low, high and a column per model.
        days: In the window.
        unit: Of measure.
    """
    import plotly.graph_objects as go

    inside = ((past["sold"] >= past["low"]) & (past["sold"] <= past["high"])).sum()
    chart = theme.figure(
        title=f"What sold lay in our 80% band in {inside} of {len(past)} windows",
        subtitle=f"demand of {days} days, {unit}, by day of the forecast; dots: sold; band: 80% of"
        " our forecast",
        y=f"{unit} in {days} days",
        height=440,
    )
    x = past["cutoff"]
    chart.add_trace(
        go.Scatter(
            x=[*x, *x[::-1]], y=[*past["high"], *past["low"][::-1]], fill="toself", mode="lines",
            fillcolor=theme.band("ours", 0.16), line={"width": 0}, hoverinfo="skip",
            showlegend=False,
        )
    )  # fmt: skip
    for name, colour, dash in _LINES:
        chart.add_trace(
            go.Scatter(
                x=x, y=past[name], mode="lines", name=name,
                line={"color": theme.COLOURS[colour], "dash": dash, "width": 2},
                hovertemplate=f"%{{x|%Y-%m-%d}}: %{{y:,.0f}} {name}<extra></extra>",
            )
        )  # fmt: skip
    chart.add_trace(
        go.Scatter(
            x=x, y=past["sold"], mode="markers", name="sold",
            marker={"color": theme.INK, "size": 9},
            hovertemplate="%{x|%Y-%m-%d}: %{y:,.0f} sold<extra></extra>",
        )
    )  # fmt: skip
    chart.update_layout(showlegend=True)
    chart.update_yaxes(rangemode="tozero")
    return chart


def opinions_ahead(ahead: pd.DataFrame, *, days: int, unit: str) -> "Figure":
    """What each model expects of the window ahead.

    Args:
        ahead: model, expected, against_mean.
        days: In the window.
        unit: Of measure.
    """
    import plotly.graph_objects as go

    table = ahead.sort_values("expected")
    low, high = table.iloc[0], table.iloc[-1]
    chart = theme.figure(
        title=f"From {low['expected']:,.0f} ({low['model']}) to {high['expected']:,.0f}"
        f" ({high['model']}) {unit} in the next {days} days",
        subtitle=f"expected demand of the next {days} days, {unit}",
        x=unit,
        height=320,
    )
    ours = table["model"] == _LINES[0][0]
    chart.add_trace(
        go.Bar(
            y=table["model"], x=table["expected"], orientation="h",
            marker={"color": [theme.COLOURS["ours" if o else "reference"] for o in ours]},
            text=[f"{v:,.0f}" for v in table["expected"]], textposition="inside",
            insidetextanchor="start", textangle=0,
            insidetextfont={"color": [theme.PAGE if o else theme.INK for o in ours]},
            hovertemplate="%{y}: %{x:,.1f}<extra></extra>",
        )
    )  # fmt: skip
    return chart
