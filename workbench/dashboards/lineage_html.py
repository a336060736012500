"""The lineage graph as one HTML page: a picture to search, zoom and narrow down, and a list.

Where things stand is computed here; the page's script only moves and hides. It asks no host, and
its policy allows no script but this one.
"""

import base64
import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from workbench.lineage.graph import Graph, Start
from workbench.lineage.graph_events import FILE, MODEL, REPORT
from workbench.lineage.graph_layout import Edge, layout
from workbench.lineage.graph_walk import Version
from workbench.resources import resource

_BOX: Final = (196.0, 44.0)
_LOW_BOX: Final = (196.0, 26.0)  # name only, where there are many
_DOT: Final = (10.0, 10.0)
_MANY: Final = 120  # boxes beyond which the page opens with one box per job
_WORDS: Final = {FILE: "file", MODEL: "model", REPORT: "report"}


def lineage_page(
    graph: Graph, start: Start | None = None, *, as_of: str = "", framed: bool = False
) -> str:
    """The whole page.

    Args:
        graph: As of the time that is drawn.
        start: What the page opens at; default: everything.
        as_of: That time as it was asked for, for the heading; empty: now.
        framed: It stands inside another page, which has a heading of its own.
    """
    from jinja2 import Environment

    versions, edges = graph.current()
    full, steps = _detail(versions, edges)
    used = _used_reports(versions, edges)
    shown = [one for one in versions if one.kind != REPORT or one.node in used]
    detail, _ = _detail(shown, edges)
    script = _template("lineage.js")
    view = {
        "detail": detail,
        "full": full,
        "jobs": _by_job(full, steps),
        "open": _asked_about(start, {node["id"] for node in full["nodes"]}),
        "hide": [] if start is not None and start.is_run else ["report"],
        "start": "jobs" if start is None and len(detail["nodes"]) > _MANY else "detail",
    }
    template = Environment(autoescape=True).from_string(_template("lineage.html.j2"))
    return template.render(
        headline=_headline(versions, start),
        as_of=as_of or "now",
        framed=framed,
        policy=_policy(script),
        css=_template("page.css") + _template("lineage.css"),
        script=script,
        data=json.dumps(view, separators=(",", ":")).replace("<", "\\u003c"),
        rows=_rows(versions, edges),
    )


def _headline(versions: Iterable[Version], start: Start | None) -> str:
    found = list(versions)
    tables = len({one.dataset for one in found if one.kind == "table"})
    jobs = len({one.job for one in found if one.job})
    whole = f"{tables:,} tables from {jobs:,} jobs"
    if start is None:
        return f"{whole}: what each was made from, and what it feeds"
    return f"{start.title}: what it was made from, and what it feeds"


def _policy(script: str) -> str:
    """Allows this script and styles of the page, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline';"
        " img-src data:; base-uri 'none'; form-action 'none'"
    )


# --- pictures -----------------------------------------------------------------------------------


def _detail(
    versions: Iterable[Version], edges: Collection[Edge]
) -> tuple[dict[str, Any], dict[int, str]]:
    """Datasets and, between them, what was made together from the same; and the steps' jobs."""
    known = {one.node: one for one in versions}
    sources: dict[int, set[int]] = defaultdict(set)
    for source, target in edges:
        if target in known:
            sources[target].add(source)
    together: dict[tuple[str, str, frozenset[int]], list[int]] = defaultdict(list)
    for node, one in known.items():
        if one.run_id:
            together[one.run_id, one.job, frozenset(sources[node])].append(node)
    newest, used = _newest(known.values()), _used_reports(known.values(), edges)
    nodes = [
        _box(one, is_newest=one.node in newest, is_used=one.node in used) for one in known.values()
    ]
    lines: list[Edge] = []
    steps = {}
    fresh = max(known, default=0)
    for (run_id, job, read), made in together.items():
        if not read:
            continue
        fresh += 1
        steps[fresh] = job
        nodes.append({"id": fresh, "label": job, "kind": "job", "run": run_id})
        lines += [(one, fresh) for one in sorted(read)] + [(fresh, one) for one in made]
    return _placed(nodes, lines), steps


def _used_reports(versions: Iterable[Version], edges: Iterable[Edge]) -> set[int]:
    """Reports from whose files something else was made: sources like any other file."""
    kinds = {one.node: one.kind for one in versions}
    return {
        source
        for source, target in edges
        if kinds.get(source) == REPORT and kinds.get(target, REPORT) != REPORT
    }


