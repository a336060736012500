"""Figures of the segmentation: where revenue sits, how regular demand is, which rule follows."""

from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from workbench.contracts import columns as c
from workbench.dashboards import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_VALUE: Final = ("A", "B", "C")
_VARIABILITY: Final = ("X", "Y", "Z")
_VARIABILITY_WORDS: Final = ("X steady", "Y variable", "Z irregular")
_RULE_WORDS: Final = {
    "order_up_to_high": "high target",
    "order_up_to_standard": "standard target",
    "order_up_to_lean": "lean target",
}


def revenue_curve(segments: pd.DataFrame, *, dc: str, a_share: float, b_share: float) -> "Figure":
    """Share of revenue that the best-selling share of series makes up, centre and stores apart."""
    import plotly.graph_objects as go

    centre = segments[c.LOCATION_ID] == dc
    counted = segments[centre] if centre.any() else segments
    what = "items" if centre.any() else "item-stores"
    a_items = int((counted[c.ABC] == "A").sum())
    figure = theme.figure(
        title=f"{a_items:,} of {len(counted):,} {what} make up {a_share:.0%} of revenue",
        subtitle="cumulative share of revenue, best-selling series first, %",
        x="share of series, %",
        y="share of revenue, %",
    )
    lines = (
        ("stores", segments[~centre], theme.COLOURS["reference"]),
        ("distribution centre", segments[centre], theme.COLOURS["ours"]),
    )
    for name, rows, colour in lines:
        if not len(rows):
            continue
        revenue = rows[c.REVENUE].sort_values(ascending=False).to_numpy(dtype=float)
        share = np.concatenate([[0], np.cumsum(revenue) / max(revenue.sum(), 1e-9)]) * 100
        place = np.linspace(0, 100, len(share))
        thin = np.unique(np.linspace(0, len(share) - 1, 200).astype(int))
        figure.add_trace(
            go.Scatter(
                x=place[thin], y=share[thin], mode="lines", name=name,
                line={"color": colour, "width": 2.5},
                hovertemplate="%{x:.1f}% of series<br>%{y:.1f}% of revenue<extra>" + name
                + "</extra>",
            )
        )  # fmt: skip
    figure.update_layout(showlegend=True)
    for share_limit, label in ((a_share, "A ends"), (b_share, "B ends")):
        figure.add_hline(
            y=share_limit * 100, line={"color": theme.HAIRLINE, "width": 1},
            annotation={"text": f"{label} at {share_limit:.0%}", "font": {"size": 12}},
            annotation_position="bottom right",
        )  # fmt: skip
    figure.update_xaxes(range=[0, 100])
    figure.update_yaxes(range=[0, 102])
    return figure


def value_by_variability(segments: pd.DataFrame, *, where: str) -> "Figure":
    """Nine cells: share of revenue as shade, series and revenue as text."""
    import plotly.graph_objects as go

    by = segments.groupby([c.ABC, c.XYZ])[c.REVENUE].agg(["sum", "size"])
    revenue = by["sum"].unstack(fill_value=0).reindex(_VALUE, fill_value=0.0)
    revenue = revenue.reindex(columns=_VARIABILITY, fill_value=0.0)
    count = by["size"].unstack(fill_value=0).reindex(_VALUE, fill_value=0)
    count = count.reindex(columns=_VARIABILITY, fill_value=0)
    share = revenue / max(float(revenue.to_numpy().sum()), 1e-9)
    steady = float(share["X"].sum())
    text = [
        [f"<b>{share.loc[a, x]:.1%}</b><br>{count.loc[a, x]:,} series" for x in _VARIABILITY]
        for a in _VALUE
    ]
    figure = theme.figure(
        title=f"{theme.share(steady)} of revenue {where} sells steadily",
        subtitle="share of revenue and number of series by value and variability of weekly demand",
        x="variability of weekly demand",
        y="value class",
    )
    values = share.to_numpy(dtype=float)
    figure.add_trace(
        go.Heatmap(
            z=values, x=list(_VARIABILITY_WORDS), y=list(_VALUE), xgap=4, ygap=4, showscale=False,
            colorscale=[[0, "#f6f8fa"], [1, theme.COLOURS["ours"]]], zmin=0,
            hoverinfo="skip",
        )
    )  # fmt: skip
    dark = values > 0.55 * max(values.max(), 1e-9)
    for row, value in enumerate(_VALUE):
        for column, word in enumerate(_VARIABILITY_WORDS):
            figure.add_annotation(
                x=word, y=value, text=text[row][column], showarrow=False,
                font={"size": 14, "color": "#ffffff" if dark[row, column] else theme.INK},
            )  # fmt: skip
    figure.update_yaxes(autorange="reversed", showgrid=False)
    figure.update_xaxes(showgrid=False, side="bottom")
    return figure


