"""The last word of a trace: whether everything that could be checked holds."""

from collections.abc import Iterator
from typing import Any


def verdict(decisions: list[dict[str, Any]]) -> dict[str, Any]:
    """Whether nothing is false, what is, and what could not be checked.

    Entries that are not those of the signed log never get this far; what is judged here is what
    they rest on. Missing evidence is no falsification and leaves the verdict as it is.
    """
    checked = list(dict.fromkeys(pair for decision in decisions for pair in _checked(decision)))
    places = [place for place, state in checked if state == "altered"]
    return {
        "verified": not places,
        "places": places,
        "not_checkable": [place for place, state in checked if state == "not checkable"],
    }


def _checked(decision: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Place and state of everything that was checked about a decision and what it answers."""
    for entry in (decision, *decision["answers"]):
        for run in entry["runs"]:
            yield f"report of run {run['run_id']} ({run['notebook'] or 'unknown'})", run["state"]
        if entry["policy"]:
            yield f"policy {entry['policy']['digest'][:12]}…", entry["policy"]["state"]
        for model in entry["models"]:
            yield f"model {model['name']} version {model['version']}", model["state"]
        for rows in entry["evidence"]:
            span = f"rows {rows['first_row']:,} to {rows['last_row']:,} of table {rows['table']}"
            yield f"{span} ({rows['digest'][:12]}…)", rows["state"]
