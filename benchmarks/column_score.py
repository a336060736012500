"""What events say of columns, against what experiments showed: right, not seen, not said."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.column_changes import ROWS, key_columns
from benchmarks.column_oracle import Column, Observed
from workbench.lineage.journal import Journal
from workbench.workspace import Workspace

Pair = tuple[Column, Column]  # column of an input, column of an output


@dataclass(frozen=True)
class Stated:
    """The column lineage of one output table: of its columns, and of its rows."""

    columns: Mapping[str, frozenset[Column]]
    rows: frozenset[Column]


def stated(workspace: Workspace, job: str) -> dict[str, Stated]:
    """By table, what the last COMPLETE event of a job says."""
    event = [
        event for event in Journal(workspace.lineage).events()
        if event.get("eventType") == "COMPLETE" and event["job"]["name"].startswith(job)
    ][-1]  # fmt: skip
    return {
        output["name"]: _stated(output["facets"]["columnLineage"])
        for output in event["outputs"]
        if "columnLineage" in output["facets"]
    }


def _stated(facet: Mapping[str, Any]) -> Stated:
    columns = {name: _columns(one["inputFields"]) for name, one in facet["fields"].items()}
    return Stated(columns, _columns(facet.get("dataset") or []))


def _columns(fields: Iterable[Mapping[str, str]]) -> frozenset[Column]:
    return frozenset((_source(one["name"]), one["field"]) for one in fields)


def _source(name: str) -> str:
    """A table by its name, a file of a package by its stem, of a report by its path in it."""
    if name.startswith("data/"):
        return Path(name).stem
    return "/".join(name.split("/")[-2:])


# --- the judgement ------


@dataclass
class Score:
    """Pairs of input and output column of one step.

    Attributes:
        right: Said and seen.
        unseen: Said, and no experiment showed it.
        unsaid: Seen, and not said.
    """

    name: str
    right: set[Pair] = field(default_factory=set)
    unseen: set[Pair] = field(default_factory=set)
    unsaid: set[Pair] = field(default_factory=set)
    columns: int = 0
    experiments: int = 0

    @property
    def precision(self) -> float:
        return len(self.right) / max(1, len(self.right) + len(self.unseen))

    @property
    def recall(self) -> float:
        return len(self.right) / max(1, len(self.right) + len(self.unsaid))


def judge(name: str, said: Mapping[str, Stated], seen: Observed) -> Score:
    """Compare what a step says with what experiments on it showed.

    Judged are, for each input column that some experiment could change: the values of each output
    column, where the row is there before and after; and which rows there are, key included.
    """
    score = Score(name, experiments=sum(seen.tried.values()))
    told = pairs(said)
    for column, shown in seen.pairs.items():
        if not seen.tried[column]:
            continue
        score.columns += 1
        seen_here = {(table, ROWS if name in key_columns(table) else name) for table, name in shown}
        said_here = told.get(column, set())
        score.right |= {(column, one) for one in said_here & seen_here}
        score.unseen |= {(column, one) for one in said_here - seen_here}
        score.unsaid |= {(column, one) for one in seen_here - said_here}
    return score


def pairs(said: Mapping[str, Stated]) -> dict[Column, set[Column]]:
    """By input column, the output columns that are said to follow from it."""
    found: dict[Column, set[Column]] = {}
    for table, statement in said.items():
        key = key_columns(table)
        for name, sources in statement.columns.items():
            for source in sources:
                found.setdefault(source, set()).add((table, ROWS if name in key else name))
        for source in statement.rows:
            found.setdefault(source, set()).add((table, ROWS))
    return found
