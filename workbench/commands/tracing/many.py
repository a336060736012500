"""Decisions of a run or of a model: totals, and a list of the newest."""

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any, Final

from workbench.commands.tracing.chain import money
from workbench.commands.tracing.decisions import brief
from workbench.errors import LogError

if TYPE_CHECKING:
    from workbench.decision_log.trace import DecisionHistory, Entry

SHOWN: Final = 20
_STATES: Final = {
    "acceptance": "accepted", "override": "overridden", "approval": "approved",
    "rejection": "rejected", "execution": "ordered",
}  # fmt: skip


def run_facts(history: "DecisionHistory", run_id: str) -> dict[str, Any]:
    """All decisions of a run with totals: what became of them, money at stake and made.

    Raises:
        LogError: The log knows no decision of that run.
    """
    found = history.of_run(run_id)
    own = [entry for entry in found if (entry.record.get("run_ids") or [""])[0] == run_id]
    if not found:
        raise LogError(
            f"run {run_id!r}: no decision of it in the log; find runs with 'workbench runs list'."
        )
    proposals = [entry for entry in own if entry.kind == "proposal"]
    after = history.all_followers(proposals)
    corrected = {entry.text("supersedes") for entry in after if entry.kind == "outcome"}
    totals = {
        "decisions": len(own),
        "upstream_of": len(found) - len(own),
        "states": dict(_states(proposals, after)),
        "at_stake": _sums(proposals, lambda entry: entry.record.get("money_at_stake")),
        "made": _sums([entry for entry in after if entry.id not in corrected], _made),
        "outcomes": sum(entry.kind == "outcome" for entry in after),
    }
    return {"run": run_id, "totals": totals, "entries": own or found}


def model_facts(history: "DecisionHistory", model: str) -> dict[str, Any]:
    """How many decisions rest on a model, and the newest of them.

    Args:
        history: Of the log.
        model: NAME, NAME@VERSION, or the SHA-256 of its bytes.

    Raises:
        LogError: No decision names it.
    """
    name, at, version = model.rpartition("@") if "@" in model else (model, "", "")
    positions = history.of_model(name, version if at else None)
    if not positions:
        raise LogError(
            f"model {model!r}: no decision in the log rests on it; expected NAME, NAME@VERSION or"
            " the SHA-256 of its bytes, as 'workbench trace --decision ID --json' shows them."
        )

    def names(entry: "Entry") -> bool:
        return any(
            name in (one.get("name"), one.get("digest")) and version in ("", one.get("version"))
            for one in entry.record.get("models") or ()
        )

    newest = history.at(positions[:SHOWN], names)
    found = {(m["name"], m["version"], m["digest"]) for e in newest for m in e.record["models"]
             if name in (m["name"], m["digest"])}  # fmt: skip
    return {
        "model": model,
        "totals": {"decisions": len(positions)},
        "models": [dict(zip(("name", "version", "digest"), one, strict=True))
                   for one in sorted(found)],
        "entries": newest,
    }  # fmt: skip


def with_summary(history: "DecisionHistory", facts: dict[str, Any]) -> dict[str, Any]:
    """Facts with the newest decisions in brief instead of the entries."""
    newest = sorted(facts.pop("entries"), key=lambda entry: -entry.index)[:SHOWN]
    return {**facts, "summary": [brief(history, entry) for entry in newest]}


def totals_lines(facts: dict[str, Any]) -> list[str]:
    """Totals for people."""
    totals = facts["totals"]
    if "model" in facts:
        known = [f"{one['name']} version {one['version']}  sha256 {one['digest']}"
                 for one in facts["models"]]  # fmt: skip
        return [f"{totals['decisions']:,} decisions rest on model {facts['model']}", *known]
    lines = [f"{totals['decisions']:,} decisions of run {facts['run']}"]
    if totals["upstream_of"]:
        lines.append(f"{totals['upstream_of']:,} decisions of later runs rest on it")
    if totals["states"]:
        counts = ", ".join(f"{count:,} {state}" for state, count in totals["states"].items())
        lines.append(f"proposals: {counts}")
    for word, sums in (("at stake", totals["at_stake"]), ("made by outcomes", totals["made"])):
        lines += [f"{money(value, {'currency': name})} {word}" for name, value in sums.items()]
    return lines


def _states(proposals: "list[Entry]", after: "list[Entry]") -> Counter[str]:
    """How many proposals stand as what: the last answer or order of each chain counts."""
    root = {entry.id: entry.id for entry in proposals}
    state = dict.fromkeys(root, "open")
    for entry in after:  # oldest first: what answers comes after what it answers
        first = root.get(entry.text("supersedes") or "")
        if first is not None:
            root[entry.id] = first
            state[first] = _STATES.get(entry.kind, state[first])
    return Counter(state.values())


def _made(entry: "Entry") -> Any:
    detail = entry.record.get("detail")
    return detail.get("money") if entry.kind == "outcome" and isinstance(detail, dict) else None


def _sums(entries: "list[Entry]", of: Any) -> dict[str, float]:
    sums: dict[str, float] = defaultdict(float)
    for entry in entries:
        value = of(entry)
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            sums[entry.text("currency") or ""] += value
    return {currency: round(value, 4) for currency, value in sorted(sums.items())}
