"""Turns what a run proposes and records into entries of the decision log."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts.records import DecisionRecord, ModelReference, RowEvidence
from workbench.contracts.tables import PROPOSALS
from workbench.decision_log.service.access import log_client
from workbench.decision_log.service.peers import this_process
from workbench.errors import ContractError, RunError
from workbench.runs.context import MANIFEST_FILE, STAGED_FOLDER, Context
from workbench.runs.facts import Facts, check_record
from workbench.runs.manifest import read_manifest, staged_versions
from workbench.runs.policies import BUILT_IN_RULE, built_in_digest
from workbench.tables.store import TableStore
from workbench.tables.versions import TableVersion
from workbench.workspace import Workspace

_EVIDENCE_TABLES: Final = ("forecasts", "policies", "stock", "supplier_items")


_OF_THE_RUN: Final = ("recorded_at", "actor", "run_ids", "inputs", "evidence", "models")
RECORDS_FILE: Final = "decisions.ndjson"


def stage_records(
    workspace: Workspace,
    folder: Path,
    context: Context,
    facts: Facts,
    inputs: Mapping[str, TableVersion],
    *,
    now: datetime | None = None,
) -> int:
    """Write what the run hands to the decision log beside its staged tables, checked.

    The entries are fixed here, so that a publication that was cut off goes on with the same bytes.
    What the log holds already, from the same work done before, is left out.

    Returns:
        How many entries there are.

    Raises:
        ContractError: A record cannot be an entry.
        RunError: The log holds another decision under the same id.
    """
    records = run_records(workspace, folder, context, facts, inputs, now or datetime.now(UTC))
    entries = {record.id: record.canonical() for record in records}
    if len(entries) < len(records):
        raise ContractError(
            f"{context.notebook}: {len(records) - len(entries)} records repeat the id of another;"
            " expected each id once. Give each record its own id."
        )
    fresh = _not_logged(workspace, entries)
    if fresh:
        path = folder / STAGED_FOLDER / RECORDS_FILE
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"".join(entry + b"\n" for entry in fresh))
    return len(fresh)


def staged_records(folder: Path) -> list[bytes]:
    """Entries that `stage_records` wrote, in canonical JSON."""
    path = folder / STAGED_FOLDER / RECORDS_FILE
    return path.read_bytes().splitlines() if path.is_file() else []


def run_records(
    workspace: Workspace,
    folder: Path,
    context: Context,
    facts: Facts,
    inputs: Mapping[str, TableVersion],
    recorded_at: datetime,
) -> list[DecisionRecord]:
    """All records of a run, proposals first, in a stable order."""
    store = TableStore(workspace.tables)
    upstream, models = _upstream(inputs.values(), workspace.reports)
    common = {
        "recorded_at": recorded_at,
        "actor": _actor(workspace),
        "role": "runner",
        "as_of": context.day,
        "run_ids": (context.run_id, *upstream),
        "models": _unique([*facts.references, *models]),
        "inputs": {table: version.digest for table, version in sorted(inputs.items())},
        "simulated": bool(facts.simulated),
    }
    records = []
    proposals = staged_versions(folder, facts).get(PROPOSALS.name)
    if proposals is not None and proposals.rows:
        frame = store.read(proposals)
        evidence = _Evidence(store, inputs)
        records = [
            _proposal({str(k): v for k, v in row.items()}, common, evidence)
            for row in frame.to_dict("records")
        ]
    for number, fields in enumerate(facts.records):
        given = {name: value for name, value in fields.items() if name != "kind"}
        check_record(str(fields.get("kind")), given)  # the kernel could write anything here
        default = sha256(f"{context.skip_key}/{context.attempt}/{number}".encode()).hexdigest()[:32]
        records.append(DecisionRecord(**{"id": default, **common, **_dates(fields)}))
    return records


def _actor(workspace: Workspace) -> str:
    """Who answers for a run: in service mode, where the log sees it, the user who started it."""
    return this_process().name if workspace.log_socket else "workbench"


def _not_logged(workspace: Workspace, entries: Mapping[str, bytes]) -> list[bytes]:
    """The entries that the log lacks.

    Raises:
        RunError: It holds another decision under the same id.
    """
    if not entries:
        return []
    logged = log_client(workspace).entries_of(list(entries))
    for decision_id, entry in logged.items():
        if _decided(entry) != _decided(entries[decision_id]):
            raise RunError(
                f"decision {decision_id!r}: this work was logged before with another result;"
                " expected the same from the same inputs. Run with --force to decide anew."
            )
    return [entry for decision_id, entry in entries.items() if decision_id not in logged]


def _decided(entry: bytes) -> dict[str, Any]:
    """A record apart from when and by which run it was made."""
    record = json.loads(entry)
    return {name: value for name, value in record.items() if name not in _OF_THE_RUN}


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
        policy_digest=built_in_digest(),
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
            "interval_of": "demand",
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
            manifest = read_manifest(path.parent)
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
