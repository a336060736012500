"""Money of two policies side by side: savings, their components, named figures for the dashboard.

`roi_kpis` makes these rows of `kpis`. Money is in the workspace's currency; a saving is legacy less
ours, negative where ours cost more. Scopes are `all` or `name=value` parts joined by commas.

| kpi | scope | unit |
|---|---|---|
| saving_total | all | currency |
| saving_share | all: share of the legacy's cost | share |
| saving_annual | all: saving_total scaled to 365 days | currency |
| saving_weekly | week=2017-10-09 (first day) | currency |
| saving_cumulative | week=2017-10-09 | currency |
| saving_segment | segment=AX | currency |
| saving_kind | kind=dc, kind=store | currency |
| saving_site | site=DC1 | currency |
| saving_component | component=holding, ordering, lost_margin | currency |
| cost_total | policy=ours, policy=legacy | currency |
| cost_component | policy=ours,component=holding … | currency |
| fill_rate | policy=ours … | share |
| fill_rate_change | all: ours less legacy | share |
| stock_value | policy=ours …: average on hand at cost | currency |
| stock_value_change | all: ours less legacy, share of legacy | share |
| stock_value_end | policy=ours …: on hand and on order at the end | currency |
| stock_value_end_change | all: ours less legacy | currency |
| sweep_cost, sweep_stock_value, sweep_fill_rate | service_target=0.95, legacy_target=0.95 | |
"""

from typing import Final

import numpy as np
import pandas as pd

from workbench.contracts import columns as c
from workbench.experiments.config import RoiConfig
from workbench.experiments.effect import Bootstrap, bootstrap_totals, paired_difference

OURS: Final = "ours"
LEGACY: Final = "legacy"
POLICIES: Final = (OURS, LEGACY)
SHARE: Final = "share"
COMPONENTS: Final = {
    "holding": c.HOLDING_COST,
    "ordering": c.ORDERING_COST,
    "lost_margin": c.STOCKOUT_COST,
}
SERIES: Final = [c.ITEM_ID, c.LOCATION_ID]
DAYS_PER_YEAR: Final = 365


def compared(scenarios: pd.DataFrame) -> pd.DataFrame:
    """Rows of the two policies, one per policy, series and review cycle."""
    return scenarios[scenarios[c.SCENARIO].isin(POLICIES)]


def measures(scenarios: pd.DataFrame) -> pd.DataFrame:
    """One row per series with a column for each total that the figures need.

    Columns are (policy, measure) joined by a colon, and `saving:` for legacy less ours, over all
    and by week.
    """
    rows = compared(scenarios)
    days = (rows[c.WINDOW_END] - rows[c.WINDOW_START]).dt.days + 1
    last = rows[c.WINDOW_START] == rows[c.WINDOW_START].max()
    rows = rows.assign(
        value_days=rows[c.AVERAGE_STOCK_VALUE] * days,
        end_value=rows[c.END_STOCK_VALUE].where(last, 0.0),
    )
    wanted = [*COMPONENTS.values(), c.TOTAL_COST, c.DEMAND, c.LOST, "value_days", "end_value"]
    totals = rows.pivot_table(index=SERIES, columns=c.SCENARIO, values=wanted, aggfunc="sum")
    names = totals.columns.to_frame(index=False).to_numpy()
    totals.columns = [f"{policy}:{name}" for name, policy in names]
    summed = rows.groupby([*SERIES, c.SCENARIO], as_index=False)[wanted].sum()
    for name in (*COMPONENTS.values(), c.TOTAL_COST):
        totals[f"saving:{name}"] = paired_difference(
            summed, keys=SERIES, arm=c.SCENARIO, treated=OURS, control=LEGACY, value=name
        )
    weekly = rows.pivot_table(
        index=SERIES, columns=[c.WINDOW_START, c.SCENARIO], values=c.TOTAL_COST, aggfunc="sum"
    )
    for week in weekly.columns.get_level_values(0).unique():
        saved = weekly[(week, LEGACY)] - weekly[(week, OURS)]
        totals[f"saving:week={pd.Timestamp(week).date()}"] = saved
    return totals.reset_index()


def roi_kpis(
    scenarios: pd.DataFrame, segments: pd.DataFrame, *, dc: str, currency: str, config: RoiConfig
) -> pd.DataFrame:
    """The `kpis` table without run_id; intervals by cluster bootstrap over items.

    Args:
        scenarios: The `scenarios` table of one run.
        segments: item_id, location_id, segment.
        dc: Location id of the distribution centre.
        currency: ISO 4217 code of all money.
        config: Level, resamples and seed of the intervals.

    Raises:
        ContractError: Fewer than two items were compared.
    """
    table = measures(scenarios)
    table = table.merge(segments[[*SERIES, c.SEGMENT]], on=SERIES, how="left")
    saving = table[f"saving:{c.TOTAL_COST}"]
    split = _splits(table, dc)
    groups = pd.DataFrame(
        {
            f"{name}={value}": saving.where(labels == value, 0.0)
            for name, labels in split.items()
            for value in sorted(labels.dropna().unique())
        }
    )
    numeric = table.drop(columns=[*SERIES, c.SEGMENT])
    drawn = bootstrap_totals(
        pd.concat([numeric, groups], axis=1),
        table[c.ITEM_ID],
        level=config.interval_level,
        resamples=config.resamples,
        seed=config.seed,
    )
    rows = compared(scenarios)
    days = (rows[c.WINDOW_END].max() - rows[c.WINDOW_START].min()).days + 1
    parts = [
        *_headline_rows(drawn, days, currency),
        *_weekly_rows(drawn, currency),
        *_group_rows(drawn, list(split), currency),
        *_policy_rows(drawn, days, currency),
        *_sweep_rows(scenarios, currency),
    ]
    return pd.DataFrame(parts, columns=[c.KPI, c.SCOPE, c.VALUE, c.LOW, c.HIGH, c.UNIT])


