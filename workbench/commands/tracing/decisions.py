"""What `workbench trace` collects around a decision: its chain, its runs, what it rests on."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from workbench.commands.tracing.models import ModelChecks
from workbench.commands.tracing.policies import PolicyChecks
from workbench.commands.tracing.reports import RunReports
from workbench.commands.tracing.rows import RowChecks
from workbench.contracts.records import KINDS
from workbench.decision_log.privacy.opening import private_values
from workbench.errors import VerificationError
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from workbench.decision_log.privacy.vault import Vault
    from workbench.decision_log.trace import DecisionHistory, Entry, Node


class Evidence:
    """What decisions of a workspace rest on, each looked up and checked once.

    Args:
        workspace: Where it lies.
        vault: Opens private values; None: they stay sealed.
    """

    def __init__(self, workspace: Workspace, vault: "Vault | None" = None) -> None:
        self.vault = vault
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
    from workbench.decision_log.answers import settled_by
    from workbench.decision_log.standing import standing

    answered = history.answered(entry)
    stands = standing(history, entry)
    settled = settled_by(history, entry)
    about = [entry.record, *(before.record for before in answered)]
    return {
        **_entry_facts(history, entry, evidence),
        # an answer may leave out what it is about
        "item_id": next((r["item_id"] for r in about if "item_id" in r), None),
        "location_id": next((r["location_id"] for r in about if "location_id" in r), None),
        "valid_from": history.about(entry, "valid_from"),
        "settled": settled_facts(history, settled[-1]) if settled else None,
        "answers": [_entry_facts(history, before, evidence) for before in answered],
        "answers_pruned": _pruned_before([entry, *answered][-1], history),
        "chain": _chain(history.tree(entry)),
        "replaces": [brief(history, other) for other in stands.supersedes],
        "superseded_by": [brief(history, other) for other in stands.superseded_by],
        "waits_behind": [_settled_brief(history, other) for other in stands.behind],
        "newer_proposals": [brief(history, other) for other in stands.waiting],
        "ordered_otherwise": [_settled_brief(history, order) for order in stands.orders],
    }


def settled_facts(history: "DecisionHistory", last: "Entry") -> dict[str, Any]:
    """What became of a decision: its last answer or its execution, and the quantity that holds."""
    from workbench.decision_log.answers import decided_quantity, state_sentence

    quantity = 0.0 if last.kind == "rejection" else decided_quantity(history, last)
    return {
        "id": last.id,
        "entry": last.index,
        "kind": last.kind,
        "quantity": quantity,
        "unit": history.about(last, "unit"),
        "sentence": state_sentence(last),
    }


def _pruned_before(entry: "Entry", history: "DecisionHistory") -> str | None:
    """What the first known entry of a chain answers, where that was pruned."""
    before = entry.text("supersedes")
    stated = history.pruned(before) if before else None
    return f"{before}, {stated}" if stated else None


def brief(history: "DecisionHistory", entry: "Entry") -> dict[str, Any]:
    """What a list says of a decision; what it rests on is not looked at."""
    names = ("kind", "recorded_at", "actor", "quantity", "unit", "after", "expires")
    return {
        "id": entry.id,
        "entry": entry.index,
        "item_id": history.about(entry, "item_id"),
        "location_id": history.about(entry, "location_id"),
        "valid_from": history.about(entry, "valid_from"),
        "valid_to": history.about(entry, "valid_to"),
        **{name: entry.record[name] for name in names if name in entry.record},
    }


def _settled_brief(history: "DecisionHistory", entry: "Entry") -> dict[str, Any]:
    """An answer or order about the same, and what it did."""
    return {**brief(history, entry), **settled_facts(history, entry)}


def _entry_facts(history: "DecisionHistory", entry: "Entry", evidence: Evidence) -> dict[str, Any]:
    record = entry.record
    _check_form(entry)
    run_ids = [str(run_id) for run_id in record.get("run_ids", [])]
    return {
        "entry": entry.index,
        "proven": True,  # the history raises otherwise
        "record": record,
        "private": [value.facts() for value in private_values(history, entry, evidence.vault)],
        "item_id": record.get("item_id"),
        "location_id": record.get("location_id"),
        "runs": [evidence.run(run_id) for run_id in run_ids],
        "policy": evidence.policy(record),
        "models": [evidence.model(model) for model in record.get("models", [])],
        "evidence": [evidence.rows(rows, run_ids) for rows in record.get("evidence", [])],
    }


def _check_form(entry: "Entry") -> None:
    """Refuse a record whose fields are of another kind than a decision's.

    Raises:
        VerificationError: Naming the field; the log's key signed it all the same.
    """
    for name, fits in _FORMS.items():
        value = entry.record.get(name)
        if value is not None and not fits(value):
            raise VerificationError(
                f"entry {entry.index}: {name} is {str(value)[:60]!r}, not what a decision record"
                " holds there; ask who holds the log's key what signed it."
            )


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_model(value: Any) -> bool:
    return isinstance(value, dict) and {"name", "version", "digest"} <= set(value)


def _is_rows(value: Any) -> bool:
    named = {"table", "digest", "first_row", "last_row"}
    return (
        isinstance(value, dict)
        and named <= set(value)
        and all(type(value[name]) is int for name in ("first_row", "last_row"))
    )


def _list_of(fits: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and all(map(fits, value))


_NUMBERS: Final = (
    "quantity before after interval_low interval_high interval_level money_at_stake"
).split()
_FORMS: Final[dict[str, Callable[[Any], bool]]] = {
    "kind": lambda value: value in KINDS,
    "models": _list_of(_is_model),
    "evidence": _list_of(_is_rows),
    "run_ids": _list_of(lambda value: isinstance(value, str)),
    "reasons": _list_of(lambda value: isinstance(value, str)),
    "inputs": lambda value: isinstance(value, dict),
    **dict.fromkeys(_NUMBERS, _is_number),
}


def _chain(node: "Node") -> dict[str, Any]:
    kept = (
        "id", "kind", "recorded_at", "actor", "role", "item_id", "location_id", "quantity",
        "unit", "before", "after", "reason_code", "reasons", "valid_from", "valid_to", "expires",
        "money_at_stake", "currency", "as_of", "order_id", "order_line", "supersedes",
    )  # fmt: skip
    record = node.entry.record
    facts = {name: record[name] for name in kept if name in record}
    detail = record.get("detail")
    money = detail.get("money") if isinstance(detail, dict) else None
    return {
        "entry": node.entry.index,
        **facts,
        **({"money": money} if _is_number(money) else {}),
        "followed_by": [_chain(follower) for follower in node.followed_by],
    }