def _newest(versions: Iterable[Version]) -> set[int]:
    last: dict[int, Version] = {}
    for one in versions:
        known = last.get(one.dataset)
        if known is None or (one.at, one.node) > (known.at, known.node):
            last[one.dataset] = one
    return {one.node for one in last.values()}


def _box(one: Version, *, is_newest: bool, is_used: bool) -> dict[str, Any]:
    word = _WORDS.get(one.kind, "table")
    note = f"{word} · {one.job or 'from outside'}"
    return {
        "id": one.node, "label": _short(one), "name": one.name,
        "kind": "file" if is_used else word,
        "note": note if is_newest else f"earlier {note}",
        "digest": "" if one.kind == REPORT else one.digest,
        "job": one.job, "run": one.run_id, "at": f"{one.moment:%Y-%m-%d %H:%M:%S} UTC",
    }  # fmt: skip


def _short(one: Version) -> str:
    if one.kind in (FILE, REPORT):
        return one.name.rstrip("/").rpartition("/")[2]
    return one.name


def _by_job(detail: Mapping[str, Any], steps: Mapping[int, str]) -> dict[str, Any]:
    """One box per job, joined where one reads what another wrote; other sources by their kind."""
    boxes = [node for node in detail["nodes"] if node["kind"] != "job"]
    makers = {node["id"]: node["job"] for node in boxes}
    numbers = {job: n for n, job in enumerate(sorted(filter(None, set(makers.values()))), 1)}
    made: dict[str, set[str]] = defaultdict(set)
    for node in boxes:
        made[node["job"]].add(node["label"])
    outside = len(numbers) + 1
    lines = {
        (numbers.get(makers[source], outside), numbers[steps[target]])
        for source, target in detail["edges"]
        if target in steps and makers[source] != steps[target]
    }
    nodes: list[dict[str, Any]] = [
        {"id": number, "label": job, "kind": "step", "makes": sorted(made[job]),
         "note": f"job · makes {len(made[job]):,}"}
        for job, number in numbers.items()
    ]  # fmt: skip
    if any(source == outside for source, _ in lines):
        nodes.append(
            {"id": outside, "label": "outside", "kind": "file", "note": "not made by runs"}
        )
    return _placed(nodes, sorted(lines))


def _placed(nodes: list[dict[str, Any]], lines: Iterable[Edge]) -> dict[str, Any]:
    edges = list(dict.fromkeys(lines))
    box = _LOW_BOX if len(nodes) > _MANY else _BOX
    sizes = {node["id"]: _DOT if node["kind"] == "job" else box for node in nodes}
    plan = layout(sizes, edges)
    placed = [
        {
            **node, "w": sizes[node["id"]][0], "h": sizes[node["id"]][1],
            "x": round(plan.centres[node["id"]][0], 1), "y": round(plan.centres[node["id"]][1], 1),
            "layer": plan.layers[node["id"]],
        }
        for node in nodes
    ]  # fmt: skip
    bends = [[[round(x, 1), round(y, 1)] for x, y in plan.bends[edge]] for edge in edges]
    return {
        "nodes": placed, "edges": edges, "bends": bends,
        "width": round(plan.width, 1), "height": round(plan.height, 1),
    }  # fmt: skip


def _asked_about(start: Start | None, drawn: set[int]) -> list[int]:
    """Versions that the page opens at; of a run, what it made."""
    if start is None:
        return []
    asked = start.results if start.results else start.sources
    return [node for node in asked if node in drawn]


# --- list ---------------------------------------------------------------------------------------


def _rows(versions: Iterable[Version], edges: Iterable[Edge]) -> list[dict[str, Any]]:
    """Newest version of each dataset in words, for readers without the picture."""
    known = {one.node: one for one in versions}
    newest = _newest(known.values())
    read, fed = defaultdict(set), defaultdict(set)
    for source, target in edges:
        read[known[target].dataset].add(_short(known[source]))
        if known[target].kind != REPORT:
            fed[known[source].dataset].add(_short(known[target]))
    return [
        {
            "id": one.node, "name": _short(one), "title": one.name,
            "kind": _WORDS.get(one.kind, "table"), "job": one.job or "outside",
            "at": f"{one.moment:%Y-%m-%d %H:%M}" if one.run_id else "",
            "read": ", ".join(sorted(read[one.dataset])),
            "fed": ", ".join(sorted(fed[one.dataset])),
        }
        for one in sorted(known.values(), key=lambda one: (one.kind != "table", one.name))
        if one.node in newest
    ]  # fmt: skip


def _template(name: str) -> str:
    return resource(f"dashboards/templates/{name}").read_text(encoding="utf-8")
