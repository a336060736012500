"""Turns what a run proposes and records into entries of the decision log."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.records import DecisionRecord, ModelReference, RowEvidence
from workbench.runs.context import MANIFEST_FILE, Context
from workbench.runs.facts import Facts
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion

BUILT_IN_RULE: Final = "built-in/manual"
BUILT_IN_POLICY: Final = (
    "Until rules of the SOP say otherwise, every proposal waits for a person: tier manual."
)
POLICY_DIGEST: Final = sha256(BUILT_IN_POLICY.encode()).hexdigest()
_EVIDENCE_TABLES: Final = ("forecasts", "policies", "stock", "supplier_items")


def run_records(
    context: Context,
    facts: Facts,
    *,
    store: TableStore,
    inputs: Mapping[str, TableVersion],
    proposals: TableVersion | None,
    reports: Path,
    recorded_at: datetime,
) -> list[DecisionRecord]:
    """All records of a run, proposals first, in a stable order."""
    upstream, models = _upstream(inputs.values(), reports)
    common = {
        "recorded_at": recorded_at,
        "actor": "workbench",
        "role": "runner",
        "as_of": context.day,
        "run_ids": (context.run_id, *upstream),
        "models": _unique([*facts.references, *models]),
        "inputs": {table: version.digest for table, version in sorted(inputs.items())},
        "simulated": bool(facts.simulated),
    }
    records = []
    if proposals is not None and proposals.rows:
        frame = store.read(proposals)
        evidence = _Evidence(store, inputs)
        records = [
            _proposal({str(k): v for k, v in row.items()}, common, evidence)
            for row in frame.to_dict("records")
        ]
    for number, fields in enumerate(facts.records):
        default = sha256(f"{context.skip_key}/{context.attempt}/{number}".encode()).hexdigest()[:32]
        records.append(DecisionRecord(**{"id": default, **common, **_dates(fields)}))
    return records


def _proposal(
    row: Mapping[str, Any], common: Mapping[str, Any], evidence: "_Evidence"
) -> DecisionRecord:
    item, location = str(row[c.ITEM_ID]), str(row[c.LOCATION_ID])
    return DecisionRecord(
        id=str(row[c.PROPOSAL_ID]),
        kind="proposal",
        valid_from=_day(row[c.VALID_FROM]),
        valid_to=_day(row[c.VALID_TO]),
        item_id=item,
        location_id=location,
        supplier_id=str(row[c.SUPPLIER_ID]),
        policy_digest=POLICY_DIGEST,
        rule=BUILT_IN_RULE,
        tier="manual",
        evidence=evidence.of(item, location),
        quantity=_number(row[c.PROPOSED]),
        before=_number(row[c.BEFORE]),
        unit=str(row[c.UNIT]),
        interval_low=_number(row[c.INTERVAL_LOW]),
        interval_high=_number(row[c.INTERVAL_HIGH]),
        interval_level=_number(row[c.INTERVAL_LEVEL]),
        money_at_stake=_number(row[c.MONEY_AT_STAKE]),
        currency=str(row[c.CURRENCY]),
        reasons=tuple(json.loads(row[c.REASONS])),
        detail={
            "proposal": row[c.KIND],
            "order_date": _text_day(row[c.ORDER_DATE]),
            "due_date": _text_day(row[c.DUE_DATE]),
            "unit_cost": _number(row[c.UNIT_COST]),
        },
        **common,
    )


class _Evidence:
    """Row ranges of item and location in the inputs, found once per table."""

    def __init__(self, store: TableStore, inputs: Mapping[str, TableVersion]) -> None:
        self._ranges: dict[tuple[str, str], list[RowEvidence]] = {}
        for table in _EVIDENCE_TABLES:
            if table in inputs and inputs[table].rows:
                self._add(store, inputs[table])

    def _add(self, store: TableStore, version: TableVersion) -> None:
        ranges = store.locate(version, [c.ITEM_ID, c.LOCATION_ID])
        for item, location, first, last in ranges.itertuples(index=False):
            found = self._ranges.setdefault((str(item), str(location)), [])
            found.append(RowEvidence(version.table, version.digest, int(first), int(last)))

    def of(self, item: str, location: str) -> tuple[RowEvidence, ...]:
        return tuple(self._ranges.get((item, location), ()))


def _upstream(
    versions: Iterable[TableVersion], reports: Path
) -> tuple[list[str], list[ModelReference]]:
    """Runs behind the inputs, nearest first, and the models that they put on record."""
    waiting = [v.run_id for v in versions if v.run_id]
    seen: list[str] = []
    models: list[ModelReference] = []
    while waiting:
        run_id = waiting.pop(0)
        if run_id in seen:
            continue
        seen.append(run_id)
        for path in reports.glob(f"*/*/{run_id}/{MANIFEST_FILE}"):
            manifest = json.loads(path.read_text(encoding="utf-8"))
            models += [ModelReference(**model) for model in manifest["models"]]
            waiting += manifest["upstream_runs"]
    return seen, models


def _unique(models: Sequence[ModelReference]) -> tuple[ModelReference, ...]:
    return tuple(dict.fromkeys(models))


def _dates(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a record as they come back from JSON."""
    days = ("as_of", "valid_from", "valid_to", "expires")
    return {
        name: date.fromisoformat(str(value)[:10]) if name in days and value else
        tuple(value) if isinstance(value, list) else value
        for name, value in fields.items()
    }  # fmt: skip


def _number(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _day(value: Any) -> date | None:
    return None if value is None or pd.isna(value) else pd.Timestamp(value).date()


def _text_day(value: Any) -> str | None:
    day = _day(value)
    return day.isoformat() if day else None
