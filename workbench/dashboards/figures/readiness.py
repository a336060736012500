"""Figures of the readiness audit."""

from math import log10
from typing import TYPE_CHECKING

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.printable import counted
from workbench.dashboards import theme
from workbench.readiness import coverage, score

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

_SEVERITY_COLOURS = {"error": "bad", "warning": "attention", "info": "reference"}
_SEVERITY_SIGNS = {"error": "✕", "warning": "!", "info": "i"}
_ROW_HEIGHT, _FRAME_HEIGHT = 34, 150
_NAMED_LOCATIONS = 25  # at most, to have their names beside the rows


def score_by_area(areas: pd.DataFrame, total: float, *, what: str = "Readiness") -> "Figure":
    """One bar per area, worst on top, with the sum behind its score."""
    import plotly.graph_objects as go

    worst = areas.dropna(subset=[score.SCORE]).iloc[0]
    figure = theme.figure(
        title=f"{what} {total:.0f} of 100; {worst[c.AREA]} needs most work",
        subtitle="score by area, 0 to 100; checks weighted by severity, areas alike",
        x="score",
    )
    rows = areas.iloc[::-1]
    measured = rows[score.SCORE].notna()
    figure.add_trace(
        go.Bar(
            x=rows[score.SCORE].fillna(0),
            y=rows[c.AREA].str.capitalize(),
            orientation="h",
            marker={"color": theme.COLOURS["ours"]},
            text=[
                f"<b>{value:.0f}</b>  {earned}" if known else _unscored(earned)
                for value, earned, known in zip(
                    rows[score.SCORE], rows[score.ARITHMETIC], measured, strict=True
                )
            ],
            textposition=["inside" if value > 60 else "outside" for value in rows[score.SCORE]],
            hoverinfo="skip",
            cliponaxis=False,
        )
    )  # fmt: skip
    figure.update_xaxes(range=[0, 100])
    return _bars(figure, len(rows))


def _unscored(arithmetic: str) -> str:
    missing = arithmetic == score.NOT_MEASURED
    return "tables missing, not measured" if missing else f"no score: {arithmetic}"


def gain_by_fix(fixes: pd.DataFrame, *, top: int) -> "Figure":
    """What each repair would add to the total score, largest first, the rest as others."""
    import plotly.graph_objects as go

    if fixes.empty:
        return theme.nothing_to_plot("Nothing to repair: no check found anything")
    shown = fixes.head(top)
    rest = fixes.iloc[top:]
    rows = pd.DataFrame(
        {
            "label": [
                f"{_SEVERITY_SIGNS[severity]} {check.replace('-', ' ')}"
                for severity, check in zip(shown[c.SEVERITY], shown[c.CHECK_ID], strict=True)
            ],
            "gain": shown["gain"],
            "colour": [theme.COLOURS[_SEVERITY_COLOURS[s]] for s in shown[c.SEVERITY]],
            "finding": shown[c.FINDING],
        }
    )
    if len(rest):
        others = f"{len(rest)} others"
        rows.loc[len(fixes)] = [others, rest["gain"].sum(), theme.COLOURS["reference"], others]
    rows = rows.iloc[::-1]
    share = shown["gain"].head(3).sum() / max(fixes["gain"].sum(), 1e-9)
    title = f"Three repairs hold {theme.share(share)} of all points to gain"
    if len(fixes) <= 3:
        title = f"Repairs add {fixes['gain'].sum():.1f} points of 100"
    figure = theme.figure(
        title=title,
        subtitle="points of the total score that a full repair adds; ✕ error, ! warning, i note",
        x="points of 100",
    )
    figure.add_trace(
        go.Bar(
            x=rows["gain"], y=rows["label"], orientation="h", marker={"color": rows["colour"]},
            text=[f"{gain:.1f}" for gain in rows["gain"]], textposition="outside",
            hovertext=rows["finding"], hoverinfo="text", cliponaxis=False,
        )
    )  # fmt: skip
    return _bars(figure, len(rows))


