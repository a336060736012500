"""The readiness audit: every check that the tables at hand allow, its findings and the score."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.contracts.made_from import MadeFrom
from workbench.contracts.relation_checks import literal
from workbench.errors import ConfigError, TableError
from workbench.readiness.checks import DELIVERIES, Check, all_checks
from workbench.readiness.config import ReadinessConfig
from workbench.readiness.made_from import own_findings
from workbench.readiness.score import (
    KEPT,
    MEASURED,
    NOT_MEASURED,
    POINTS,
    STATUS,
    WEIGHT,
    WEIGHTS,
    area_scores,
    points,
    total_score,
)

EVERYTHING = tables.ANY
SHARE = "share"
ZERO_AT = "zero_at"
UNIT = c.UNIT
MONEY_MEANS = "money_means"
READS = "reads"
EXPECTED, ACTUAL = "expected", "actual"
EXAMPLE = "example"
GAIN = "gain"
SHORT_FORM = [c.FINDING, c.REMEDY, GAIN, c.MONEY_AT_STAKE]  # columns of a fix list that people read
DELIVERY_COLUMNS = ("table_name", "version", "loaded", "last_observed")

Ask = Callable[[str], pd.DataFrame]


@dataclass(frozen=True)
class Audit:
    """What an audit concludes.

    Attributes:
        checks: One row per check, measured or not, with rows, money and points.
        findings: The `findings` contract without run_id: checks that affect at least one row,
            errors first, then by money at stake and share of rows.
        areas: Score per area, worst first, with its arithmetic.
        score: Average of the measured areas, 0 to 100.
        examples: The worst rows of each finding: check_id, example (text), money_at_stake.
        made_from: Which columns findings of the workspace's own checks are made from.
    """

    checks: pd.DataFrame
    findings: pd.DataFrame
    areas: pd.DataFrame
    score: float
    examples: pd.DataFrame
    made_from: MadeFrom


@dataclass(frozen=True)
class Surroundings:
    """What an audit knows beside the rows.

    Attributes:
        deliveries: One row for each version of each table: table_name, version, loaded (time),
            last_observed (day or none). None: checks of loads and of the future are not measured.
        contracts_kept: The tables are versions of the table store, which refuses rows that break
            their contract: what it refuses is not asked for again.
        own_checks: Folder with checks of the workspace's own.
    """

    deliveries: pd.DataFrame | None = None
    contracts_kept: bool = False
    own_checks: Path | None = None


def audit(
    ask: Ask,
    available: Collection[str],
    *,
    config: ReadinessConfig,
    surroundings: Surroundings = Surroundings(),
) -> Audit:
    """Run all checks.

    Args:
        ask: Answers SQL over the canonical tables as a frame, for example `TableStore.query`.
        available: Tables that exist, with `item_pairs` where the answers know them; checks that
            need others are listed as not measured.
        config: Limits that the checks use.
        surroundings: What is known beside the rows.

    Raises:
        ConfigError: A check of the workspace's own is described wrongly or its SQL fails.
    """
    prefix, given = beside(surroundings.deliveries)
    known = set(available) | given
    rows, examples = [], []
    for item in all_checks(surroundings.own_checks):
        if item.kept_at_load and surroundings.contracts_kept and set(item.reads) <= known:
            rows.append(_kept(item))
            continue
        rows.append(_measured(item, ask, known, config, prefix))
        if rows[-1][c.ROWS_AFFECTED]:
            examples.append(_examples(item, ask, config, prefix))
    checks = pd.DataFrame(rows)
    areas = area_scores(checks)
    shown = pd.concat(examples, ignore_index=True) if examples else _no_examples()
    own = own_findings(surroundings.own_checks, available, config)
    return Audit(checks, _findings(checks), areas, total_score(areas), shown, own)


def beside(deliveries: pd.DataFrame | None) -> tuple[str, set[str]]:
    """SQL that names what checks may read beside the tables, and which of it there is."""
    if deliveries is None or deliveries.empty:
        return "", set()
    names = ", ".join(DELIVERY_COLUMNS)
    rows = ", ".join(
        f"({literal(str(row.table_name))}, {literal(str(row.version))},"
        f" TIMESTAMP {literal(str(row.loaded))}, {_day(row.last_observed)})"
        for row in deliveries.itertuples(index=False)
    )
    today = f"SELECT {_day(deliveries['loaded'].max())} AS today"
    return f"WITH deliveries({names}) AS (VALUES {rows}), audit_day AS ({today}) ", {DELIVERIES}


def _day(value: Any) -> str:
    return "NULL::DATE" if pd.isna(value) else f"DATE {literal(str(value)[:10])}"


def _measured(
    item: Check, ask: Ask, available: set[str], config: ReadinessConfig, prefix: str
) -> dict[str, object]:
    missing = [table for table in item.reads if table not in available]
    affected = checked = 0
    money = float("nan")
    if not missing:
        asked = ", ".join(f"{sql} AS {name}" for name, sql in item.counts().items())
        answer = _answer(item, ask, f"{prefix}SELECT {asked} FROM ({item.counted(config)})").iloc[0]
        affected, checked = int(answer["affected"]), int(answer["checked"])
        # To the cent: in which order DuckDB's threads add is another one each time.
        if item.money_means and affected and pd.notna(answer["money"]):
            money = round(float(answer["money"]), 2)
    is_measured = checked > 0
    return _described(item) | {
        STATUS: MEASURED if is_measured else NOT_MEASURED,
        c.ROWS_AFFECTED: affected,
        c.ROWS_CHECKED: checked,
        SHARE: affected / checked if checked else 0.0,
        c.MONEY_AT_STAKE: money,
        POINTS: points(affected, checked, item.zero_at) if is_measured else float("nan"),
        c.FINDING: _sentence(item, affected, checked, missing),
        ACTUAL: f"{affected} of {checked} {item.unit}" if is_measured else "",
    }


def _described(item: Check) -> dict[str, object]:
    return {
        c.CHECK_ID: item.id,
        c.AREA: item.area,
        c.SEVERITY: item.severity,
        c.REMEDY: item.remedy,
        READS: " ".join(item.reads),
        ZERO_AT: item.zero_at,
        WEIGHT: WEIGHTS[item.severity],
        UNIT: item.unit,
        MONEY_MEANS: item.money_means,
        EXPECTED: f"0 {item.unit}",
    }


def _kept(item: Check) -> dict[str, object]:
    return _described(item) | {
        STATUS: KEPT,
        c.ROWS_AFFECTED: 0,
        c.ROWS_CHECKED: 0,
        SHARE: 0.0,
        c.MONEY_AT_STAKE: float("nan"),
        POINTS: float("nan"),
        c.FINDING: f"Kept at load: the table store refuses such {item.unit}.",
        ACTUAL: f"0 {item.unit}, refused at load",
    }


def _answer(item: Check, ask: Ask, sql: str) -> pd.DataFrame:
    try:
        return ask(sql)
    except TableError as error:
        raise ConfigError(
            f"{item.origin}: check {item.id!r}: its SQL fails ({error}); expected one row for each"
            " thing looked at, with a column 'affected', and 'money' where money_means is given."
            " Correct the query."
        ) from error


def _examples(item: Check, ask: Ask, config: ReadinessConfig, prefix: str) -> pd.DataFrame:
    """The worst rows of a finding: most money first, else in order of their columns."""
    rank, hidden = ("-coalesce(round(money, 2), 0)", ", money") if item.money_means else ("0", "")
    rows = _answer(
        item, ask, f"{prefix}SELECT {rank} AS _rank, * EXCLUDE (affected{hidden})"
        f" FROM ({item.query(config)}) WHERE affected ORDER BY ALL LIMIT {config.examples}",
    )  # fmt: skip
    names = [name for name in rows.columns if name != "_rank"]
    money = -rows["_rank"].astype(float) if item.money_means else float("nan")
    return pd.DataFrame(
        {
            c.CHECK_ID: item.id,
            EXAMPLE: [
                ", ".join(f"{name} {_shown(row[name])}" for name in names)
                for row in rows.to_dict("records")
            ],
            c.MONEY_AT_STAKE: money,
        }
    )


def _no_examples() -> pd.DataFrame:
    return pd.DataFrame(
        {c.CHECK_ID: pd.Series(dtype=str), EXAMPLE: pd.Series(dtype=str),
         c.MONEY_AT_STAKE: pd.Series(dtype=float)}
    )  # fmt: skip


def _shown(value: object) -> str:
    if value is None or value is pd.NaT or (isinstance(value, float) and pd.isna(value)):
        return "–"
    if isinstance(value, pd.Timestamp):
        return value.isoformat(sep=" ").removesuffix(" 00:00:00")
    return f"{value:g}" if isinstance(value, float) else str(value)


def _sentence(item: Check, affected: int, checked: int, missing: list[str]) -> str:
    if missing:
        return f"Not measured: no table {', '.join(missing)}."
    if not checked:
        return f"Not measured: no {item.unit} to look at."
    return item.finding.format(
        affected=f"{affected:,}", checked=f"{checked:,}", share=f"{affected / checked:.1%}"
    )


def _findings(checks: pd.DataFrame) -> pd.DataFrame:
    found = checks[checks[c.ROWS_AFFECTED] > 0].assign(**{c.SCOPE: EVERYTHING})
    rank = found[c.SEVERITY].map({"error": 0, "warning": 1, "info": 2})
    ordered = found.assign(rank=rank).sort_values(
        ["rank", c.MONEY_AT_STAKE, SHARE], ascending=[True, False, False], na_position="last"
    )
    names = [name for name in tables.FINDINGS.names if name != c.RUN_ID]
    return ordered[names].reset_index(drop=True)


def fix_list(result: Audit) -> pd.DataFrame:
    """What to fix first: findings by the points that mending them would add to the total.

    Returns:
        Columns of the findings, plus `gain`: points of the total score (0 to 100) that a full
        repair adds; largest gain first, then money at stake.
    """
    measured = result.checks[result.checks[STATUS] == MEASURED]
    possible = measured.groupby(c.AREA)[WEIGHT].sum()
    lost = measured[WEIGHT] * (1 - measured[POINTS])
    gain = 100 * lost / measured[c.AREA].map(possible) / len(possible)
    table = measured.assign(**{GAIN: gain})[measured[c.ROWS_AFFECTED] > 0]
    names = [
        c.CHECK_ID, c.AREA, c.SEVERITY, c.FINDING, c.REMEDY, c.ROWS_AFFECTED, c.ROWS_CHECKED,
        c.MONEY_AT_STAKE, MONEY_MEANS, GAIN,
    ]  # fmt: skip
    return table.sort_values([GAIN, c.MONEY_AT_STAKE], ascending=False)[names].reset_index(
        drop=True
    )
