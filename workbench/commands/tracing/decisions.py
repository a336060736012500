"""What `workbench trace` collects around a decision: its chain, its runs, what it rests on."""

import json
from typing import TYPE_CHECKING, Any

from workbench.commands.tracing.models import ModelChecks
from workbench.commands.tracing.rows import RowChecks
from workbench.errors import LogError
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from workbench.decision_log.trace import DecisionHistory, Entry, Node


class Evidence:
    """Run manifests and table versions of a workspace, each looked up once."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._runs: dict[str, dict[str, Any]] = {}
        self._rows = RowChecks(workspace.tables)
        self._models = ModelChecks(workspace)

    def run(self, run_id: str) -> dict[str, Any]:
        """What the run's manifest says; only its id where there is no report here."""
        if run_id not in self._runs:
            self._runs[run_id] = self._read_run(run_id)
        return self._runs[run_id]

    def rows(self, evidence: dict[str, Any], run_ids: list[str]) -> dict[str, Any]:
        """Row evidence, and whether its rows prove to be in that table version."""
        table, digest = evidence["table"], evidence["digest"]
        read = [(self.run(run_id).get("inputs") or {}).get(table) for run_id in run_ids]
        names = {one["version"] for one in read if one and one["digest"] == digest}
        return {**evidence, **self._rows.check(evidence, names).facts()}

    def model(self, model: dict[str, Any]) -> dict[str, Any]:
        """A model, and whether its bytes are here and have the digest on record."""
        check, where = self._models.check(model)
        return {**model, "path": where, **check.facts()}

    def _read_run(self, run_id: str) -> dict[str, Any]:
        paths = sorted(self._workspace.reports.glob(f"*/*/{run_id}/run.json"))
        if not paths or "/" in run_id or "*" in run_id:
            return {"run_id": run_id, "report": None}
        try:
            manifest = json.loads(paths[0].read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise LogError(f"{paths[0]}: not a run manifest ({error}); restore it.") from error
        kept = ("notebook", "headline", "as_of", "parameters", "inputs", "outputs", "models")
        report = paths[0].parent.relative_to(self._workspace.root).as_posix()
        return {"run_id": run_id, "report": report, **{k: manifest.get(k) for k in kept}}


def decision_facts(
    history: "DecisionHistory", entry: "Entry", evidence: Evidence
) -> dict[str, Any]:
    """All that is known about one decision."""
    answered = history.answered(entry)
    about = [entry.record, *(before.record for before in answered)]
    return {
        **_entry_facts(entry, evidence),
        # an answer may leave out what it is about
        "item_id": next((r["item_id"] for r in about if "item_id" in r), None),
        "location_id": next((r["location_id"] for r in about if "location_id" in r), None),
        "answers": [_entry_facts(before, evidence) for before in answered],
        "chain": _chain(history.tree(entry)),
    }


def _entry_facts(entry: "Entry", evidence: Evidence) -> dict[str, Any]:
    record = entry.record
    run_ids = [str(run_id) for run_id in record.get("run_ids", [])]
    return {
        "entry": entry.index,
        "proven": True,  # the history raises otherwise
        "record": record,
        "item_id": record.get("item_id"),
        "location_id": record.get("location_id"),
        "runs": [evidence.run(run_id) for run_id in run_ids],
        "models": [evidence.model(model) for model in record.get("models", [])],
        "evidence": [evidence.rows(rows, run_ids) for rows in record.get("evidence", [])],
    }


def _chain(node: "Node") -> dict[str, Any]:
    kept = (
        "id", "kind", "recorded_at", "actor", "role", "item_id", "location_id", "quantity",
        "unit", "after", "reason_code", "reasons", "valid_from", "valid_to", "expires",
    )  # fmt: skip
    record = node.entry.record
    facts = {name: record[name] for name in kept if name in record}
    return {
        "entry": node.entry.index,
        **facts,
        "followed_by": [_chain(follower) for follower in node.followed_by],
    }