def money_at_stake(fixes: pd.DataFrame, *, currency: str, top: int) -> "Figure":
    """Money that each finding touches, largest first, with what the money is."""
    import plotly.graph_objects as go

    rows = fixes.dropna(subset=[c.MONEY_AT_STAKE]).nlargest(top, c.MONEY_AT_STAKE)
    if rows.empty:
        return theme.nothing_to_plot("No finding touches money that could be counted")
    first = rows.iloc[0]
    amount = theme.money(first[c.MONEY_AT_STAKE], currency)
    figure = theme.figure(
        title=f"{amount} at stake: {first['money_means']}",
        subtitle=f"money at stake by finding, {currency}, logarithmic; sums overlap, do not add up",
        x=currency,
    )
    rows = rows.iloc[::-1]
    figure.add_trace(
        go.Scatter(
            x=rows[c.MONEY_AT_STAKE],
            y=rows[c.CHECK_ID].str.replace("-", " "),
            mode="markers+text",
            marker={
                "size": 12,
                "color": [theme.COLOURS[_SEVERITY_COLOURS[s]] for s in rows[c.SEVERITY]],
            },
            text=[f"  {theme.money(value, currency)}" for value in rows[c.MONEY_AT_STAKE]],
            textposition="middle right",
            hovertext=rows["money_means"],
            hoverinfo="text",
            cliponaxis=False,
        )
    )
    low, high = (log10(max(float(rows[c.MONEY_AT_STAKE].iloc[i]), 0.01)) for i in (0, -1))
    figure.update_xaxes(type="log", range=[low - 0.3, high + 0.2 * (high - low) + 0.5])
    return _bars(figure, len(rows))


