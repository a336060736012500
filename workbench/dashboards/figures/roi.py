"""Figures of the return on investment, from the named figures that `70-measure-roi` writes."""

from typing import TYPE_CHECKING, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.dashboards import theme

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_COMPONENT_WORDS: Final = {
    "holding": "holding", "ordering": "ordering", "lost_margin": "lost margin"
}  # fmt: skip


def value(kpis: pd.DataFrame, kpi: str, scope: str = "all") -> pd.Series:
    """The row of one figure: value, low, high, unit."""
    return kpis[(kpis[c.KPI] == kpi) & (kpis[c.SCOPE] == scope)].iloc[0]


def of_kind(kpis: pd.DataFrame, kpi: str) -> pd.DataFrame:
    """All rows of a figure, with `label`, the part of the scope after its last equals sign."""
    rows = kpis[kpis[c.KPI] == kpi]
    return rows.assign(label=rows[c.SCOPE].str.rsplit("=", n=1).str[-1])


def saving_sentence(kpis: pd.DataFrame, *, level: float) -> str:
    """Headline: the saving with its interval, also where it is a loss."""
    total, share = value(kpis, "saving_total"), value(kpis, "saving_share")
    unit = str(total[c.UNIT])
    word, sign, ends = "saving", 1, (c.LOW, c.HIGH)
    if total[c.VALUE] < 0:
        word, sign, ends = "loss", -1, (c.HIGH, c.LOW)
    low, high = (theme.money(sign * total[end], unit) for end in ends)
    return (
        f"Simulated {word}: {theme.money(sign * total[c.VALUE], unit)}"
        f" ({level:.0%} interval {low} to {high}),"
        f" {theme.share(sign * share[c.VALUE])} of the legacy's cost"
    )


