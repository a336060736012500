"""The executive page as one HTML file that opens anywhere and asks no other host."""

import html
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.units import unit_name
from workbench.dashboards import roi, theme
from workbench.dashboards.report_html import (
    POLICY,
    caption_html,
    embedded_json,
    figure_block,
    page_template,
    plotly_javascript,
)
from workbench.errors import DashboardError
from workbench.folders import replace_durably
from workbench.resources import resource
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

WHAT_IF_QUESTION: Final = "What if every item had one service target?"
WHAT_IF_NOTE: Final = (
    "Each position was simulated in the run; nothing is interpolated. The plan sets a target per"
    " item from its own costs."
)
PAGE: Final = "executive-roi.html"


def publish_executive(workspace: Workspace, out: Path | None = None) -> Path:
    """Write the executive page of the newest run of `70-measure-roi`.

    Args:
        workspace: With that run's results.
        out: HTML file to write; `reports/dashboards/executive-roi.html` by default.

    Returns:
        The file, which is replaced as a whole.

    Raises:
        DashboardError: The notebook has not run, its results are incomplete, or the file cannot be
            written; an earlier page then stands unchanged.
    """
    target = out or workspace.reports / "dashboards" / PAGE
    page = executive_html(roi.load(workspace))
    return write_page(target, page)


def write_page(target: Path, page: str) -> Path:
    """Replace a page as a whole; returns it.

    Raises:
        DashboardError: It cannot be written; an earlier page stands unchanged.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        replace_durably(target, page.encode("utf-8"))
    except OSError as error:
        raise DashboardError(
            f"{target}: cannot be written ({error.strerror or error}); expected a file in a folder"
            " with room and permission to write. Mend that and publish again."
        ) from error
    return target


def executive_html(evidence: roi.Evidence) -> str:
    """The whole page."""
    points, chosen = roi.what_if(evidence)
    return str(
        page_template("executive.html.j2").render(
            css=styles(),
            plotly=plotly_javascript(),
            script=_template("figures.js") + _template("executive.js"),
            policy=POLICY,
            embedded=embedded_json({"points": [asdict(point) for point in points]}),
            chosen=chosen,
            last=len(points) - 1,
            head=head_html(evidence),
            board=board_html(evidence),
            chart=what_if_chart(evidence),
            label=label_html(points[chosen]),
            ends=ends_html(points),
            numbers=numbers_html(points[chosen]),
            question=WHAT_IF_QUESTION,
            note=WHAT_IF_NOTE,
            title=html.escape(" ".join(roi.headline(evidence)[:2])),
            run_id=html.escape(evidence.run_id),
            digest=html.escape(evidence.digest[:12]),
            simulated=bool(evidence.simulated),
        )
    )


def styles() -> str:
    """The page's style sheet."""
    return _template("page.css") + _template("executive.css")


def head_html(evidence: roi.Evidence) -> str:
    """The sentence that answers, and the facts below it."""
    words, amount, interval = (_text(text) for text in roi.headline(evidence))
    tiles = [tuple(_text(text) for text in tile) for tile in roi.tiles(evidence)]
    return str(
        page_template("executive-head.html.j2").render(
            words=words,
            amount=amount,
            interval=interval,
            as_of=evidence.as_of.isoformat(),
            run_id=html.escape(evidence.run_id),
            checkpoint="" if evidence.checkpoint is None else f"{evidence.checkpoint:,}",
            simulated=html.escape(", ".join(evidence.simulated)),
            tiles=tiles,
            end_stock=_text(roi.end_stock(evidence)),
        )
    )


def board_html(evidence: roi.Evidence) -> str:
    """The evidence: four figures and the lines at risk."""
    drawn = {name: _block(name, figure) for name, figure in roi.charts(evidence).items()}
    return str(
        page_template("executive-board.html.j2").render(
            figures=drawn,
            caption=_caption(evidence),
            lines=lines_html(evidence.lines),
            other_plan=html.escape(evidence.other_plan),
            simulated=bool(evidence.simulated),
        )
    )


