"""The audit page: does the log hold, what was decided and why, what was made from what.

It shows what it is given and computes nothing; `workbench/commands/auditing.py` finds the facts.
Live it has a search box that a kernel answers, as a file it lists the newest decisions.
"""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.contracts.printable import printable
from workbench.dashboards.report_html import POLICY, page_template
from workbench.resources import resource

if TYPE_CHECKING:
    from ipywidgets import GridBox


@dataclass(frozen=True)
class Health:
    """How the log and the record of runs are.

    Attributes:
        sentence: The answer to whether anything was changed.
        holds: False where the log does not verify; None where there is none yet.
        tiles: Name, value and note of each figure.
        notes: What else a reader should know.
    """

    sentence: str
    holds: bool | None
    tiles: tuple[tuple[str, str, str], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Node:
    """A place on the way of a decision; `style` is `proven`, `altered` or `open`."""

    kind: str
    what: str
    digest: str
    mark: str
    style: str


@dataclass(frozen=True)
class Line:
    """A decision in a list."""

    id: str
    words: str


@dataclass(frozen=True)
class Answer:
    """What a search found: one decision with its way and page, several to choose from, or none.

    Attributes:
        words: A sentence: the decision, how many there are, or what to do.
        page: HTML of the decision with all its proofs; empty for several or none.
    """

    words: str
    path: tuple[Node, ...] = ()
    page: str = ""
    lines: tuple[Line, ...] = ()


Find = Callable[[str], Answer]


def audit_html(health: Health, picture: str, lines: Sequence[Line], as_of: str) -> str:
    """The page as one file.

    Args:
        health: Of log and runs.
        picture: Page of the lineage graph, see `lineage_html`.
        lines: Newest decisions.
        as_of: When the file was made, for people.
    """
    return str(
        page_template("audit.html.j2").render(
            css=_template("page.css") + _template("audit.css"),
            script=_template("audit.js"),
            policy=POLICY,
            title=_text(health.sentence),
            head=head_html(health),
            health=health_html(health),
            lines=[(_text(line.id), _text(line.words)) for line in lines],
            picture=frame_html(picture, "What was made from what", scripts=True),
            as_of=_text(as_of),
        )
    )


def head_html(health: Health) -> str:
    """The sentence that answers the auditor's question."""
    state = {True: "holds", False: "broken", None: "none"}[health.holds]
    mark = {True: "✓ ", False: "✗ ", None: ""}[health.holds]
    return (
        f'<div class="audit"><header class="{state}"><h1>{mark}{_text(health.sentence)}</h1>'
        "</header></div>"
    )


def health_html(health: Health) -> str:
    """Figures of log and runs, for the margin."""
    tiles = "".join(
        f"<div><dt>{_text(name)}</dt><dd><b>{_text(value)}</b><small>{_text(note)}</small></dd></div>"
        for name, value, note in health.tiles
    )
    notes = "".join(f'<p class="wb-note">{_text(note)}</p>' for note in health.notes)
    return f'<aside class="health"><h2>Health</h2><dl class="tiles">{tiles}</dl>{notes}</aside>'


def answer_html(answer: Answer) -> str:
    """What was found: the way from data to outcome, and below it the page with the proofs."""
    steps = "".join(
        f"<li><small>{_text(node.kind)}</small><strong>{_text(node.what)}</strong>"
        f"<code>{_text(node.digest)}</code>"
        f'<span class="mark {node.style}">{_text(node.mark)}</span></li>'
        for node in answer.path
    )
    path = f'<ol class="path">{steps}</ol>' if steps else ""
    page = frame_html(answer.page, "The decision with its proofs") if answer.page else ""
    return f'<div class="answer" role="status"><p>{_text(answer.words)}</p>{path}{page}</div>'


def frame_html(page: str, title: str, *, scripts: bool = False) -> str:
    """A whole page inside this one, cut off from it: own styles, own policy, no links out."""
    allowed = "allow-scripts" if scripts else ""
    kind = "picture" if scripts else "record"
    return (
        f'<iframe class="{kind}" title="{_text(title)}" sandbox="{allowed}"'
        f' srcdoc="{html.escape(page)}"></iframe>'
    )


# --- live -----------------------------------------------------------------------------------------


def show(health: Health, picture: str, find: Find) -> None:
    """Display the live page in a notebook."""
    from IPython.display import display

    _display_html(head_html(health))
    display(board(health, find))  # type: ignore[no-untyped-call]
    _display_html(
        '<section class="audit"><h2>What was made from what</h2>'
        f"{frame_html(picture, 'What was made from what', scripts=True)}</section>"
    )


def board(health: Health, find: Find) -> "GridBox":
    """Search on top, what it found below, health in the margin."""
    from ipywidgets import HTML, Dropdown, GridBox, Text, VBox

    box = Text(placeholder="decision, item or order", continuous_update=False)
    choice = Dropdown(options=[("choose one", "")])
    choice.layout.display = "none"
    found = HTML('<p class="facts">Enter an id and press the enter key.</p>')

    def ask(change: dict[str, Any]) -> None:
        text = str(change["new"]).strip()
        if not text:
            return
        found.value = '<p class="facts" role="status">Looking and checking …</p>'
        answer = find(text)
        found.value = answer_html(answer)
        if change["owner"] is box:
            choice.options = [("choose one", ""), *((one.words, one.id) for one in answer.lines)]
            choice.layout.display = None if answer.lines else "none"

    box.observe(ask, names="value")
    choice.observe(ask, names="value")
    label = HTML('<label class="find">Find a decision, an item or an order</label>')
    grid = GridBox([VBox([label, box, choice, found]), HTML(health_html(health))])
    grid.add_class("live-audit").add_class("audit")
    return grid


def _display_html(text: str) -> None:
    from IPython.display import publish_display_data

    publish_display_data({"text/html": text, "text/plain": ""})  # type: ignore[no-untyped-call]


def _text(words: str) -> str:
    return html.escape(printable(words))


def _template(name: str) -> str:
    return resource(f"dashboards/templates/{name}").read_text(encoding="utf-8")