def cumulative_saving(kpis: pd.DataFrame, *, level: float) -> "Figure":
    """Saving added up week by week with its band."""
    import plotly.graph_objects as go

    rows = of_kind(kpis, "saving_cumulative").sort_values("label")
    unit = str(rows[c.UNIT].iloc[0])
    last = rows.iloc[-1]
    week = pd.to_datetime(rows["label"]) + pd.Timedelta(6, unit="D")
    verb = "saved" if last[c.VALUE] >= 0 else "lost"
    figure = theme.figure(
        title=f"Ours {verb} {theme.money(abs(last[c.VALUE]), unit)} in {len(rows)} weeks"
        " (simulated)",
        subtitle=f"cumulative saving against the tuned legacy, {unit}, with its {level:.0%} band",
        x="week that ends on",
        y=unit,
    )
    band = pd.concat([rows[c.HIGH], rows[c.LOW][::-1]])
    figure.add_trace(
        go.Scatter(
            x=pd.concat([week, week[::-1]]), y=band, fill="toself", mode="lines",
            fillcolor=theme.band("ours", 0.18), line={"width": 0}, hoverinfo="skip",
            showlegend=False,
        )
    )  # fmt: skip
    figure.add_trace(
        go.Scatter(
            x=week, y=rows[c.VALUE], mode="lines+markers", showlegend=False,
            line={"color": theme.COLOURS["ours"], "width": 2.5}, marker={"size": 6},
            customdata=rows[[c.LOW, c.HIGH]],
            hovertemplate="%{x|%Y-%m-%d}: %{y:,.0f}<br>%{customdata[0]:,.0f} to"
            " %{customdata[1]:,.0f}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_hline(y=0, line={"color": theme.INK, "width": 1})
    figure.update_xaxes(tickformat="%Y-%m-%d", nticks=5)
    return figure


def cost_waterfall(kpis: pd.DataFrame) -> "Figure":
    """From the legacy's cost to ours, by what the money is paid for."""
    import plotly.graph_objects as go

    legacy, ours = (
        value(kpis, "cost_total", f"policy={name}") for name in ("legacy", "ours")
    )  # fmt: skip
    unit = str(legacy[c.UNIT])
    steps = of_kind(kpis, "saving_component").set_index("label")
    steps = steps.reindex([name for name in _COMPONENT_WORDS if name in steps.index])
    main = str(steps[c.VALUE].abs().idxmax())
    gained = float(steps[c.VALUE][main])
    verb = "saves" if gained >= 0 else "costs"
    figure = theme.figure(
        title=f"Most comes from {_COMPONENT_WORDS[main]}: it {verb}"
        f" {theme.money(abs(gained), unit)} (simulated)",
        subtitle=f"cost in the test period, {unit}, from the legacy to ours",
        y=unit,
    )
    changes = [-float(saved) for saved in steps[c.VALUE]]
    starts = [float(legacy[c.VALUE]) + sum(changes[:number]) for number in range(len(changes))]
    paint = [theme.COLOURS["good" if change < 0 else "bad"] for change in changes]
    figure.add_trace(
        go.Bar(
            x=["legacy", *(_two_lines(str(name)) for name in steps.index), "ours"],
            y=[float(legacy[c.VALUE]), *changes, float(ours[c.VALUE])],
            base=[0.0, *starts, 0.0],
            marker={"color": [theme.COLOURS["reference"], *paint, theme.COLOURS["ours"]]},
            text=[
                theme.money(float(legacy[c.VALUE]), unit),
                *(_signed(change, unit) for change in changes),
                theme.money(float(ours[c.VALUE]), unit),
            ],
            textposition="outside",
            textangle=0,
            constraintext="none",
            cliponaxis=False,
            hoverinfo="skip",
        )
    )
    tops = [max(a, a + b) for a, b in zip(starts, changes, strict=True)]
    highest = max(*tops, float(legacy[c.VALUE]), float(ours[c.VALUE]))
    figure.update_yaxes(range=[0, highest * 1.14])
    figure.update_xaxes(tickangle=0)
    figure.update_layout(bargap=0.3)
    return figure


def _two_lines(component: str) -> str:
    """Its name, broken where it has two words: five names stand side by side on a phone."""
    return _COMPONENT_WORDS[component].replace(" ", "<br>")


def _signed(change: float, unit: str) -> str:
    """Change of cost with its sign: a minus is money saved."""
    return f"{'+' if change >= 0 else '−'}{theme.money(abs(change), unit)}"


def saving_bars(kpis: pd.DataFrame, kpi: str, *, what: str, level: float, top: int) -> "Figure":
    """Saving by segment or site, most important first, with intervals; the rest added up."""
    import plotly.graph_objects as go

    rows = of_kind(kpis, kpi)
    rows = rows.reindex(rows[c.VALUE].abs().sort_values(ascending=False).index)
    shown, rest = rows.head(top), rows.iloc[top:]
    unit = str(rows[c.UNIT].iloc[0])
    better = int((rows[c.VALUE] > 0).sum())
    figure = theme.figure(
        title=f"Ours costs less in {better} of {len(rows)} {what}s (simulated)",
        subtitle=f"saving against the legacy, {unit}, {level:.0%} intervals; negative: ours costs"
        " more",
        x=unit,
    )
    names = [f"{what} {label}" for label in shown["label"]]
    values, low, high = (shown[name].tolist() for name in (c.VALUE, c.LOW, c.HIGH))
    if len(rest):
        total = float(rest[c.VALUE].sum())
        names, values = [*names, f"{len(rest)} others"], [*values, total]
        low, high = [*low, total], [*high, total]
    labels = [f"{n}  <b>{_gain(v, unit)}</b>" for n, v in zip(names, values, strict=True)]
    figure.add_trace(
        go.Bar(
            x=values[::-1], y=labels[::-1], orientation="h",
            marker={"color": [theme.COLOURS["ours" if v >= 0 else "bad"] for v in values[::-1]]},
            error_x={
                "type": "data", "symmetric": False, "color": theme.INK, "thickness": 1.2,
                "array": [h - v for v, h in zip(values, high, strict=True)][::-1],
                "arrayminus": [v - w for v, w in zip(values, low, strict=True)][::-1],
            },
            hovertemplate="%{y}: %{x:,.0f}<extra></extra>",
        )
    )  # fmt: skip
    figure.add_vline(x=0, line={"color": theme.INK, "width": 1})
    figure.update_yaxes(type="category", showgrid=False)
    figure.update_layout(height=170 + 28 * len(labels), bargap=0.3)
    return figure


def _gain(amount: float, unit: str) -> str:
    """Money with its sign, a loss being negative."""
    return f"{'−' if amount < 0 else '+'}{theme.money(abs(amount), unit)}"


def _best_target(tried: pd.DataFrame) -> str:
    """The target of least cost in words; one at an end of those tried may not be the best."""
    targets = tried["label"].astype(float)
    best = float(targets[tried[c.VALUE].idxmin()])
    place = {targets.min(): "the lowest target tried,", targets.max(): "the highest target tried,"}
    return f"{place.get(best, 'a target of')} {best:.1%}"


def cost_by_target(kpis: pd.DataFrame) -> "Figure":
    """What-if: total cost of both policies as every series gets the same service target."""
    import plotly.graph_objects as go

    rows = of_kind(kpis, "sweep_cost")
    unit = str(rows[c.UNIT].iloc[0])
    ours = rows[rows[c.SCOPE].str.startswith("service_target")]
    best = ours.loc[ours[c.VALUE].idxmin()]
    figure = theme.figure(
        title=f"Ours would cost least at {_best_target(ours)} (simulated)",
        subtitle=f"total cost in the test period, {unit}, with one target for all series",
        x="service target, %",
        y=unit,
    )
    lines = (("legacy_target", "legacy", "reference"), ("service_target", "ours", "ours"))
    for prefix, name, colour in lines:
        line = rows[rows[c.SCOPE].str.startswith(prefix)]
        line = line.assign(target=line["label"].astype(float) * 100).sort_values("target")
        figure.add_trace(
            go.Scatter(
                x=line["target"], y=line[c.VALUE], mode="lines+markers", name=name,
                line={"color": theme.COLOURS[colour], "width": 2.5}, marker={"size": 6},
                hovertemplate=f"{name}, %{{x:.1f}}%: %{{y:,.0f}}<extra></extra>",
            )
        )  # fmt: skip
        start, ink = line.iloc[0], theme.COLOURS["ours"] if name == "ours" else theme.MUTED
        theme.direct_label(
            figure, name, x=start["target"], y=start[c.VALUE], colour=ink, above=True
        )
    figure.add_annotation(
        x=float(best["label"]) * 100, y=best[c.VALUE], text=theme.money(float(best[c.VALUE]), unit),
        showarrow=True, arrowhead=0, ay=32, ax=0, font={"size": 12},
    )  # fmt: skip
    return figure
