"""Where the tables that a run reads come from, in words that follow their provenance."""

from collections.abc import Iterable

import pandas as pd

from workbench.tables.versions import TableVersion

_SIMULATED, _HERE = "simulated", "simulated here"


def origins(versions: Iterable[TableVersion]) -> pd.DataFrame:
    """One row per origin: its tables, where they come from, whether that is simulated.

    Returns:
        Columns `tables`, `where from`, `simulated here` (`yes`, `in part`, `rests on it` or `no`).
    """
    rows = [
        (version.table, version.source.rstrip("."), _simulated(version)) for version in versions
    ]
    frame = pd.DataFrame(rows, columns=["tables", "where from", _HERE])
    grouped = frame.groupby(["where from", _HERE], sort=False)["tables"]
    joined = grouped.agg(lambda names: ", ".join(sorted(names))).reset_index()
    return joined[["tables", "where from", _HERE]]


def _simulated(version: TableVersion) -> str:
    """Whether the columns of a version are simulated, or what it was made from is."""
    kinds = set(version.provenance.values())
    if kinds == {_SIMULATED}:
        return "yes"
    if _SIMULATED in kinds:
        return "in part"
    return "rests on it" if version.rests_on_simulated else "no"