def weekly_coverage(weekly: pd.DataFrame) -> "Figure":
    """Selling days per week of every location, the busiest location on top."""
    import plotly.graph_objects as go

    if weekly.empty:
        return theme.nothing_to_plot("No sales: nothing to say about selling days")
    grid = weekly.pivot(index=c.LOCATION_ID, columns=coverage.WEEK, values=coverage.DAYS)
    grid = grid.loc[grid.sum(axis=1).sort_values(ascending=False).index]
    named = len(grid) <= _NAMED_LOCATIONS
    steady = int((grid.fillna(0).median(axis=1) >= 6).sum())
    figure = theme.figure(
        title=f"{steady} of {len(grid)} locations sell on six or more days in a usual week",
        subtitle="days with a sale per location and week; blank: none that week",
        x="week that begins on",
        y="" if named else "locations, most selling days first",
    )
    figure.add_trace(
        go.Heatmap(
            z=grid.to_numpy(dtype=float),
            x=grid.columns,
            y=list(grid.index) if named else list(range(1, len(grid) + 1)),
            customdata=[[location] * grid.shape[1] for location in grid.index],
            zmin=0,
            zmax=7,
            colorscale=[[0, "#e6f0f7"], [1, theme.COLOURS["ours"]]],
            colorbar={"title": {"text": "days"}, "thickness": 12, "tickvals": [1, 3, 5, 7]},
            hoverongaps=False,
            hovertemplate="location %{customdata}<br>week of %{x|%Y-%m-%d}: %{z:.0f} days"
            "<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", showgrid=False, ticksuffix="  " if named else "")
    figure.update_xaxes(showgrid=False)
    if named:
        figure.update_yaxes(type="category")
    figure.update_layout(height=_FRAME_HEIGHT + _ROW_HEIGHT * max(len(grid), 5) if named else 460)
    return figure


def items_by_selling_days(bands: pd.DataFrame, *, enough: int) -> "Figure":
    """Share of items and of revenue by how often an item sells."""
    import plotly.graph_objects as go

    if not bands[coverage.ITEMS].sum():
        return theme.nothing_to_plot("No sales: nothing to say about how often items sell")
    first = next(
        position
        for position, label in enumerate(bands[coverage.BAND])
        if int(label.rstrip("+").split()[0]) >= enough
    )
    tail = bands.iloc[first:]
    items, money = tail[coverage.ITEMS].sum(), tail[coverage.REVENUE_SHARE].sum()
    figure = theme.figure(
        title=f"{items:,} items sell on {enough}+ days and bring {theme.share(money)} of revenue",
        subtitle="share of merchandise items and of their revenue, by days with a sale",
        x="days with a sale, all locations",
        y="share",
    )
    shares = {
        "items": (bands[coverage.ITEMS] / max(bands[coverage.ITEMS].sum(), 1), "reference"),
        "revenue": (bands[coverage.REVENUE_SHARE], "ours"),
    }
    for name, (values, colour) in shares.items():
        figure.add_trace(
            go.Bar(
                x=bands[coverage.BAND], y=values, name=name,
                marker={"color": theme.COLOURS[colour]},
                text=[theme.share(value) for value in values], textposition="outside",
                hovertemplate=f"%{{x}} days: %{{y:.1%}} of {name}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_layout(barmode="group", showlegend=True)
    figure.update_traces(textfont={"size": 11}, cliponaxis=False)
    figure.update_xaxes(type="category")
    top = max(float(values.max()) for values, _ in shares.values())
    figure.update_yaxes(tickformat=".0%", range=[0, 1.15 * top])
    return figure


def size_reading(sizes: pd.DataFrame, *, top: int = 12) -> "Figure":
    """Share of items per department whose package size was read, was not, or is absent."""
    import plotly.graph_objects as go

    totals = sizes[[coverage.READ, coverage.NOT_READ, coverage.ABSENT]].sum()
    typed = totals[coverage.READ] + totals[coverage.NOT_READ]
    if not typed:
        return theme.nothing_to_plot("No item has a package size that was typed as text")
    rows = sizes.head(top).set_index("department")
    if len(sizes) > top:
        rows.loc[f"{len(sizes) - top} others"] = sizes.iloc[top:].drop(columns="department").sum()
    rows = rows.iloc[::-1]
    counts = rows.sum(axis=1)
    figure = theme.figure(
        title=f"{theme.share(totals[coverage.READ] / max(typed, 1))} of typed sizes were read;"
        f" {theme.share(totals[coverage.ABSENT] / max(totals.sum(), 1))} of items have none",
        subtitle="share of items per department, largest department on top",
        x="share of items",
    )
    parts = {
        coverage.READ: ("read", "ours"),
        coverage.NOT_READ: ("typed, not readable", "attention"),
        coverage.ABSENT: ("no size", "reference"),
    }
    for column, (name, colour) in parts.items():
        figure.add_trace(
            go.Bar(
                x=rows[column] / counts, y=rows.index.str.capitalize(), orientation="h", name=name,
                marker={"color": theme.COLOURS[colour]}, customdata=rows[column],
                hovertemplate=f"%{{y}}: %{{customdata:,}} items {name}, %{{x:.1%}}<extra></extra>",
            )
        )  # fmt: skip
    figure.update_layout(barmode="stack", showlegend=True)
    figure.update_xaxes(tickformat=".0%", range=[0, 1])
    return _bars(figure, len(rows), legend=True)


def history_of_score(history: pd.DataFrame) -> "Figure":
    """Score of every area over the audits, with the line of each named at its end."""
    import plotly.graph_objects as go

    times = sorted(history["time"].unique())
    if len(times) < 2:
        return theme.nothing_to_plot(
            "This is the first audit here: nothing to compare with yet",
            "the score's change is drawn from the second audit on",
        )
    total = history.groupby("time")[score.SCORE].mean()
    step = float(total.iloc[-1] - total.iloc[0])
    word = "rose" if step > 0 else "fell" if step < 0 else "stayed"
    by = f" by {abs(step):.0f} points" if step else ""
    figure = theme.figure(
        title=f"Readiness {word}{by} over {len(times)} audits, to {total.iloc[-1]:.0f}",
        subtitle="score by area at each audit, 0 to 100",
        x="audit", y="score",
    )  # fmt: skip
    ends = []
    palette = [theme.COLOURS[name] for name in ("ours", "attention", "good", "extra", "second")]
    for place, (area, rows) in enumerate(history.dropna().groupby(c.AREA)):
        colour = palette[place % len(palette)]
        labels = [f"{times.index(time) + 1}" for time in rows["time"]]
        figure.add_trace(
            go.Scatter(
                x=labels, y=rows[score.SCORE], mode="lines+markers", name=str(area),
                line={"color": colour}, hovertext=[time[:16] for time in rows["time"]],
                hovertemplate=f"{area}: %{{y:.0f}} on %{{hovertext}}<extra></extra>",
            )
        )  # fmt: skip
        ends.append((str(area), labels[-1], float(rows[score.SCORE].iloc[-1]), colour))
    theme.labels_at_ends(figure, theme.ends_together(ends))
    figure.update_yaxes(range=[0, 105])
    figure.update_layout(margin={"r": 110})
    return figure


def reach_of_tables(inventory: pd.DataFrame) -> "Figure":
    """From which day to which each table reaches: freshness and history at a glance."""
    import plotly.graph_objects as go

    rows = inventory.dropna(subset=["first", "last"]).sort_values("last")
    if rows.empty:
        return theme.nothing_to_plot("No table at hand records days")
    newest, oldest = rows["last"].iloc[-1], rows.iloc[0]
    lag, name = (newest - oldest["last"]).days, oldest["table"].replace("_", " ").capitalize()
    if len(rows) == 1:
        title = f"{name} alone have days, up to {newest:%Y-%m-%d}"
    elif lag <= 7:
        title = f"All {len(rows)} tables with days end within {counted(max(lag, 1), 'day')}"
    else:
        title = f"{name} end {lag} days before the newest"
    figure = theme.figure(title=title, subtitle="first to last day of every table that has days")
    for row in rows.itertuples(index=False):
        name = str(row.table).replace("_", " ")
        stale = (newest - row.last).days > 7
        figure.add_trace(
            go.Scatter(
                x=[row.first, row.last], y=[name, name], mode="lines",
                line={"width": 12, "color": theme.COLOURS["attention" if stale else "ours"]},
                hovertemplate=f"{name}: {row.first:%Y-%m-%d} to {row.last:%Y-%m-%d},"
                f" {row.rows:,} rows<extra></extra>",
            )
        )  # fmt: skip
    return _bars(figure, len(rows))


def value_and_effort(ranked: pd.DataFrame, *, currency: str) -> "Figure":
    """Expected value of a year per week of effort, and how far the data are ready for it."""
    import plotly.graph_objects as go

    rows = ranked.dropna(subset=["value"])
    if rows.empty:
        return theme.nothing_to_plot(
            "No use case has money to be ranked by", "load sales, purchase orders or stock"
        )
    first, rows = rows.iloc[0], rows.iloc[::-1]
    figure = theme.figure(
        title=f"{first['use_case']} pays first: {theme.money(first['per_week'], currency)}"
        " a year for each week of work",
        subtitle=f"{currency} a year per person-week, by assumed shares; readiness of the data",
        x=f"{currency} a year per person-week",
    )  # fmt: skip
    figure.add_trace(
        go.Bar(
            x=rows["per_week"], y=rows["use_case"], orientation="h",
            marker={"color": theme.COLOURS["ours"]},
            text=[f"{ready:.0%} ready" for ready in rows["ready"]],
            textposition="outside", cliponaxis=False,
            hovertext=rows["assumed_share"], hoverinfo="text",
        )
    )  # fmt: skip
    figure.update_xaxes(range=[0, 1.25 * max(float(rows["per_week"].max()), 1e-9)])
    return _bars(figure, len(rows))


def share_affected(checks: pd.DataFrame, area: str, *, top: int) -> "Figure":
    """Share of rows that each check of one area affects, largest first."""
    import plotly.graph_objects as go

    rows = checks[(checks[c.AREA] == area) & (checks[score.STATUS] == score.MEASURED)]
    if rows.empty:
        return theme.nothing_to_plot(f"{area.capitalize()}: nothing could be measured")
    found = rows[rows[c.ROWS_AFFECTED] > 0].sort_values("share", ascending=False).head(top)
    clean = int((rows[c.ROWS_AFFECTED] == 0).sum())
    title = f"{area.capitalize()}: {clean} of {len(rows)} checks find nothing"
    if found.empty:
        return theme.nothing_to_plot(title)
    found = found.iloc[::-1]
    figure = theme.figure(
        title=title,
        subtitle="share of rows affected; ✕ error, ! warning, i note",
        x="share of rows",
    )
    figure.add_trace(
        go.Bar(
            x=found["share"],
            y=[
                f"{_SEVERITY_SIGNS[severity]} {check.replace('-', ' ')}"
                for severity, check in zip(found[c.SEVERITY], found[c.CHECK_ID], strict=True)
            ],
            orientation="h",
            marker={"color": [theme.COLOURS[_SEVERITY_COLOURS[s]] for s in found[c.SEVERITY]]},
            text=[theme.share(value) if value >= 0.001 else "< 0.1%" for value in found["share"]],
            textposition="outside", cliponaxis=False, hovertext=found[c.FINDING], hoverinfo="text",
        )
    )  # fmt: skip
    longest = float(found["share"].max())
    figure.update_xaxes(tickformat=".0%", range=[0, min(1.15, max(0.05, 1.25 * longest))])
    if longest > 0.8:
        figure.update_xaxes(tickvals=[0, 0.25, 0.5, 0.75, 1])
    return _bars(figure, len(found))


def _bars(figure: "Figure", rows: int, *, legend: bool = False) -> "Figure":
    """Horizontal bars: one height per row whatever their number, no grid between them."""
    figure.update_layout(
        height=_FRAME_HEIGHT + _ROW_HEIGHT * max(rows, 3), showlegend=legend, bargap=0.3
    )
    figure.update_yaxes(showgrid=False, title=None, automargin=True, ticksuffix="  ")
    return figure
