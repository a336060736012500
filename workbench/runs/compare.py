"""What a run was, and what differs between two runs."""

from dataclasses import asdict
from typing import Any, Final

from workbench.runs.ledger import RunRow
from workbench.runs.manifest import read_manifest
from workbench.workspace import Workspace

_COMPARED: Final = (
    "job", "status", "as_of", "parameters", "inputs", "outputs", "models", "headline", "simulated",
    "code", "lock", "python", "cluster",
)  # fmt: skip


def run_facts(workspace: Workspace, row: RunRow) -> dict[str, Any]:
    """What the ledger says of a run and, where it left a report, what its manifest adds.

    Tables are given by content digest, which leaves run ids out, or by version where there is no
    report.

    Raises:
        RunError: The manifest is unreadable.
    """
    facts = asdict(row)
    if not row.report:
        return facts
    manifest = read_manifest(workspace.root / row.report)
    for name in ("inputs", "outputs"):
        facts[name] = {t: version["content_digest"] for t, version in manifest[name].items()}
    facts["models"] = {model["name"]: model["digest"] for model in manifest["models"]}
    kept = ("title", "headline", "simulated", "proposals", "records", "code", "lock", "python",
            "cluster")  # fmt: skip
    return {**facts, **{name: manifest.get(name) for name in kept}, "seconds": manifest["seconds"]}


def differences(workspace: Workspace, first: RunRow, second: RunRow) -> list[tuple[str, Any, Any]]:
    """Name and both values of every fact that differs; None where a run lacks it.

    Where one left no report, what the ledger says of both is compared: tables by version.
    """
    if first.report and second.report:
        one, two = _flat(run_facts(workspace, first)), _flat(run_facts(workspace, second))
    else:
        one, two = _flat(asdict(first)), _flat(asdict(second))
    return [
        (name, one.get(name), two.get(name))
        for name in sorted({*one, *two})
        if one.get(name) != two.get(name)
    ]


def _flat(facts: dict[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name in _COMPARED:
        value = facts.get(name)
        if isinstance(value, dict):
            flat |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            flat[name] = value
    return flat
