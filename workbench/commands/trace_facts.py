"""What `workbench trace` collects around a decision: chain, runs, rows, order lines."""

import json
from typing import TYPE_CHECKING, Any

from workbench.contracts import columns as c
from workbench.errors import LogError, TableError
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from workbench.decision_log.trace import DecisionHistory, Entry, Node, OrderLine, TracedLine
    from workbench.tables.versions import TableVersion

_DC = "dc"


class Evidence:
    """Run manifests and table versions of a workspace, each looked up once."""

    def __init__(self, workspace: Workspace) -> None:
        from workbench.tables.store import TableStore

        self._workspace = workspace
        self._store = TableStore(workspace.tables)
        self._runs: dict[str, dict[str, Any]] = {}
        self._versions: dict[str, dict[str, TableVersion]] = {}
        self._proofs: dict[tuple[str, str, int], str] = {}

    def run(self, run_id: str) -> dict[str, Any]:
        """What the run's manifest says; only its id where there is no report here."""
        if run_id not in self._runs:
            self._runs[run_id] = self._read_run(run_id)
        return self._runs[run_id]

    def rows(self, evidence: dict[str, Any]) -> dict[str, Any]:
        """Row evidence, and whether its first and last rows prove to be in that table version."""
        table, digest = str(evidence["table"]), str(evidence["digest"])
        states = [
            self._row_state(table, digest, int(row))
            for row in (evidence["first_row"], evidence["last_row"])
        ]
        bad = [state for state in states if state != "proven"]
        return {**evidence, "state": bad[0] if bad else "proven"}

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

    def _row_state(self, table: str, digest: str, row: int) -> str:
        key = (table, digest, row)
        if key not in self._proofs:
            self._proofs[key] = self._prove_row(table, digest, row)
        return self._proofs[key]

    def _prove_row(self, table: str, digest: str, row: int) -> str:
        from workbench.tables.evidence import verify_row_proof

        if table not in self._versions:
            try:
                found = self._store.versions(table)
            except TableError as error:
                return str(error)
            self._versions[table] = {version.digest: version for version in found}
        version = self._versions[table].get(digest)
        if version is None:
            return "version not kept here"
        try:
            proof = self._store.row_proof(version, row)
        except TableError as error:
            return str(error)
        holds = verify_row_proof(proof, digest)
        return "proven" if holds else "its rows are not those of the digest"


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
    return {
        "entry": entry.index,
        "proven": True,  # the history raises otherwise
        "record": record,
        "item_id": record.get("item_id"),
        "location_id": record.get("location_id"),
        "runs": [evidence.run(str(run_id)) for run_id in record.get("run_ids", [])],
        "evidence": [evidence.rows(rows) for rows in record.get("evidence", [])],
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


def line_facts(traced: "TracedLine") -> dict[str, Any]:
    """An order line and the decision that it belongs to."""
    line, decision, following = traced.line, traced.decision, traced.following
    return {
        "order_id": line.order_id,
        "line": line.line,
        "item_id": line.item_id,
        "location_id": line.location_id,
        "day": line.day.isoformat(),
        "decision": decision.id if decision else None,
        "decided_for": traced.decided_for,
        "next_valid_from": following.text("valid_from") if following else None,
        "next_decision": following.id if following else None,
    }


def order_lines(workspace: Workspace, order: str, line: int | None) -> "list[OrderLine]":
    """Lines of an order, each with the locations that its own location is supplied from.

    Raises:
        LogError: There is no such order or line.
    """
    from workbench.contracts.relation_checks import literal
    from workbench.decision_log.trace import OrderLine
    from workbench.tables.store import TableStore

    store = TableStore(workspace.tables)
    condition = f"{c.ORDER_ID} = {literal(order)}"
    if line is not None:
        condition += f" AND {c.LINE} = {line}"
    rows = store.read(
        "order_lines",
        columns=[c.LINE, c.ITEM_ID, c.LOCATION_ID, c.DATE],
        where=condition,
    )
    if rows.empty:
        wanted = f"order {order!r}" + (f", line {line}" if line is not None else "")
        raise LogError(
            f"{wanted}: not in the table order_lines; expected an order of the current version."
        )
    supply = _supply(store, sorted(set(rows[c.ITEM_ID])))
    return [
        OrderLine(
            order, int(number), str(item), str(location), day.date(),
            supply.get((str(item), str(location)), ()) or supply.get(("", ""), ()),
        )
        for number, item, location, day in rows.itertuples(index=False)
    ]  # fmt: skip


def _supply(store: Any, items: list[str]) -> dict[tuple[str, str], tuple[str, ...]]:
    """Supplying locations per item and location; the key of empty texts holds the default.

    A supplier that is itself a location supplies from there; else any distribution centre may.
    """
    from workbench.contracts.relation_checks import literal

    tables = store.tables()
    if "locations" not in tables:
        return {}
    places = store.read("locations", columns=[c.LOCATION_ID, c.KIND])
    known = set(places[c.LOCATION_ID])
    supply = {("", ""): tuple(sorted(places.loc[places[c.KIND] == _DC, c.LOCATION_ID]))}
    if "supplier_items" not in tables:
        return supply
    listed = ", ".join(literal(item) for item in items)
    terms = store.read(
        "supplier_items",
        columns=[c.ITEM_ID, c.LOCATION_ID, c.SUPPLIER_ID],
        where=f"{c.ITEM_ID} IN ({listed})",
    )
    for item, location, supplier in terms.itertuples(index=False):
        if supplier in known:
            key = (str(item), str(location))
            supply[key] = (*supply.get(key, ()), str(supplier))
    return supply
