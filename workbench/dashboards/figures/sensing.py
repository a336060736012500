"""Figures of the sensing notebook."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from workbench.contracts.printable import compared
from workbench.dashboards import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def gain_through_the_day(scores: pd.DataFrame) -> "Figure":
    """Loss left of today's and of the window's forecast as the day goes on.

    Args:
        scores: target, share, forecast, sold_so_far, sensed.
    """
    import plotly.graph_objects as go

    if scores.empty:
        return theme.nothing_to_plot("No order carries a time of day: nothing to sense")
    last = scores.groupby("target").tail(1).set_index("target")["gain"]
    words = "smaller larger"
    chart = theme.figure(
        title=f"Late in the day, today's error is {compared(-last['today'], words, decimals=1)}"
        f" and the window's {compared(-last['window'], words, decimals=1)}",
        subtitle="pinball loss that is left, % of the forecast as it was; dotted: what sold plus"
        " the plan of the rest",
        x="of a usual day's sales that are in, %",
        y="loss left, %",
    )
    ends = []
    for target, colour in (("today", "ours"), ("window", "attention")):
        rows = scores[scores["target"] == target]
        x = [0, *rows["share"] * 100]
        for column, dash in (("sold_so_far", "dot"), ("sensed", "solid")):
            y = [100, *rows[column] / rows["forecast"] * 100]
            chart.add_trace(
                go.Scatter(
                    x=x, y=y, mode="lines+markers" if dash == "solid" else "lines",
                    line={"color": theme.COLOURS[colour], "dash": dash,
                          "width": 2.5 if dash == "solid" else 1.5},
                    hovertemplate=f"{target}, %{{x:.0f}}% in: %{{y:.1f}}% left<extra></extra>",
                )
            )  # fmt: skip
        ends.append((target, x[-1], y[-1], theme.COLOURS[colour]))
    theme.labels_at_ends(chart, ends)
    chart.update_yaxes(rangemode="tozero")
    return chart


def course_of_the_day(course: pd.DataFrame, total: float, *, name: str, days: int) -> "Figure":
    """One item's window through the day: bands at each clock, and what it came to.

    Args:
        course: share, sold and columns 0.1, 0.25, 0.5, 0.75, 0.9 (or the levels nearest).
        total: Units sold in the window in the end.
        name: Of the item.
        days: In the window.
    """
    import plotly.graph_objects as go

    if course.empty:
        return theme.nothing_to_plot("No order carries a time of day: no day to follow")
    levels = [column for column in course if isinstance(column, float)]
    low, lower, middle, upper, high = (
        levels[int(np.abs(np.array(levels) - wanted).argmin())]
        for wanted in (0.1, 0.25, 0.5, 0.75, 0.9)
    )
    first, last = course[middle].iloc[0], course[middle].iloc[-1]
    chart = theme.figure(
        title=f"{name}: {first:,.0f} units expected, {last:,.0f} after the first sales,"
        f" {total:,.0f} in the end",
        subtitle=f"demand of {days} days from today, units; median with 50% and 80% bands;"
        " hairline: what was sold in the end",
        x="of a usual day's sales that are in, %",
        y=f"units in {days} days",
    )
    x = course["share"] * 100
    for a, b, opacity in ((low, high, 0.16), (lower, upper, 0.28)):
        chart.add_trace(
            go.Scatter(
                x=[*x, *x[::-1]], y=[*course[b], *course[a][::-1]], fill="toself", mode="lines",
                fillcolor=theme.band("ours", opacity), line={"width": 0}, hoverinfo="skip",
            )
        )  # fmt: skip
    for column, colour, label in ((middle, theme.COLOURS["ours"], "expected"),
                                  ("sold", theme.INK, "sold so far")):  # fmt: skip
        chart.add_trace(
            go.Scatter(
                x=x, y=course[column], mode="lines+markers", line={"color": colour, "width": 2},
                hovertemplate=f"%{{x:.0f}}% in: %{{y:,.0f}} {label}<extra></extra>",
            )
        )  # fmt: skip
    chart.add_hline(y=total, line={"color": theme.MUTED, "width": 1})
    theme.direct_label(chart, f"{total:,.0f} in the end", x=0, y=total, colour=theme.MUTED,
                       above=True)  # fmt: skip
    end = float(x.iloc[-1])
    ends = [("median", end, float(last), theme.COLOURS["ours"]),
            ("sold so far", end, float(course["sold"].iloc[-1]), theme.INK)]  # fmt: skip
    theme.labels_at_ends(chart, ends)
    chart.update_yaxes(range=[0, 1.15 * max(total, float(course[high].max()), 1.0)])
    return chart