def what_if_chart(evidence: roi.Evidence) -> str:
    """The curve of costs, whose last trace is the chosen point, with its caption."""
    return _block("what-if", roi.charts(evidence)["what-if"]) + _caption(evidence)


def numbers_html(point: roi.Point) -> str:
    """Figures of one service target; `executive.js` finds them by their names."""
    shown = (
        ("Cost", "cost", point.cost, point.cost_change),
        ("Stock value", "stock", point.stock, point.stock_change),
        ("Fill rate", "fill", point.fill_rate, point.fill_rate_change),
    )
    tiles = "".join(
        f'<div><dt>{name}</dt><dd><b id="what-if-{key}">{html.escape(value)}</b><small>'
        f'<span id="what-if-{key}-change">{html.escape(change)}</span> against the plan</small>'
        "</dd></div>"
        for name, key, value, change in shown
    )
    return f'<dl class="tiles" aria-live="polite">{tiles}</dl>'


def label_html(point: roi.Point) -> str:
    """The slider's label with the chosen target, and where that is on the curve."""
    return (
        '<label for="target">Service target'
        f' <output id="chosen-target" for="target" data-x="{point.x}" data-y="{point.y}">'
        f"{html.escape(point.target)}</output></label>"
    )


def ends_html(points: Sequence[roi.Point]) -> str:
    """The slider's ends."""
    low, high = (html.escape(point.target) for point in (points[0], points[-1]))
    return f'<p class="ends"><span>{low}</span><span>{high}</span></p>'


def lines_html(lines: pd.DataFrame) -> str:
    """The lines at risk as a table, or a sentence that says how to get them."""
    if lines.empty:
        return (
            '<p class="wb-note">No proposal has money at stake; run'
            f" <code>workbench run {roi.PLAN_NOTEBOOK}</code> for next week's.</p>"
        )
    rows = "".join(_line(row) for row in lines.to_dict("records"))
    return (
        '<table class="lines"><thead><tr><th>Item</th><th class="num">At stake</th>'
        f'<th class="num">Order</th><th class="num">Legacy</th></tr></thead><tbody>{rows}</tbody>'
        "</table>"
    )


def _line(row: dict[Any, Any]) -> str:
    described = row["description"]
    name = str(row[c.ITEM_ID]) if pd.isna(described) else str(described)
    site, item = html.escape(str(row[c.LOCATION_ID])), html.escape(str(row[c.ITEM_ID]))
    day = "" if pd.isna(row[c.ORDER_DATE]) else f" · order on {row[c.ORDER_DATE]:%Y-%m-%d}"
    order, before = (
        "–" if pd.isna(row[name]) else _counted(float(row[name]), str(row[c.UNIT]))
        for name in (c.PROPOSED, c.BEFORE)
    )
    money = html.escape(theme.money(float(row[c.MONEY_AT_STAKE]), str(row[c.CURRENCY])))
    return (
        f"<tr><td>{html.escape(name)}<small>{item} at {site}{day}</small></td>"
        f'<td class="num"><strong>{money}</strong></td>'
        f'<td class="num">{order}</td><td class="num">{before}</td></tr>'
    )


def _counted(quantity: float, unit: str) -> str:
    return html.escape(f"{theme.number(quantity)} {unit_name(unit, quantity)}")


def _text(words: str) -> str:
    return html.escape(theme.bound(words))


def _caption(evidence: roi.Evidence) -> str:
    return caption_html(roi.caption(evidence), theme.run_command(evidence.run_id))


def _block(name: str, figure: "Figure") -> str:
    return figure_block(name, json.loads(str(figure.to_json())))


def _template(name: str) -> str:
    return resource(f"dashboards/templates/{name}").read_text(encoding="utf-8")
