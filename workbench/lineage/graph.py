"""Which tables were made from which, by which jobs, as the journal has it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from typing import Any, Final

from workbench.errors import LineageError
from workbench.lineage.names import FILE_NAMESPACE, SCHEME

_SHOWN: Final = 80
Edges = Mapping[str, Mapping[str, frozenset[str]]]
"""Dataset to the datasets next to it, each with the jobs between them."""


@dataclass(frozen=True)
class TableGraph:
    """Datasets, and for each the ones that it was made from and that were made from it."""

    datasets: tuple[str, ...]
    upstream: Edges
    downstream: Edges

    def reach(self, dataset: str, edges: Edges) -> list[str]:
        """Every dataset that can be reached, near ones first; itself only through a cycle.

        Raises:
            LineageError: No run read or wrote it.
        """
        if dataset not in self.datasets:
            near = self._near(dataset)
            raise LineageError(
                f"lineage: no run read or wrote {dataset[:_SHOWN]!r}; expected a table or file of"
                f" the journal{f', such as {near}' if near else ', which names none yet'}."
            )
        found: dict[str, None] = {}
        frontier = [dataset]
        while frontier:
            frontier = [n for d in frontier for n in sorted(edges.get(d, {})) if n not in found]
            found |= dict.fromkeys(frontier)
        return list(found)

    def _near(self, dataset: str) -> str:
        """A few names like the one that is asked for, else the first."""
        names = [name for name in self.datasets if not name.startswith("/")]
        near = get_close_matches(dataset[:_SHOWN], names, 5, 0.5) or names[:5]
        return ", ".join(near)


def table_graph(
    events: Iterable[Mapping[str, Any]], *, until: datetime | None = None
) -> TableGraph:
    """The graph of completed runs, of all or of those that had completed at a time."""
    datasets: set[str] = set()
    upstream: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    downstream: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for event in events:
        if event.get("eventType") != "COMPLETE" or _is_later(event, until):
            continue
        try:
            job = str(event["job"]["name"])
            read = {label(dataset) for dataset in event.get("inputs", [])}
            written = {label(dataset) for dataset in event.get("outputs", [])}
        except (KeyError, TypeError) as error:
            raise LineageError(
                "lineage: an event of the journal lacks job or dataset names; expected OpenLineage,"
                " 'workbench lineage validate' names the line."
            ) from error
        datasets |= read | written
        for made in written:
            for used in read:
                upstream[made][used].add(job)
                downstream[used][made].add(job)
    return TableGraph(tuple(sorted(datasets)), _frozen(upstream), _frozen(downstream))


def label(dataset: Mapping[str, Any]) -> str:
    """Short name of a dataset: a table's name, a file's path, both parts of any other."""
    space, name = str(dataset["namespace"]), str(dataset["name"])
    if space.startswith(SCHEME) or space == FILE_NAMESPACE:
        return name
    return f"{space}/{name}"


def tree(dataset: str, edges: Edges) -> list[str]:
    """Lines of a text tree; what was shown before is not unfolded again."""
    lines, shown = [dataset], {dataset}

    def branch(parent: str, indent: str) -> None:
        children = sorted(edges.get(parent, {}).items())
        for position, (child, jobs) in enumerate(children, 1):
            last = position == len(children)
            again = child in shown and bool(edges.get(child))
            mark = " …" if again else ""
            corner = "└── " if last else "├── "
            lines.append(f"{indent}{corner}{child}  ({', '.join(sorted(jobs))}){mark}")
            if not again:
                shown.add(child)
                branch(child, indent + ("    " if last else "│   "))

    branch(dataset, "")
    return lines


def _is_later(event: Mapping[str, Any], until: datetime | None) -> bool:
    return until is not None and datetime.fromisoformat(event["eventTime"]) > until


def _frozen(edges: Mapping[str, Mapping[str, set[str]]]) -> Edges:
    return {a: {b: frozenset(jobs) for b, jobs in row.items()} for a, row in edges.items()}