def demand_patterns(
    segments: pd.DataFrame, *, dc: str, interval_threshold: float, size_threshold: float
) -> "Figure":
    """Each series by interval between demands and variability of sizes, with the four patterns."""
    import plotly.graph_objects as go

    shares = segments[c.PATTERN].value_counts(normalize=True)
    common = str(shares.index[0])
    figure = theme.figure(
        title=f"{theme.share(float(shares.iloc[0]))} of series sell in the {common} pattern",
        subtitle="one dot per series; weeks between weeks with demand against variability of sizes",
        x="average interval between weeks with demand (ADI), weeks, logarithmic",
        y="CV² of demand in weeks with demand",
    )
    known = segments.dropna(subset=[c.AVERAGE_INTERVAL, "size_cv2"])
    top = float(np.quantile(known["size_cv2"], 0.99)) if len(known) else 1.0
    top = max(top, 1.5 * size_threshold)  # the upper patterns keep their place where none has them
    centre = known[c.LOCATION_ID] == dc
    groups = (
        ("item-stores", known[~centre], theme.COLOURS["reference"]),
        ("items at the distribution centre", known[centre], theme.COLOURS["ours"]),
    )
    for name, rows, colour in groups:
        figure.add_trace(
            go.Scattergl(
                x=rows[c.AVERAGE_INTERVAL], y=rows["size_cv2"].clip(upper=top), mode="markers",
                name=name, marker={"color": colour, "size": 4, "opacity": 0.45},
                customdata=rows[[c.ITEM_ID, c.LOCATION_ID]],
                hovertemplate="item %{customdata[0]} at %{customdata[1]}<br>ADI %{x:.2f},"
                " CV² %{y:.2f}<extra></extra>",
            )
        )  # fmt: skip
    figure.add_vline(x=interval_threshold, line={"color": theme.INK, "width": 1, "dash": "dot"})
    figure.add_hline(y=size_threshold, line={"color": theme.INK, "width": 1, "dash": "dot"})
    widest = float(known[c.AVERAGE_INTERVAL].max()) if len(known) else 4.0
    corners = (
        ("smooth", 0.02, "left", 0), ("intermittent", 0.98, "right", 0),
        ("erratic", 0.02, "left", 1), ("lumpy", 0.98, "right", 1),
    )  # fmt: skip
    for name, x, anchor, upper in corners:
        figure.add_annotation(
            x=x, y=0.98 if upper else 0.03, xref="paper", yref="paper", xanchor=anchor,
            showarrow=False, text=f"<b>{name}</b> {theme.share(float(shares.get(name, 0.0)))}",
            bgcolor="rgba(255,255,255,0.8)", font={"color": theme.INK, "size": 14},
        )  # fmt: skip
    ticks = [tick for tick in (1, 1.32, 2, 4, 8, 16, 32) if tick <= widest * 1.1]
    figure.update_xaxes(
        type="log", tickvals=ticks, ticktext=[f"{tick:g}" for tick in ticks],
        range=[-0.02, float(np.log10(max(widest, 2) * 1.05))],
    )  # fmt: skip
    figure.update_yaxes(range=[0, top * 1.04])
    figure.update_layout(showlegend=True)
    return figure


def rules(segments: pd.DataFrame) -> "Figure":
    """Revenue under each replenishment rule, with the number of series and their segments."""
    import plotly.graph_objects as go

    by = segments.groupby(c.POLICY).agg(
        revenue=(c.REVENUE, "sum"), series=(c.ITEM_ID, "size"),
        names=(c.SEGMENT, lambda values: ", ".join(sorted(set(values)))),
    )  # fmt: skip
    by = by.reindex([name for name in _RULE_WORDS if name in by.index]).iloc[::-1]
    share = by["revenue"] / max(float(by["revenue"].sum()), 1e-9)
    top = share.idxmax()
    figure = theme.figure(
        title=f"{theme.share(float(share[top]))} of revenue gets the {_RULE_WORDS[str(top)]}",
        subtitle="share of revenue by replenishment rule, % (centre and stores together)",
        x="share of revenue, %",
    )
    figure.add_trace(
        go.Bar(
            x=share * 100, y=[_RULE_WORDS[str(name)] for name in by.index], orientation="h",
            marker={"color": theme.COLOURS["ours"]}, cliponaxis=False, hoverinfo="skip",
            text=[
                f"<b>{theme.share(float(part))}</b>  {count:,} series: {names}"
                for part, count, names in zip(share, by["series"], by["names"], strict=True)
            ],
            textposition=["inside" if part > 0.6 else "outside" for part in share],
        )
    )  # fmt: skip
    figure.update_xaxes(range=[0, 100])
    figure.update_layout(height=300, bargap=0.35)
    figure.update_yaxes(showgrid=False)
    return figure
