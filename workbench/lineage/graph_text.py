"""The graph as text for a terminal."""

import textwrap
from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

from workbench.lineage.graph import Links, RunView
from workbench.lineage.graph_events import FILE, REPORT
from workbench.lineage.graph_walk import Found, Version

LINES: Final = 56  # with the headings of its parts, on a screen of 60
_WIDTH: Final = 100
_INDENT: Final = "    "


def overview(runs: Iterable[RunView], *, full: bool = False) -> Iterator[str]:
    """Each run in a line, and below it what it made from what."""
    for run in runs:
        run_id = run.run_id if full else run.run_id[-8:]
        yield printable(f"{run.job} · {run.at:%Y-%m-%d %H:%M} · run {run_id}")
        for sources, made in run.steps:
            read = ", ".join(sorted(_short(one, full) for one in sources)) or "nothing on record"
            wrote = ", ".join(sorted(_short(one, full) for one in made)) or "no dataset"
            text = printable(f"{read} → {wrote}")
            yield from textwrap.wrap(
                text, _WIDTH, initial_indent=_INDENT, subsequent_indent=_INDENT * 2,
                break_long_words=False, break_on_hyphens=False,
            )  # fmt: skip


def tree(root: str, links: Links) -> list[str]:
    """Lines of a text tree; what was shown before is not unfolded again."""
    lines, shown = [printable(root)], {root}
    waiting = [(root, "", iter(_children(root, links)))]
    while waiting:
        parent, indent, children = waiting[-1]
        found = next(children, None)
        if found is None:
            waiting.pop()
            continue
        child, is_last = found
        again = child in shown and bool(links.get(child))
        corner = "└── " if is_last else "├── "
        jobs = ", ".join(sorted(filter(None, links[parent][child])))
        mark = " …" if again else ""
        lines.append(printable(f"{indent}{corner}{child}{f'  ({jobs})' if jobs else ''}{mark}"))
        if not again:
            shown.add(child)
            deeper = indent + ("    " if is_last else "│   ")
            waiting.append((child, deeper, iter(_children(child, links))))
    return lines


def columns(found: Iterable[Found]) -> list[str]:
    """Lines of columns that were reached, near ones first."""
    lines = []
    for one in found:
        held = ", ".join(f"{one.version.name}.{name}" for name in one.columns if name)
        made = f"  ({one.version.job})" if one.version.job else ""
        lines.append(printable(f"{_INDENT}{held or f'{one.version.name}, all columns'}{made}"))
    return lines or [f"{_INDENT}nothing on record"]


def cut(lines: list[str], *, full: bool, parts: int = 1) -> list[str]:
    """No more lines than fit a screen that has to hold so many parts, unless all are wanted."""
    most = LINES // parts
    if full or len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"… {len(lines) - most + 1} more lines; --full shows all"]


def printable(text: str) -> str:
    """Without characters that would steer a terminal: names in events are others' to choose."""
    return "".join(letter if letter.isprintable() else "�" for letter in text)


def _children(parent: str, links: Links) -> list[tuple[str, bool]]:
    names = sorted(links.get(parent, {}))
    return [(name, name == names[-1]) for name in names]


def _short(version: Version, full: bool) -> str:
    if full:
        return version.name + (f"@{version.digest[:12]}" if version.digest else "")
    if version.kind == REPORT:
        return "its report"
    return PurePosixPath(version.name).name if version.kind == FILE else version.name
