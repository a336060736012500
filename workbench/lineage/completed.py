"""What COMPLETE events hold on record: digests of the files and versions of the tables of a run."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any, Final

from workbench.errors import LineageError
from workbench.lineage.journal import Journal, Line
from workbench.lineage.names import FILE_NAMESPACE, SCHEME

_RUN: Final = re.compile(rb'"runId":\s*"([^"]{1,100})"')


class CompletedRuns:
    """COMPLETE events of a journal by run; the journal is read once, at the first question."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._lines: dict[str, list[Line]] | None = None

    def event(self, run_id: str) -> Mapping[str, Any] | None:
        """The COMPLETE event of a run; None where the journal has none that can be read."""
        for line in self._found().get(run_id, []):
            try:
                event = line.event()
                if event["eventType"] == "COMPLETE" and event["run"]["runId"] == run_id:
                    return event
            except (LineageError, KeyError, TypeError, RecursionError):
                continue
        return None

    def _found(self) -> dict[str, list[Line]]:
        if self._lines is None:
            lines = defaultdict(list)
            for line in self._journal.lines():
                if b'"COMPLETE"' in line.data:  # parsing all of a year's events takes too long
                    for run_id in set(_RUN.findall(line.data)):
                        lines[run_id.decode("utf-8", "replace")].append(line)
            self._lines = dict(lines)
        return self._lines


def file_digests(event: Mapping[str, Any], run_id: str) -> dict[str, str]:
    """SHA-256 of the files in a run's report, by path within it.

    Files of a workspace are named by their path in it, others by their absolute path. A workspace
    may have moved since: of the recorded path only what follows the run's id counts.
    """
    return {
        name.rpartition(f"/{run_id}/")[2]: digest
        for space, name, digest, _ in _datasets(event, "outputs")
        if (space == FILE_NAMESPACE or space.startswith(SCHEME)) and f"/{run_id}/" in name
    }


def version_names(event: Mapping[str, Any], table: str, digest: str) -> set[str]:
    """Names of the version of a table with this digest that a run read or wrote."""
    found = (*_datasets(event, "inputs"), *_datasets(event, "outputs"))
    return {version for _, name, held, version in found if (name, held) == (table, digest)}


def _datasets(event: Mapping[str, Any], side: str) -> Iterator[tuple[str, str, str, str]]:
    """Namespace, name, digest and version name; what has another form is left out."""
    for dataset in event.get(side) or []:
        try:
            facets = dataset["facets"]
            digest = str(facets["version"]["datasetVersion"])
            version = str(facets.get("workbench_provenance", {}).get("version", ""))
            yield str(dataset["namespace"]), str(dataset["name"]), digest, version
        except (KeyError, TypeError, AttributeError):
            continue
