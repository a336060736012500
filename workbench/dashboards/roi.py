"""What the executive page states, read from the newest run of `70-measure-roi`; computes nothing.

Every figure is a row of `kpis`; the rows, the day and the interval's level come from one run, so
that the page never mixes two.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from workbench.contracts import columns as c
from workbench.dashboards import theme
from workbench.dashboards.figures import roi as figures
from workbench.decision_log.standing import standing
from workbench.decision_log.trace import DecisionHistory
from workbench.decision_log.workspace_history import open_history
from workbench.errors import DashboardError, TableNotFoundError, WorkbenchError
from workbench.tables.store import TableStore
from workbench.workspace import Workspace

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

NOTEBOOK: Final = "70-measure-roi"
PLAN_NOTEBOOK: Final = "30-set-replenishment-policy"
LINES: Final = 5  # at risk next week, shown on the page
_CANDIDATES: Final = 100  # that may be answered already; more have less at stake than shows
SEGMENTS: Final = 9
_MATERIAL: Final = 0.1  # of the saving: stock at the end that a reader must know of
_LEVEL: Final = "interval_level"
_NEEDED: Final = (
    "saving_total", "saving_share", "saving_cumulative", "saving_component", "saving_kind",
    "saving_segment", "cost_total", "fill_rate", "fill_rate_change", "stock_value",
    "stock_value_change", "sweep_cost", "sweep_fill_rate", "sweep_stock_value",
)  # fmt: skip
_KINDS: Final = {"dc": "centre", "store": "stores"}


@dataclass(frozen=True)
class Evidence:
    """One run's results and where they come from.

    Attributes:
        kpis: Rows of `kpis`.
        lines: Proposals with the most money at stake, with `description`; may be empty.
        level: Of the intervals, share.
        simulated: Inputs that are simulated.
        digest: Of `kpis`.
        checkpoint: Entries of the decision log, None where there is no log.
        other_plan: Run that made `lines`, where it is not the plan that was compared.
    """

    kpis: pd.DataFrame
    lines: pd.DataFrame
    as_of: date
    run_id: str
    level: float
    simulated: tuple[str, ...]
    digest: str
    checkpoint: int | None = None
    other_plan: str = ""


@dataclass(frozen=True)
class Point:
    """One service target of the what-if, as it is shown."""

    target: str
    cost: str
    cost_change: str
    stock: str
    stock_change: str
    fill_rate: str
    fill_rate_change: str
    x: float
    y: float


def load(workspace: Workspace) -> Evidence:
    """Read what the newest run of `70-measure-roi` left.

    Raises:
        DashboardError: It has not run here, or what it left is incomplete or unreadable.
    """
    manifest = _newest_manifest(workspace)
    store = TableStore(workspace.tables)
    try:
        kpis_version = store.version("kpis", str(manifest["outputs"]["kpis"]["version"]))
        evidence = Evidence(
            kpis=store.read(kpis_version),
            lines=_lines_at_risk(workspace, store),
            as_of=date.fromisoformat(str(manifest["as_of"])),
            run_id=str(manifest["run_id"]),
            level=float(manifest["parameters"][_LEVEL]),
            simulated=tuple(str(table) for table in manifest["simulated"]),
            digest=kpis_version.digest,
            checkpoint=_log_size(workspace),
            other_plan=_other_plan(store, manifest),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DashboardError(
            f"{workspace.reports / NOTEBOOK}: run.json of the newest run is not complete"
            f" ({error}); run 'workbench run {NOTEBOOK} --force'."
        ) from error
    missing = sorted(set(_NEEDED) - set(evidence.kpis[c.KPI]))
    if missing:
        raise DashboardError(
            f"kpis of run {evidence.run_id}: no {missing[0]!r}, which the executive page shows;"
            f" run 'workbench run {NOTEBOOK} --force'."
        )
    return evidence


def _newest_manifest(workspace: Workspace) -> Mapping[str, Any]:
    home = workspace.reports / NOTEBOOK
    try:
        report = home / (home / "latest").read_text(encoding="utf-8").strip()
    except FileNotFoundError as error:
        raise DashboardError(
            f"{workspace.root}: no run of {NOTEBOOK} yet, which computes what the page shows;"
            f" run 'workbench run {NOTEBOOK}', or 'workbench demo' for everything before it."
        ) from error
    path = report / "run.json"
    try:
        found: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DashboardError(
            f"{path}: cannot be read ({error}); restore it, or run 'workbench run {NOTEBOOK}"
            " --force'."
        ) from error
    return found


def _lines_at_risk(workspace: Workspace, store: TableStore) -> pd.DataFrame:
    """Proposals with the most money at stake that nobody has answered yet, described."""
    wanted = [c.PROPOSAL_ID, c.ITEM_ID, c.LOCATION_ID, c.ORDER_DATE, c.UNIT, c.CURRENCY, c.BEFORE,
              c.PROPOSED, c.MONEY_AT_STAKE]  # fmt: skip
    try:
        proposals = store.current("proposals")
        items = store.current("items")
    except TableNotFoundError:
        return pd.DataFrame(columns=[*wanted, "description"])
    names = ", ".join(f"p.{name}" for name in wanted)
    found = store.query(
        f"SELECT {names}, i.description FROM proposals p LEFT JOIN items i USING ({c.ITEM_ID})"
        f" WHERE p.{c.MONEY_AT_STAKE} > 0"
        f" ORDER BY p.{c.MONEY_AT_STAKE} DESC, p.proposal_id LIMIT {_CANDIDATES}",
        versions={"proposals": proposals, "items": items},
    )
    return found[_unanswered(workspace, found[c.PROPOSAL_ID])].head(LINES)


def _unanswered(workspace: Workspace, proposals: pd.Series) -> list[bool]:
    """Of each proposal, whether nothing was decided or ordered for its item and days."""
    try:
        history = open_history(workspace)
        return [_is_open(history, str(name)) for name in proposals]
    except WorkbenchError:  # no log here, or one that cannot be read: the audit page says so
        return [True] * len(proposals)


def _is_open(history: DecisionHistory, proposal: str) -> bool:
    entry = history.find(proposal)
    if entry is None:
        return True
    stand = standing(history, entry)
    others = (*stand.behind, *stand.superseded_by, *stand.orders)
    return not (others or history.followers(entry))


def _other_plan(store: TableStore, manifest: Mapping[str, Any]) -> str:
    """Run of the current proposals, where the figures rest on another one."""
    compared = manifest.get("upstream_runs")
    try:
        made_by = store.current("proposals").run_id
    except TableNotFoundError:
        return ""
    if not isinstance(compared, list) or made_by is None or made_by in compared:
        return ""
    return str(made_by)


def _log_size(workspace: Workspace) -> int | None:
    """Entries of the decision log: the second line of its checkpoint (C2SP tlog-checkpoint)."""
    path: Path = workspace.log / "checkpoint"
    try:
        return int(path.read_text(encoding="utf-8").splitlines()[1])
    except (OSError, ValueError, IndexError):
        return None


# --- words ----------------------------------------------------------------------------------


def first_week(evidence: Evidence) -> str:
    """First day of the first week that was compared."""
    return str(figures.of_kind(evidence.kpis, "saving_cumulative")["label"].min())


def headline(evidence: Evidence) -> tuple[str, str, str]:
    """Words before the number, the number, and its interval; a loss is named a loss.

    Always simulated: both policies were run over the same days after the fact, whatever the data.
    """
    row = figures.value(evidence.kpis, "saving_total")
    unit, amount = str(row[c.UNIT]), float(row[c.VALUE])
    low, high = float(row[c.LOW]), float(row[c.HIGH])
    words = "Simulated saving"
    if amount < 0:
        words, amount, low, high = "Simulated loss", -amount, -high, -low
    ends = f"{theme.money(low, unit)} to {theme.money(high, unit)}"
    interval = f"{evidence.level:.0%} interval {ends}"
    if low <= 0:
        interval += ": it includes zero, so there is no evidence of a difference"
    return f"{words} since {first_week(evidence)}:", theme.money(amount, unit), f"({interval})"


def end_stock(evidence: Evidence) -> str:
    """What stock at the end changes about the saving; empty where that is small beside it."""
    rows = figures.of_kind(evidence.kpis, "stock_value_end_change")
    if rows.empty:
        return ""
    change, unit = float(rows[c.VALUE].iloc[0]), str(rows[c.UNIT].iloc[0])
    saving = abs(float(figures.value(evidence.kpis, "saving_total")[c.VALUE]))
    if abs(change) < _MATERIAL * saving:
        return ""
    word = "more" if change > 0 else "less"
    sentence = (
        f"Not counted in it: at the end ours leaves {theme.money(abs(change), unit)} {word}"
        " in stock than the legacy, at cost, on hand and on order."
    )
    if change > saving:
        sentence += " That is more than the saving itself, and tied up until those goods are sold."
    return sentence


def tiles(evidence: Evidence) -> list[tuple[str, str, str]]:
    """Name, value and comparison of the figures below the headline."""
    kpis = evidence.kpis
    fill = figures.value(kpis, "fill_rate", "policy=ours")
    fill_change = figures.value(kpis, "fill_rate_change")
    stock = figures.value(kpis, "stock_value", "policy=ours")
    stock_change = float(figures.value(kpis, "stock_value_change")[c.VALUE])
    cost = figures.value(kpis, "cost_total", "policy=ours")
    legacy = figures.value(kpis, "cost_total", "policy=legacy")
    share = float(figures.value(kpis, "saving_share")[c.VALUE])
    unit = str(stock[c.UNIT])
    return [
        ("Cost", theme.money(float(cost[c.VALUE]), unit),
         f"{_percent(-share)} against the legacy's {theme.money(float(legacy[c.VALUE]), unit)}"),
        ("Fill rate", theme.share(float(fill[c.VALUE])),
         f"{_points(float(fill_change[c.VALUE]))} against the legacy"),
        ("Stock value", theme.money(float(stock[c.VALUE]), unit),
         f"{_percent(stock_change)} against the legacy"),
    ]  # fmt: skip


def what_if(evidence: Evidence) -> tuple[list[Point], int]:
    """Every service target that was simulated, and which of them costs least."""
    kpis = evidence.kpis
    unit = str(figures.value(kpis, "cost_total", "policy=ours")[c.UNIT])
    names = ("cost", "stock_value", "fill_rate")
    plan = [
        float(figures.value(kpis, f"{'cost_total' if name == 'cost' else name}", "policy=ours")[
            c.VALUE
        ])
        for name in names
    ]  # fmt: skip
    rows = figures.of_kind(kpis, "sweep_cost")
    rows = rows[rows[c.SCOPE].str.startswith("service_target=")]
    rows = rows.assign(target=rows["label"].astype(float)).sort_values("target")
    points = [
        _point(
            target,
            [float(figures.value(kpis, f"sweep_{name}", scope)[c.VALUE]) for name in names],
            plan,
            unit,
        )
        for target, scope in zip(rows["target"], rows[c.SCOPE], strict=True)
    ]
    return points, int(rows[c.VALUE].to_numpy().argmin())


def _point(target: float, found: list[float], plan: list[float], unit: str) -> Point:
    (cost, stock, fill), (plan_cost, plan_stock, plan_fill) = found, plan
    change = cost - plan_cost
    return Point(
        target=theme.share(target),
        cost=theme.money(cost, unit),
        cost_change=f"{'−' if change < 0 else '+'}{theme.money(abs(change), unit)}",
        stock=theme.money(stock, unit),
        stock_change=_percent(stock / plan_stock - 1) if plan_stock else "–",
        fill_rate=theme.share(fill),
        fill_rate_change=_points(fill - plan_fill),
        x=target * 100,
        y=cost,
    )


def _percent(change: float) -> str:
    return f"{'+' if change >= 0 else ''}{theme.share(change)}"


def _points(change: float) -> str:
    """Change of a share in percentage points."""
    return f"{'+' if change >= 0 else '−'}{abs(change) * 100:.1f} points"


# --- figures --------------------------------------------------------------------------------


def charts(evidence: Evidence) -> dict[str, "Figure"]:
    """The page's figures by name."""
    kpis, level = evidence.kpis, evidence.level
    kinds = kpis.assign(**{c.SCOPE: kpis[c.SCOPE].replace(
        {f"kind={kind}": f"kind={words}" for kind, words in _KINDS.items()}
    )})  # fmt: skip
    drawn = {
        "cumulative": figures.cumulative_saving(kpis, level=level),
        "waterfall": figures.cost_waterfall(kpis),
        "kinds": figures.saving_bars(
            kinds, "saving_kind", what="site kind", level=level, top=len(_KINDS)
        ),
        "segments": figures.saving_bars(
            kpis, "saving_segment", what="segment", level=level, top=SEGMENTS
        ),
        "what-if": _with_marker(figures.cost_by_target(kpis), evidence),
    }
    bars = drawn["kinds"].data[0]
    bars.y = [str(label).removeprefix("site kind ") for label in bars.y]
    for figure in drawn.values():  # the caption stands below each figure, as text of the page
        figure.update_layout(height=figure.layout.height - theme.CAPTION_PIXELS)
        figure.update_layout(margin_b=figure.layout.margin.b - theme.CAPTION_PIXELS)
    return drawn


def caption(evidence: Evidence) -> str:
    """The line below a figure: run, digest of `kpis`, and that both policies were simulated."""
    return f"run {evidence.run_id[-8:]} · kpis {evidence.digest[:8]} · simulated"


def _with_marker(figure: "Figure", evidence: Evidence) -> "Figure":
    """The chosen target, as the last trace; the page moves it."""
    import plotly.graph_objects as go

    points, chosen = what_if(evidence)
    figure.add_trace(
        go.Scatter(
            x=[points[chosen].x], y=[points[chosen].y], mode="markers", name="chosen",
            marker={
                "size": 15, "symbol": "diamond", "color": theme.COLOURS["attention"],
                "line": {"color": theme.INK, "width": 1.5},
            },
            hoverinfo="skip",
        )
    )  # fmt: skip
    return figure
