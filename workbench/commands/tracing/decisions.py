"""What `workbench trace` collects around a decision: its chain, its runs, what it rests on."""

from typing import TYPE_CHECKING, Any

from workbench.commands.tracing.models import ModelChecks
from workbench.commands.tracing.policies import PolicyChecks
from workbench.commands.tracing.reports import RunReports
from workbench.commands.tracing.rows import RowChecks
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from workbench.decision_log.trace import DecisionHistory, Entry, Node


class Evidence:
    """What decisions of a workspace rest on, each looked up and checked once."""

    def __init__(self, workspace: Workspace) -> None:
        self._reports = RunReports(workspace)
        self._models = ModelChecks(workspace)
        self._policies = PolicyChecks(workspace.root)
        self._rows = RowChecks(workspace.tables)

    def run(self, run_id: str) -> dict[str, Any]:
        """What is known of a run, and whether its report is the one that it left."""
        return self._reports.run(run_id)

    def rows(self, evidence: dict[str, Any], run_ids: list[str]) -> dict[str, Any]:
        """Row evidence, and whether its rows prove to be in that table version."""
        table, digest = str(evidence["table"]), str(evidence["digest"])
        names = [self._reports.version_names(run_id, table, digest) for run_id in run_ids]
        return {**evidence, **self._rows.check(evidence, set().union(*names)).facts()}

    def model(self, model: dict[str, Any]) -> dict[str, Any]:
        """A model, and whether its bytes are here and have the digest on record."""
        check, where = self._models.check(model)
        return {**model, "path": where, **check.facts()}

    def policy(self, record: dict[str, Any]) -> dict[str, Any] | None:
        """The policy that a record names, and where its text is; None where it names none."""
        digest = record.get("policy_digest")
        return self._policies.check(str(digest)) if digest else None


def decision_facts(
    history: "DecisionHistory", entry: "Entry", evidence: Evidence
) -> dict[str, Any]:
    """All that is known about one decision."""
    answered = history.answered(entry)
    earlier, later = history.rivals(entry)
    about = [entry.record, *(before.record for before in answered)]
    return {
        **_entry_facts(entry, evidence),
        # an answer may leave out what it is about
        "item_id": next((r["item_id"] for r in about if "item_id" in r), None),
        "location_id": next((r["location_id"] for r in about if "location_id" in r), None),
        "valid_from": history.about(entry, "valid_from"),
        "answers": [_entry_facts(before, evidence) for before in answered],
        "chain": _chain(history.tree(entry)),
        "replaces": [_brief(history, other) for other in earlier],
        "superseded_by": [_brief(history, other) for other in later],
    }


def _brief(history: "DecisionHistory", entry: "Entry") -> dict[str, Any]:
    """Another decision about the same, in a line."""
    names = ("kind", "recorded_at", "actor", "quantity", "unit", "after", "expires")
    return {
        "id": entry.id,
        "entry": entry.index,
        "valid_from": history.about(entry, "valid_from"),
        "valid_to": history.about(entry, "valid_to"),
        **{name: entry.record[name] for name in names if name in entry.record},
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
        "policy": evidence.policy(record),
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
