"""Decisions as one HTML page for readers who trust nobody: what happened, why, and the proofs.

It has no script and asks no host. Everything in it is escaped by the template, also what would
reverse the direction of writing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from workbench.contracts.printable import printable
from workbench.resources import resource

POLICY: Final = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'none'"
)


@dataclass(frozen=True)
class Step:
    """One entry of the chain: what it did, why, who and when, and what it follows if not the last.

    Attributes:
        here: Whether it is the one that the page is about.
    """

    words: str
    by: str
    reason: str = ""
    branch: str = ""
    here: bool = False


@dataclass(frozen=True)
class Rests:
    """A piece of evidence.

    Attributes:
        style: Class of its mark: `proven`, `altered` or `open`.
    """

    kind: str
    what: str
    note: str
    mark: str
    style: str


@dataclass(frozen=True)
class DecisionPage:
    """What the page says of one decision; all as text for people."""

    entry: str
    headline: str
    facts: str
    verdict: str
    simulated: bool = False
    places: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    tiles: tuple[tuple[str, str, str], ...] = ()
    chain: tuple[Step, ...] = ()
    others: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    evidence: tuple[Rests, ...] = ()
    proofs: tuple[tuple[str, str], ...] = field(default=())
    records: tuple[tuple[str, str], ...] = field(default=())


def decisions_html(pages: Sequence[DecisionPage], *, origin: str, size: int, root: str) -> str:
    """The whole page.

    Args:
        pages: Decisions, in order.
        origin: Of the log.
        size: Of the signed checkpoint that all is proven against.
        root: Its root hash, in hex.
    """
    from jinja2 import Environment

    environment = Environment(autoescape=True, finalize=_shown)
    template = environment.from_string(_template("decision.html.j2"))
    return template.render(
        pages=pages,
        title=pages[0].headline if len(pages) == 1 else f"{len(pages):,} decisions",
        css=_template("page.css") + _template("decision.css"),
        policy=POLICY,
        origin=origin,
        size=f"{size:,}",
        root=root,
    )


def _shown(value: Any) -> Any:
    return printable(value) if type(value) is str else value


def _template(name: str) -> str:
    return resource(f"dashboards/templates/{name}").read_text(encoding="utf-8")
