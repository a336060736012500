"""Figures of the drift notebook."""

from typing import TYPE_CHECKING

import pandas as pd

from workbench.dashboards import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


def input_drift(table: pd.DataFrame, *, period_days: int) -> "Figure":
    """Change of each input against the largest usual change."""
    import plotly.graph_objects as go

    raised = [str(name).replace("_", " ") for name in table.loc[table["raised"], "feature"]]
    title = f"{', '.join(raised)}: changed more than usual" if raised else (
        "No input changed more than usual"
    )  # fmt: skip
    rows = table.iloc[::-1]
    names = [str(name).replace("_", " ") for name in rows["feature"]]
    chart = theme.figure(
        title=title[:1].upper() + title[1:],
        subtitle=f"population stability index between the last two periods of {period_days} days;"
        " line: largest usual change",
        x="population stability index",
        height=340,
    )
    chart.add_trace(
        go.Bar(
            x=rows["statistic"], y=names, orientation="h",
            marker={"color": [theme.COLOURS["attention" if r else "ours"] for r in rows["raised"]]},
            text=["alarm" if r else "" for r in rows["raised"]], textposition="inside",
            hovertemplate="%{y}: %{x:.4f}<extra></extra>",
        )
    )  # fmt: skip
    chart.add_trace(
        go.Scatter(
            x=rows["threshold"], y=names, mode="markers",
            marker={"symbol": "line-ns", "size": 22, "line": {"width": 2, "color": theme.INK}},
            hovertemplate="usual up to %{x:.4f}<extra></extra>",
        )
    )  # fmt: skip
    return chart


def error_ratios(table: pd.DataFrame, *, level: float, tolerance: float) -> "Figure":
    """Forecast error of the later cutoffs over that of the earlier ones, per site kind.

    Args:
        table: scope, ratio, low, high.
        level: Probability of the interval.
        tolerance: Ratio above 1 that is acceptable.
    """
    import plotly.graph_objects as go

    every = table[table["scope"] == "all series"].iloc[0]
    change = every["ratio"] - 1
    word = "larger" if change >= 0 else "smaller"
    chart = theme.figure(
        title=f"Forecast errors are {theme.share(abs(change))} {word} than before",
        subtitle=f"relative error of the later test cutoffs over the earlier, {level:.0%} interval;"
        f" up to {1 + tolerance:.2f} is acceptable",
        x="ratio of relative errors",
        height=300,
    )
    chart.add_trace(
        go.Scatter(
            x=table["ratio"], y=table["scope"], mode="markers",
            error_x={
                "type": "data", "symmetric": False, "array": table["high"] - table["ratio"],
                "arrayminus": table["ratio"] - table["low"], "thickness": 2,
            },
            marker={"color": theme.COLOURS["ours"], "size": 11},
            hovertemplate="%{y}: %{x:.3f}<extra></extra>",
        )
    )  # fmt: skip
    chart.add_vline(x=1, line={"color": theme.MUTED, "width": 1})
    chart.add_vline(x=1 + tolerance, line={"color": theme.COLOURS["attention"], "width": 2})
    return chart
