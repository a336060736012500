"""What the audit page shows: whether the log holds, what a search finds, the lineage graph."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workbench.commands.log import open_history, pinned_key
from workbench.commands.tracing.chain import step
from workbench.commands.tracing.check import TICK
from workbench.dashboards.audit import Answer, Find, Health, Line, Node, audit_html
from workbench.dashboards.publish import write_page
from workbench.errors import WorkbenchError
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from workbench.dashboards.decision_html import Rests
    from workbench.decision_log.trace import DecisionHistory, Entry
    from workbench.decision_log.verify import VerificationReport

PAGE: Final = "audit.html"
LISTED: Final = 200
_CHOICES: Final = 50
_PLACES: Final = (("Data", "Input"), ("Calculation", "Run"), ("Model", "Model"))


def health(workspace: Workspace) -> Health:
    """Verify the whole log now, and count runs by how they ended."""
    from workbench.decision_log.cosignature import Quorum
    from workbench.decision_log.keys import KeptCheckpoint
    from workbench.decision_log.verify import CANNOT_SEE, verify_log
    from workbench.decision_log.witnessing import configured_witnesses

    runs = tuple(_runs(workspace))
    if not (workspace.log / "checkpoint").is_file():
        return Health("No decision is logged yet.", None, runs)
    try:
        report = verify_log(
            workspace.log,
            pinned_key(workspace.log_origin()),
            seen=KeptCheckpoint(workspace.log_origin()).read(),
            quorum=Quorum(tuple(one.verifier for one in configured_witnesses(workspace)), 0),
        )
    except WorkbenchError as error:
        return Health(f"The log does not hold: {error}", False, runs)
    notes = (f"Log {report.checkpoint.origin}.", CANNOT_SEE)
    sentence = (
        f"The log holds: all {report.entries:,} entries are included under its signed checkpoint."
    )
    return Health(sentence, True, (*_log_tiles(report), *runs), notes)


def _log_tiles(report: "VerificationReport") -> Iterator[tuple[str, str, str]]:
    yield "Tree size", f"{report.checkpoint.size:,}", "entries under the checkpoint"
    yield (
        "Root",
        report.checkpoint.root.hex()[:8],
        "first of 64 digits: a fingerprint of all entries",
    )
    witnesses = len(report.cosignatures)
    yield "Witnesses", f"{witnesses:,}", "cosigned" if witnesses else "none cosigned"
    if report.clock_steps:
        yield "Clock", f"{report.clock_steps:,}", "entries with a time before the one they follow"


def _runs(workspace: Workspace) -> Iterator[tuple[str, str, str]]:
    from collections import Counter

    from workbench.runs.ledger import Ledger

    if not workspace.ledger.is_file():
        yield "Runs", "0", "none yet"
        return
    ends = Counter(status for _, _, status in Ledger(workspace.ledger).endings())
    yield "Runs complete", f"{ends['complete']:,}", f"of {ends.total():,}"
    yield "Open", f"{ends['running']:,}", "running, or ended by the next start"
    yield "Failed", f"{ends['failed'] + ends['aborted']:,}", f"{ends['aborted']:,} of them aborted"


def picture(workspace: Workspace) -> str:
    """The page of the lineage graph as it stands."""
    from workbench.dashboards.lineage_html import lineage_page
    from workbench.lineage.graph import lineage_graph
    from workbench.lineage.journal import Journal

    with lineage_graph(Journal(workspace.lineage)) as found:
        return lineage_page(found, framed=True)


def publish(workspace: Workspace, out: Path | None = None) -> Path:
    """Write the page as one HTML file, replaced as a whole.

    Raises:
        DashboardError: It cannot be written; an earlier page stands unchanged.
    """
    target = out or workspace.reports / "dashboards" / PAGE
    made = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    page = audit_html(health(workspace), picture(workspace), newest(workspace), made)
    return write_page(target, page)


# --- search ---------------------------------------------------------------------------------------


def newest(workspace: Workspace) -> list[Line]:
    """The newest decisions of the log; none where there is no log or it does not hold."""
    try:
        history = open_history(workspace)
        size = history.checkpoint.size
        positions = list(range(max(0, size - LISTED), size))
        entries = history.at(positions, lambda entry: True)
    except WorkbenchError:
        return []
    return [_line(history, entry) for entry in reversed(entries)]


def finder(workspace: Workspace) -> Find:
    """Answers a search: a decision by id, else the decisions of an order, else of an item."""

    def find(text: str) -> Answer:
        try:
            history = open_history(workspace)
            return _answer(workspace, history, _entries(workspace, history, text), text)
        except WorkbenchError as error:
            return Answer(str(error))
        except RecursionError:
            return Answer("The chain of this decision is nested too deeply to be shown.")

    return find


def _entries(workspace: Workspace, history: "DecisionHistory", text: str) -> "list[Entry]":
    from workbench.commands.tracing.orders import find_order

    found = history.find(text)
    if found is not None:
        return [found]
    try:
        lines = history.order_lines(find_order(history, workspace, text, None).lines)
        return list({one.decision.id: one.decision for one in lines if one.decision}.values())
    except WorkbenchError:  # no order of that name
        return history.decisions(text, location_id=None, day=None)


def _answer(
    workspace: Workspace, history: "DecisionHistory", entries: "list[Entry]", text: str
) -> Answer:
    if not entries:
        return Answer(f"{text}: no decision, order or item of that name in the log.")
    if len(entries) > 1:
        lines = tuple(_line(history, entry) for entry in entries[:_CHOICES])
        more = f", the first {_CHOICES} are listed" if len(entries) > _CHOICES else ""
        return Answer(f"{text}: {len(entries):,} decisions{more}. Choose one.", lines=lines)
    return _one(workspace, history, entries[0])


def _one(workspace: Workspace, history: "DecisionHistory", entry: "Entry") -> Answer:
    from workbench.commands.tracing.decisions import Evidence, decision_facts
    from workbench.commands.tracing.page import chain_nodes, decision_page
    from workbench.dashboards.decision_html import decisions_html

    facts = decision_facts(history, entry, Evidence(workspace, None))
    page, signed = decision_page(history, facts), history.checkpoint
    path = (*_evidence(page.evidence), *_steps(list(chain_nodes(facts["chain"]))))
    whole = decisions_html([page], origin=signed.origin, size=signed.size, root=signed.root.hex())
    return Answer(page.headline, path, whole)


def _evidence(found: "tuple[Rests, ...]") -> Iterator[Node]:
    """Input, run and model, each once: with the worst mark of what it stands for."""
    for kind, name in _PLACES:
        of = [one for one in found if one.kind == kind]
        if of:
            worst = min(of, key=lambda one: ("altered", "open", "proven").index(one.style))
            first = of[0]
            more = f" and {len(of) - 1} more" if len(of) > 1 else ""
            digest = first.note.removeprefix("SHA-256 ").removeprefix("digest ")
            shown = digest[:12] if kind != "Calculation" else first.what.rpartition(" ")[2][:13]
            what = first.what.partition(",")[0].removeprefix("Table ")
            yield Node(name, f"{what}{more}", shown, worst.mark, worst.style)


def _steps(nodes: list[dict[str, Any]]) -> Iterator[Node]:
    for node in nodes:
        kind = {"proposal": "Proposal", "outcome": "Outcome"}.get(node["kind"], "Decision")
        words = step(node)
        yield Node(
            kind, words[:1].upper() + words[1:], f"entry {node['entry']:,}", f"{TICK} in the log",
            "proven",
        )  # fmt: skip


def _line(history: "DecisionHistory", entry: "Entry") -> Line:
    record = entry.record
    item, place = history.about(entry, "item_id"), history.about(entry, "location_id")
    about = (f" · item {item}" if item else "") + (f" at {place}" if place else "")
    quantity = record.get("after", record.get("quantity"))
    much = (
        "" if quantity is None else f" · {quantity:g}" if isinstance(quantity, int | float) else ""
    )
    return Line(entry.id, f"entry {entry.index:,} · {entry.kind}{about}{much}")
