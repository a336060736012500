"""A small, clearly simulated workspace with what the executive page reads."""

import json
from pathlib import Path

import pandas as pd

from workbench.tables.store import TableStore
from workbench.workspace import Workspace, open_workspace

RUN = "00000000-0000-7000-8000-0000feedbeef"
SAVING = 1234.0
WEEKS = ("2024-01-01", "2024-01-08", "2024-01-15")
SWEEP = {
    0.9: (8000.0, 50_000.0, 0.95),
    0.95: (7800.0, 60_000.0, 0.97),
    0.99: (8600.0, 75_000.0, 0.99),
}  # service target: cost, stock value, fill rate


def kpi_rows(saving: float = SAVING, half: float = 300.0) -> pd.DataFrame:
    """The named figures of a comparison, invented."""
    rows: list[tuple[str, str, float, float, float, str]] = []

    def add(kpi: str, scope: str, value: float, unit: str = "USD", half: float = 0.0) -> None:
        rows.append((kpi, scope, value, value - half, value + half, unit))

    add("saving_total", "all", saving, half=half)
    add("saving_share", "all", saving / 9000, "share", 0.01)
    for number, week in enumerate(WEEKS, start=1):
        add("saving_cumulative", f"week={week}", saving * number / len(WEEKS), half=half)
    for component, part in (("holding", -0.5), ("ordering", 0.0), ("lost_margin", 1.5)):
        add("saving_component", f"component={component}", saving * part, half=half)
    add("saving_kind", "kind=dc", saving - 34, half=half)
    add("saving_kind", "kind=store", 34, half=50)
    add("saving_segment", "segment=AX", saving, half=half)
    add("cost_total", "policy=legacy", 9000.0)
    add("cost_total", "policy=ours", 9000.0 - saving)
    for policy, fill, stock in (("legacy", 0.955, 52_000.0), ("ours", 0.972, 55_000.0)):
        add("fill_rate", f"policy={policy}", fill, "share")
        add("stock_value", f"policy={policy}", stock)
    add("fill_rate_change", "all", 0.017, "share")
    add("stock_value_change", "all", 3 / 52, "share")
    for target, (cost, stock, fill) in SWEEP.items():
        for prefix, more in (("service_target", 0.0), ("legacy_target", 900.0)):
            add("sweep_cost", f"{prefix}={target}", cost + more)
            add("sweep_stock_value", f"{prefix}={target}", stock)
            add("sweep_fill_rate", f"{prefix}={target}", fill, "share")
    frame = pd.DataFrame(rows, columns=["kpi", "scope", "value", "low", "high", "unit"])
    return frame.assign(run_id=RUN)


def proposal_rows(stakes: list[float]) -> pd.DataFrame:
    """Replenishment proposals of item-0, item-1 …"""
    day = pd.Timestamp("2024-01-22")
    return pd.DataFrame({
        "proposal_id": [f"p{n}" for n in range(len(stakes))], "run_id": RUN,
        "kind": "replenishment", "item_id": [f"item-{n}" for n in range(len(stakes))],
        "location_id": "DC1", "supplier_id": "S1", "from_location_id": "*", "valid_from": day,
        "valid_to": day + pd.Timedelta(7, "D"), "order_date": day,
        "due_date": day + pd.Timedelta(3, "D"), "unit": "EA", "currency": "USD", "before": 10.0,
        "proposed": 24.0, "money_at_stake": stakes, "reasons": '["Simulated for a test."]',
    })  # fmt: skip


def write_results(workspace: Workspace, kpis: pd.DataFrame, simulated: tuple[str, ...]) -> None:
    """Publish `kpis` and point at a report that names it, as a run does."""
    version = TableStore(workspace.tables).write(
        "kpis", kpis, provenance="simulated", source="invented for a test", run_id=RUN
    )
    report = workspace.reports / "70-measure-roi" / "2024-01-21" / RUN
    report.mkdir(parents=True, exist_ok=True)
    manifest = {
        "run_id": RUN, "as_of": "2024-01-21", "parameters": {"interval_level": "0.8"},
        "simulated": list(simulated), "outputs": {"kpis": {"version": version.version}},
    }  # fmt: skip
    (report / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
    (report.parent.parent / "latest").write_text(f"2024-01-21/{RUN}\n", encoding="utf-8")


def make_workspace(root: Path) -> Workspace:
    """An empty workspace."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "workbench.toml").write_text('[workspace]\nname = "simulated"\n', encoding="utf-8")
    return open_workspace(root)


def fill(workspace: Workspace) -> Workspace:
    """Kpis, items and proposals."""
    write_results(workspace, kpi_rows(), ("scenarios",))
    store = TableStore(workspace.tables)
    items = pd.DataFrame({
        "item_id": [f"item-{n}" for n in range(7)], "description": "Simulated <b>item</b> & more",
        "base_uom": "EA", "currency": "USD", "is_demand": True,
    })  # fmt: skip
    store.write("items", items, provenance="simulated", source="invented for a test")
    stakes = [5.0, 70.0, 30.0, 0.0, 20.0, 60.0, 10.0]
    store.write(
        "proposals", proposal_rows(stakes), provenance="simulated", source="invented for a test"
    )
    return workspace
