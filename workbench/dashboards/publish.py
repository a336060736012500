"""The executive page as one HTML file that opens anywhere and asks no other host."""

import html
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.dashboards import roi, theme
from workbench.dashboards.report_html import figure_block, page_template, plotly_javascript
from workbench.errors import DashboardError
from workbench.resources import resource
from workbench.tables.folders import replace_durably
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

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
    embedded = json.dumps({"points": [asdict(point) for point in points]}, ensure_ascii=False)
    return str(
        page_template("executive.html.j2").render(
            css=_template("page.css") + _template("executive.css"),
            plotly=plotly_javascript(),
            script=_template("figures.js") + _template("executive.js"),
            embedded=embedded.replace("</", "<\\/"),
            chosen=chosen,
            last=len(points) - 1,
            point=points[chosen],
            low=points[0],
            high=points[-1],
            lines=lines_html(evidence.lines),
            figures={name: _block(name, figure) for name, figure in roi.charts(evidence).items()},
            **facts(evidence),
        )
    )


def facts(evidence: roi.Evidence) -> dict[str, Any]:
    """What the page's head and foot state, escaped."""
    words, amount, interval = roi.headline(evidence)
    return {
        "words": html.escape(words),
        "amount": html.escape(amount),
        "interval": html.escape(interval),
        "as_of": evidence.as_of.isoformat(),
        "run_id": html.escape(evidence.run_id),
        "digest": html.escape(evidence.digest[:12]),
        "checkpoint": "" if evidence.checkpoint is None else f"{evidence.checkpoint:,}",
        "simulated": html.escape(", ".join(evidence.simulated)),
        "tiles": [tuple(html.escape(text) for text in tile) for tile in roi.tiles(evidence)],
    }


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
    unit = html.escape(str(row[c.UNIT]))
    before = "–" if pd.isna(row[c.BEFORE]) else theme.number(float(row[c.BEFORE]))
    money = html.escape(theme.money(float(row[c.MONEY_AT_STAKE]), str(row[c.CURRENCY])))
    return (
        f"<tr><td>{html.escape(name)}<small>{item} at {site}{day}</small></td>"
        f'<td class="num"><strong>{money}</strong></td>'
        f'<td class="num">{theme.number(float(row[c.PROPOSED]))} {unit}</td>'
        f'<td class="num">{before} {unit}</td></tr>'
    )


def _block(name: str, figure: "Figure") -> str:
    return figure_block(name, json.loads(str(figure.to_json())))


def _template(name: str) -> str:
    return resource(f"dashboards/templates/{name}").read_text(encoding="utf-8")
