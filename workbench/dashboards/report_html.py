"""An executed notebook as one HTML file that asks no other host.

Markdown and results are shown, code is behind a button. Figures are plotly JSON; its JavaScript is
embedded once, from the installed package.
"""

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from workbench.dashboards import theme
from workbench.errors import DashboardError
from workbench.resources import resource

FIGURE: Final = "application/vnd.plotly.v1+json"
POLICY: Final = (
    "default-src 'none'; img-src data: blob:; font-src data:; style-src 'unsafe-inline';"
    " script-src 'unsafe-inline' 'unsafe-eval'; base-uri 'none'; form-action 'none'"
)  # a file fetches nothing, whatever it contains; plotly's WebGL compiles functions, hence eval
_TAG: Final = re.compile(r"<[^>]*>")
_HIDDEN_TAGS: Final = {"injected-parameters"}
_BESIDE_CODE: Final = "beside-code"  # a remark on code, shown only where the code is


@dataclass(frozen=True)
class Banner:
    """What stands on top of a report.

    Attributes:
        simulated: What the results rest on that is simulated; empty when nothing is.
        inputs: Table name to digest.
    """

    what: str
    as_of: date
    run_id: str
    headline: str = ""
    simulated: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)


def render(executed: Path, target: Path, *, title: str, banner: Banner) -> None:
    """Write an executed notebook as HTML.

    Args:
        executed: Notebook with outputs.
        target: HTML file to write.
        title: Of the page.
        banner: Facts on top.

    Raises:
        DashboardError: The notebook is unreadable.
    """
    try:
        notebook = json.loads(executed.read_text(encoding="utf-8"))
        cells = notebook["cells"]
    except (OSError, ValueError, KeyError) as error:
        raise DashboardError(f"{executed}: not an executed notebook ({error}).") from error
    blocks = list(_blocks(cells))
    has_figure = any('class="figure"' in block for block in blocks)
    inputs = ", ".join(f"{table} {digest[:12]}" for table, digest in banner.inputs.items())
    page = page_template("report.html.j2").render(
        title=html.escape(title),
        css=resource("dashboards/templates/page.css").read_text(encoding="utf-8"),
        policy=POLICY,
        plotly=plotly_javascript() if has_figure else "",
        as_of=banner.as_of.isoformat(),
        run_id=html.escape(banner.run_id),
        headline=html.escape(banner.headline),
        simulated=html.escape(", ".join(banner.simulated)),
        blocks=blocks,
        inputs=html.escape(inputs),
        script=resource("dashboards/templates/figures.js").read_text("utf-8") if has_figure else "",
    )
    target.write_text(page, encoding="utf-8")


def page_template(name: str) -> Any:
    """A template of ours; callers escape what is not HTML."""
    from jinja2 import Template

    return Template(resource(f"dashboards/templates/{name}").read_text(encoding="utf-8"))


def plotly_javascript() -> str:
    """Plotly's JavaScript from the installed package."""
    from plotly.offline import get_plotlyjs

    return str(get_plotlyjs())


def figure_block(number: int | str, figure: Mapping[str, Any]) -> str:
    """A figure's place and its JSON, for `figures.js` to draw; its caption as text below it."""
    layout, caption = _without_caption(figure["layout"])
    safe = embedded_json({"data": figure["data"], "layout": layout})
    height = int(layout.get("height", 420))
    title = html.escape(_TAG.sub(" ", str(layout.get("title", {}).get("text", "")))).strip()
    return (
        f'<div class="figure" role="img" aria-label="{title}" data-source="figure-{number}"'
        f' style="min-height:{height}px"></div>'
        f'<script type="application/json" id="figure-{number}">{safe}</script>{caption}'
    )


def embedded_json(facts: Mapping[str, Any]) -> str:
    """JSON that can stand in a script element: nothing in it can end the element."""
    return json.dumps(facts).replace("<", "\\u003c")


def _without_caption(layout: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """A layout less the annotation that `theme.caption` made, and that line as HTML."""
    notes = layout.get("annotations", [])
    captions = [note for note in notes if note.get("name") == theme.CAPTION]
    if not captions:
        return dict(layout), ""
    margin = layout.get("margin", {})
    rest = {
        **layout,
        "annotations": [note for note in notes if note not in captions],
        "height": layout.get("height", 420) - theme.CAPTION_PIXELS,
        "margin": {**margin, "b": margin.get("b", 80) - theme.CAPTION_PIXELS},
    }
    return rest, caption_html(captions[0]["text"], captions[0].get("hovertext", ""))


def caption_html(text: str, command: str) -> str:
    """The line below a figure; hovering tells the command that leads further."""
    return f'<p class="caption" title="{html.escape(command)}">{html.escape(text)}</p>'


def _blocks(cells: list[dict[str, Any]]) -> Iterator[str]:
    figures = 0
    first_heading = True
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            if first_heading and source.startswith("# "):
                source = source.partition("\n")[2]
                first_heading = False
            beside = _BESIDE_CODE in cell["metadata"].get("tags", [])
            yield (
                f'<div class="source-note">{_markdown(source)}</div>'
                if beside
                else _markdown(source)
            )
            continue
        if cell["cell_type"] != "code":
            continue
        if source.strip() and not _HIDDEN_TAGS & set(cell["metadata"].get("tags", [])):
            yield f'<pre class="source">{html.escape(source)}</pre>'
        for output in cell["outputs"]:
            block = _output(output, figures)
            figures += 'class="figure"' in block
            yield block


def _markdown(source: str) -> str:
    from nbconvert.filters.markdown_mistune import markdown2html_mistune

    return str(markdown2html_mistune(source))


def _output(output: dict[str, Any], figures: int) -> str:
    kind = output["output_type"]
    if kind == "stream":
        text = "".join(output["text"])
        return _plain(text) if output["name"] == "stdout" else ""
    if kind == "error":
        return f'<div class="error"><pre>{html.escape(output["ename"])}</pre></div>'
    data = output.get("data", {})
    if FIGURE in data:
        return figure_block(figures, data[FIGURE])
    if "text/html" in data:
        text = "".join(data["text/html"])
        return (
            text if text.startswith('<div class="wb-') else f'<div class="wb-scroll">{text}</div>'
        )
    if "text/markdown" in data:
        return _markdown("".join(data["text/markdown"]))
    if "image/png" in data:
        png = "".join(data["image/png"]).replace("\n", "")
        return f'<p><img alt="figure" src="data:image/png;base64,{png}"></p>'
    if "text/plain" in data:
        return _plain("".join(data["text/plain"]))
    return ""


def _plain(text: str) -> str:
    return f'<pre class="printed">{html.escape(text)}</pre>' if text.strip() else ""