Row = tuple[str, str, float, float, float, str]


def _splits(table: pd.DataFrame, dc: str) -> dict[str, pd.Series]:
    kind = pd.Series(np.where(table[c.LOCATION_ID] == dc, "dc", "store"), index=table.index)
    return {"segment": table[c.SEGMENT], "kind": kind, "site": table[c.LOCATION_ID]}


def _headline_rows(drawn: Bootstrap, days: int, currency: str) -> list[Row]:
    total = f"saving:{c.TOTAL_COST}"
    legacy = f"{LEGACY}:{c.TOTAL_COST}"
    rows: list[Row] = [
        ("saving_total", "all", *drawn.total(total), currency),
        ("saving_share", "all", *drawn.of(lambda t: t[total] / t[legacy]), SHARE),
        ("saving_annual", "all", *drawn.of(lambda t: t[total] * DAYS_PER_YEAR / days), currency),
    ]
    for name, column in COMPONENTS.items():
        saved = drawn.total(f"saving:{column}")
        rows.append(("saving_component", f"component={name}", *saved, currency))
    return rows


def _weekly_rows(drawn: Bootstrap, currency: str) -> list[Row]:
    weeks = sorted(name for name in drawn.observed.index if name.startswith("saving:week="))
    rows: list[Row] = []
    for number, week in enumerate(weeks, start=1):
        so_far = weeks[:number]
        scope = week.removeprefix("saving:")
        rows.append(("saving_weekly", scope, *drawn.total(week), currency))
        sums = drawn.of(lambda totals, so_far=so_far: totals[so_far].sum(axis=1))  # type: ignore[misc]
        rows.append(("saving_cumulative", scope, *sums, currency))
    return rows


def _group_rows(drawn: Bootstrap, names: list[str], currency: str) -> list[Row]:
    return [
        (f"saving_{name}", column, *drawn.total(column), currency)
        for name in names
        for column in drawn.observed.index
        if column.startswith(f"{name}=")
    ]


def _policy_rows(drawn: Bootstrap, days: int, currency: str) -> list[Row]:
    rows: list[Row] = []
    for policy in POLICIES:
        scope, own = f"policy={policy}", f"{policy}:"
        rows.append(("cost_total", scope, *drawn.total(own + c.TOTAL_COST), currency))
        for name, column in COMPONENTS.items():
            cost = drawn.total(own + column)
            rows.append(("cost_component", f"{scope},component={name}", *cost, currency))
        rows.append(("fill_rate", scope, *drawn.of(lambda t, p=policy: _fill(t, p)), SHARE))  # type: ignore[misc]
        average = drawn.of(lambda t, p=own: t[p + "value_days"] / days)  # type: ignore[misc]
        rows.append(("stock_value", scope, *average, currency))
        rows.append(("stock_value_end", scope, *drawn.total(own + "end_value"), currency))
    change = drawn.of(lambda t: _fill(t, OURS) - _fill(t, LEGACY))
    stock = drawn.of(lambda t: t[f"{OURS}:value_days"] / t[f"{LEGACY}:value_days"] - 1)
    end = drawn.of(lambda t: t[f"{OURS}:end_value"] - t[f"{LEGACY}:end_value"])
    rows.append(("fill_rate_change", "all", *change, SHARE))
    rows.append(("stock_value_change", "all", *stock, SHARE))
    rows.append(("stock_value_end_change", "all", *end, currency))
    return rows


def _fill(totals: pd.DataFrame, policy: str) -> pd.Series:
    return 1 - totals[f"{policy}:{c.LOST}"] / totals[f"{policy}:{c.DEMAND}"]


def _sweep_rows(scenarios: pd.DataFrame, currency: str) -> list[Row]:
    """Points of the what-if curve; one simulation each, so without intervals."""
    swept = scenarios[scenarios[c.SCENARIO].str.contains("=", regex=False)]
    totals = swept.groupby(c.SCENARIO, sort=False)[
        [c.TOTAL_COST, c.AVERAGE_STOCK_VALUE, c.DEMAND, c.LOST]
    ].sum()
    rows: list[Row] = []
    for name, total in totals.iterrows():
        scope, fill = str(name), 1 - total[c.LOST] / total[c.DEMAND]
        none = (float("nan"), float("nan"))
        rows.append(("sweep_cost", scope, float(total[c.TOTAL_COST]), *none, currency))
        stock = float(total[c.AVERAGE_STOCK_VALUE])
        rows.append(("sweep_stock_value", scope, stock, *none, currency))
        rows.append(("sweep_fill_rate", scope, float(fill), *none, SHARE))
    return rows
