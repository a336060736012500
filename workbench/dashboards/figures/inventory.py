"""Figures of the replenishment policy: targets, tuning, one item's stock, frontier, proposals."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.printable import compared
from workbench.dashboards import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COMPONENTS: Final = (
    (c.STOCKOUT_COST, "lost margin", "bad"),
    (c.HOLDING_COST, "holding", "ours"),
    (c.ORDERING_COST, "ordering", "reference"),
)
TOP: Final = 20
_FAMILIES: Final = {
    "lightgbm_counts": ("LightGBM counts", "ours"),
    "seasonal_naive": ("seasonal naive", "attention"),
    "legacy": ("legacy", "reference"),
}


def _number(totals: pd.DataFrame, name: str, column: str) -> float:
    """One cell of a frame of totals."""
    return float(totals[column][name])


def service_targets(targets: pd.Series, rule: pd.Series) -> "Figure":
    """How many series have which service target."""
    import plotly.graph_objects as go

    capped = int((targets >= targets.groupby(rule.to_numpy()).transform("max") - 1e-9).sum())
    figure = theme.figure(
        title=f"Costs ask for {theme.share(float(targets.median()))} in half of all series",
        subtitle="series by service target: probability that a protection window ends in stock;"
        f" {capped:,} of {len(targets):,} at the highest target of their rule",
        x="service target, %",
        y="series",
    )
    edges = np.arange(np.floor(targets.min() * 200) / 2, 100.01, 0.5)
    counts, edges = np.histogram(targets * 100, bins=edges)
    figure.add_trace(
        go.Bar(
            x=(edges[:-1] + edges[1:]) / 2, y=counts, width=0.44,
            marker={"color": theme.COLOURS["ours"]},
            hovertemplate="%{x:.1f}%: %{y:,} series<extra></extra>",
        )
    )  # fmt: skip
    return figure


def legacy_tuning(tuning: pd.DataFrame, *, group: str, currency: str) -> "Figure":
    """Simulated cost of every legacy setting for one group, the chosen one marked."""
    import plotly.graph_objects as go

    rows = tuning[tuning["group"] == group]
    best = rows[rows["chosen"]].iloc[0]
    figure = theme.figure(
        title=f"{group}: z = {best['service_factor']:g} over {best['trailing_days']} days is"
        " the legacy's best",
        subtitle=f"simulated cost before the comparison, {currency}, by safety factor and history",
        x="safety factor z",
        y=f"cost, {currency}",
    )
    for length, line in rows.groupby("trailing_days"):
        chosen = length == best["trailing_days"]
        colour = theme.INK if chosen else theme.COLOURS["reference"]
        figure.add_trace(
            go.Scatter(
                x=line["service_factor"], y=line["cost"], mode="lines", showlegend=False,
                line={"color": colour, "width": 2.5 if chosen else 1.2},
                hovertemplate=f"{length} days, z %{{x}}: %{{y:,.0f}}<extra></extra>",
            )
        )  # fmt: skip
    ends = rows[rows["service_factor"] == rows["service_factor"].max()].sort_values("cost")
    _spread_labels(figure, ends, [f"{days} days" for days in ends["trailing_days"]])
    figure.add_trace(
        go.Scatter(
            x=[best["service_factor"]], y=[best["cost"]], mode="markers", showlegend=False,
            marker={"size": 11, "color": theme.COLOURS["attention"], "symbol": "diamond"},
            hoverinfo="skip",
        )
    )  # fmt: skip
    figure.update_yaxes(rangemode="tozero")
    figure.update_layout(margin={"r": 90})
    return figure


def _spread_labels(figure: "Figure", ends: pd.DataFrame, labels: list[str]) -> None:
    """Name lines at their right end, moved apart where they would overlap."""
    height = max(float(ends["cost"].max()), 1e-9)
    last = -np.inf
    for (_, row), label in zip(ends.iterrows(), labels, strict=True):
        place = max(float(row["cost"]), last + 0.06 * height)
        last = place
        figure.add_annotation(
            x=row["service_factor"], y=place, text=label, showarrow=False, xanchor="left",
            xshift=6, font={"size": 12, "color": theme.MUTED},
        )  # fmt: skip


def stock_paths(
    days: pd.DatetimeIndex, paths: dict[str, Any], demand: Any, *, item: str, unit: str
) -> "Figure":
    """Stock of one series under both policies over the same demand."""
    import plotly.graph_objects as go

    empty = {name: int((np.asarray(path) <= 0).sum()) for name, path in paths.items()}
    figure = theme.figure(
        title=f"{' '.join(item.split())}: out of stock on {empty['ours']} days,"
        f" legacy {empty['legacy']}",
        subtitle=f"stock at the end of each day and demand, {unit}, simulated",
        y=unit,
    )
    figure.add_trace(
        go.Bar(
            x=days, y=demand, marker={"color": theme.HAIRLINE}, name="demand",
            hovertemplate="%{x|%Y-%m-%d}: demand %{y:,.0f}<extra></extra>",
        )
    )  # fmt: skip
    for name, colour in (("legacy", theme.COLOURS["reference"]), ("ours", theme.COLOURS["ours"])):
        figure.add_trace(
            go.Scatter(
                x=days, y=paths[name], mode="lines", name=name,
                line={"color": colour, "width": 2, "shape": "hv"},
                hovertemplate=f"%{{x|%Y-%m-%d}}: {name} %{{y:,.0f}}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_yaxes(rangemode="tozero")
    figure.update_xaxes(tickformat="%Y-%m-%d")
    figure.update_layout(showlegend=True)
    return figure


def cost_by_policy(totals: pd.DataFrame, *, currency: str) -> "Figure":
    """Cost of both policies, split into what it is paid for."""
    import plotly.graph_objects as go

    ours, legacy = (_number(totals, name, c.TOTAL_COST) for name in ("ours", "legacy"))
    change = ours / legacy - 1
    figure = theme.figure(
        title=f"Ours costs {compared(change, decimals=1)} than the tuned legacy (simulated)",
        subtitle=f"holding, ordering and lost margin in the test period, {currency}",
        x=currency,
    )
    names = ["legacy", "ours"][::-1]
    for column, label, colour in _COMPONENTS:
        values = [_number(totals, name, column) for name in names]
        figure.add_trace(
            go.Bar(
                x=values, y=names, orientation="h", name=label,
                marker={"color": theme.COLOURS[colour]},
                text=[f"{label}<br>{theme.money(value, currency)}" for value in values],
                textposition="inside", insidetextanchor="middle", constraintext="none",
                insidetextfont={"size": 12, "color": "#ffffff"}, textangle=0,
                hovertemplate=f"{label}: %{{x:,.0f}}<extra></extra>", showlegend=False,
            )
        )  # fmt: skip
    for name, value in (("ours", ours), ("legacy", legacy)):
        figure.add_annotation(
            x=value, y=name, text=f"<b>{theme.money(value, currency)}</b>", showarrow=False,
            xanchor="left", xshift=8,
        )  # fmt: skip
    figure.update_layout(barmode="stack", height=300, bargap=0.3)
    figure.update_yaxes(showgrid=False)
    figure.update_xaxes(range=[0, max(ours, legacy) * 1.15])
    return figure


def frontier(swept: pd.DataFrame, totals: pd.DataFrame, *, currency: str) -> "Figure":
    """Fill rate against stock value of both policies over a range of targets.

    Args:
        swept: Totals of the scenarios `service_target=…` and `legacy_target=…`.
        totals: Totals of `ours` and `legacy` as chosen.
        currency: Currency of the stock value.
    """
    import plotly.graph_objects as go

    curves = {
        "ours": _curve(swept, "service_target="), "legacy": _curve(swept, "legacy_target=")
    }  # fmt: skip
    figure = theme.figure(
        title=_frontier_title(curves, totals),
        subtitle=f"fill rate, %, and average stock at cost, {currency}, as the target rises"
        f" from {curves['ours'].index[0]:.0%} to {curves['ours'].index[-1]:.0%}; simulated",
        x=f"average stock value, {currency}",
        y="fill rate, %",
    )
    for name, colour in (("legacy", theme.COLOURS["reference"]), ("ours", theme.COLOURS["ours"])):
        curve = curves[name]
        figure.add_trace(
            go.Scatter(
                x=curve["stock_value"], y=curve["fill_rate"] * 100, mode="lines+markers",
                line={"color": colour, "width": 2.5}, marker={"size": 5}, showlegend=False,
                customdata=curve.index * 100,
                hovertemplate=f"{name}, target %{{customdata:.1f}}%<br>stock %{{x:,.0f}}, fill"
                " %{y:.1f}%<extra></extra>",
            )
        )  # fmt: skip
        figure.add_trace(
            go.Scatter(
                x=[_number(totals, name, "stock_value")],
                y=[_number(totals, name, "fill_rate") * 100],
                mode="markers+text", text=[f"{name}, as chosen"], textposition="bottom right",
                marker={"size": 12, "color": colour, "symbol": "diamond"}, showlegend=False,
                textfont={"color": theme.INK, "size": 12}, hoverinfo="skip", cliponaxis=False,
            )
        )  # fmt: skip
    figure.update_layout(margin={"r": 110})
    return figure


def _curve(swept: pd.DataFrame, prefix: str) -> pd.DataFrame:
    mine = swept[swept.index.str.startswith(prefix)]
    targets = mine.index.str.removeprefix(prefix).astype(float)
    return mine.set_axis(targets, axis=0).sort_index()


def _frontier_title(curves: dict[str, pd.DataFrame], totals: pd.DataFrame) -> str:
    """Fill rate of our curve at the legacy's stock value, less the legacy's."""
    value = _number(totals, "legacy", "stock_value")
    ours = curves["ours"].sort_values("stock_value")
    if not ours["stock_value"].min() <= value <= ours["stock_value"].max():
        return "More stock serves more: where each policy stands"
    fill = float(np.interp(value, ours["stock_value"], ours["fill_rate"]))
    points = (fill - _number(totals, "legacy", "fill_rate")) * 100
    word = "more" if points >= 0 else "less"
    return f"With the legacy's stock, ours would serve {abs(points):.1f} points {word} of demand"


def money_at_stake(proposals: pd.DataFrame, names: pd.Series, *, currency: str) -> "Figure":
    """Proposals with most money at stake, the rest added up.

    Args:
        proposals: The `proposals` rows of one review.
        names: Description by item_id.
        currency: Currency of the money.
    """
    import plotly.graph_objects as go

    ranked = proposals.sort_values(c.MONEY_AT_STAKE, ascending=False)
    shown = min(TOP, max(1, int((ranked[c.MONEY_AT_STAKE] > 0).sum())))
    top, rest = ranked.head(shown), ranked.iloc[shown:]
    others = float(rest[c.MONEY_AT_STAKE].sum())
    share = float(top[c.MONEY_AT_STAKE].sum() / max(ranked[c.MONEY_AT_STAKE].sum(), 1e-9))
    label = [
        f"{' '.join(str(names.get(item, item)).split())[:20]} · {location}"
        for item, location in zip(top[c.ITEM_ID], top[c.LOCATION_ID], strict=True)
    ]
    place = list(range(len(top), 0, -1))
    text = [
        f"{theme.money(stake, currency)} · {new:,.0f} / {old:,.0f}"
        for stake, new, old in zip(
            top[c.MONEY_AT_STAKE], top[c.PROPOSED], top[c.BEFORE], strict=True
        )
    ]
    figure = theme.figure(
        title=f"{len(top)} of {len(ranked):,} proposals hold {theme.share(share)} of what is at"
        " stake",
        subtitle=f"expected cost that the order avoids, {currency} · units to order / the legacy's"
        f" order; the other {len(rest):,} add up to {theme.money(others, currency)}",
        x=currency,
    )
    figure.add_trace(
        go.Bar(
            x=top[c.MONEY_AT_STAKE], y=place, orientation="h",
            marker={"color": theme.COLOURS["ours"]}, text=text, cliponaxis=False,
            textposition="outside", textfont={"size": 12},
            customdata=top[[c.ITEM_ID, c.LOCATION_ID]],
            hovertemplate="item %{customdata[0]} at %{customdata[1]}<extra></extra>",
        )
    )  # fmt: skip
    largest = float(top[c.MONEY_AT_STAKE].max()) if len(top) else 1.0
    figure.update_xaxes(range=[0, max(largest, 1e-9) * 1.55])
    figure.update_yaxes(tickvals=place, ticktext=label, showgrid=False)
    figure.update_layout(height=180 + 26 * len(top), bargap=0.3)
    return figure


def service_curve(curve: pd.DataFrame, *, finding: str, days: int, currency: str) -> "Figure":
    """Fill rate against stock of every forecast family over the same targets.

    Args:
        curve: Of `service_curve.service_curve`.
        finding: The title.
        days: That each order covers.
        currency: Currency of the stock value.
    """
    import plotly.graph_objects as go

    low, high = curve["target"].min(), curve["target"].max()
    figure = theme.figure(
        title=finding,
        subtitle=f"targets from {low:.0%} to {high:.1%}, a line per forecast; weekly orders that"
        f" cover {days} days, simulated with the demand that came; circle: least cost",
        x=f"average stock at cost, {currency}",
        y="fill rate, %",
    )
    for family, line in curve.groupby("family", sort=False):
        name, role = _FAMILIES.get(str(family), (str(family).replace("_", " "), "ours"))
        colour = theme.COLOURS[role]
        figure.add_trace(
            go.Scatter(
                x=line["stock_value"], y=line["fill_rate"] * 100, mode="lines+markers",
                line={"color": colour, "width": 2.5}, marker={"size": 6},
                customdata=np.column_stack([line["target"] * 100, line["total_cost"]]),
                hovertemplate=f"{name}, target %{{customdata[0]:.1f}}%<br>stock %{{x:,.0f}}, fill"
                " %{y:.1f}%<br>cost %{customdata[1]:,.0f}<extra></extra>",
            )
        )  # fmt: skip
        best = line.loc[line["total_cost"].idxmin()]
        figure.add_trace(
            go.Scatter(
                x=[best["stock_value"]], y=[best["fill_rate"] * 100], mode="markers",
                marker={"size": 15, "symbol": "circle-open", "color": colour,
                        "line": {"width": 2}},
                hoverinfo="skip",
            )
        )  # fmt: skip
        end = line.loc[line["stock_value"].idxmax()]
        above = role != "attention"  # which ends beneath ours
        figure.add_annotation(
            text=name, x=end["stock_value"], y=end["fill_rate"] * 100, xanchor="right",
            yanchor="bottom" if above else "top", yshift=10 if above else -34, showarrow=False,
            font={"size": 12, "color": colour},
        )  # fmt: skip
    return figure
