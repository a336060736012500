"""Which column depends on which, by experiment: change one input column, run the step again, look.

A changed table has to keep its contract.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.column_changes import changes, differences
from benchmarks.column_steps import Step, Tables
from workbench.contracts.schema import TableContract
from workbench.contracts.tables import CONTRACTS, contract
from workbench.errors import ContractError, WorkbenchError

Column = tuple[str, str]
ENOUGH: Final = 4  # changes in a row that show nothing new, of a column that is said to matter
FEW: Final = 2  # the same, of other columns


@dataclass
class Observed:
    """What the experiments on one step showed.

    Attributes:
        pairs: Per input column what differed in the outputs: table and column, or `ROWS`.
        tried: Experiments per input column that the step accepted.
    """

    pairs: dict[Column, set[Column]] = field(default_factory=dict)
    tried: dict[Column, int] = field(default_factory=dict)
    refused: dict[Column, list[str]] = field(default_factory=dict)
    seen_by: dict[str, str] = field(default_factory=dict)


def experiment(
    step: Step,
    said: Mapping[Column, set[Column]],
    *,
    only: Sequence[Column] | None = None,
    seen: Observed | None = None,
    told: Callable[[Observed], None] = lambda _: None,
) -> Observed:
    """Change each column of each input in turn.

    Args:
        step: To run again and again.
        said: By input column, what is said to follow from it: as long as some of it has not been
            seen, all changes are tried; else until several show nothing new.
        only: Columns to change; default all.
        seen: What was observed before; its columns are not changed again.
        told: Called after each column with all that was observed.
    """
    step.made = step.run(step.inputs)
    again = step.run(step.inputs)
    for table, frame in step.made.items():
        if differences(table, frame, again[table]):
            raise WorkbenchError(f"{step.name}: {table} differs between two equal runs")
    seen = seen or Observed()
    for source, frame in step.inputs.items():
        for column in frame.columns:
            if (only is not None and (source, column) not in only) or (
                source,
                column,
            ) in seen.pairs:
                continue
            _try(step, (source, column), said.get((source, column), set()), seen)
            told(seen)
    return seen


def _try(step: Step, column: Column, wanted: set[Column], seen: Observed) -> None:
    source, name = column
    found: set[Column] = set()
    seen.tried[column] = 0
    quiet = 0
    earlier: Tables = {}
    for change in changes(step.inputs[source], name, table=source):
        try:
            if source in CONTRACTS:
                _refuse_broken(contract(source), change.frame)
            made = step.run({**step.inputs, source: change.frame})
            _refuse_repeated(made)
        except Exception as error:  # a change that the step refuses shows nothing
            seen.refused.setdefault(column, []).append(f"{change.what}: {str(error)[:160]}")
            continue
        seen.tried[column] += 1
        shown = {
            (table, other)
            for table, after in made.items()
            for other in differences(table, step.made[table], after, change)
        }
        if change.renames is None:  # two changes differ in this one column as well
            shown |= {
                (table, other)
                for table, before in earlier.items()
                for other in differences(table, before, made[table])
            }
            earlier = made
        for table, other in shown - found:
            seen.seen_by[f"{source}.{name}>{table}.{other}"] = change.what
        quiet = 0 if shown - found else quiet + 1
        found |= shown
        if quiet >= (ENOUGH if wanted else FEW) and wanted <= found:
            break
    seen.pairs[column] = found


def _refuse_repeated(made: Tables) -> None:
    """A change must keep the contracts; what is written to a store has been checked there."""
    for table, frame in made.items():
        of = contract(table)
        key = [name for name in of.key if name in frame]
        if frame.duplicated(key).any() or frame[key].isna().any().any():
            raise ContractError(f"table {table!r}: its key is not unique; expected a valid change.")


def _refuse_broken(of: TableContract, frame: pd.DataFrame) -> None:
    """As the table store would, without its hashing and writing."""
    if frame.duplicated(list(of.key)).any():
        raise ContractError(f"table {of.name!r}: its key is not unique")
    for column in of.columns:
        values = frame[column.name]
        known = values.dropna()
        ranged = {"number", "integer"} & {column.type}
        kinds = {"text": str, "boolean": (bool, np.bool_), "number": (int, float)}
        broken = (
            (not column.nullable and values.isna().any())
            or (column.values and not known.isin(column.values).all())
            or (ranged and column.minimum is not None and (known < column.minimum).any())
            or (ranged and column.maximum is not None and (known > column.maximum).any())
            or (
                column.type in kinds
                and not known.map(lambda v, t=kinds[column.type]: isinstance(v, t)).all()
            )
            or (
                column.type in ("date", "time")
                and not pd.api.types.is_datetime64_any_dtype(values)
                and len(known)
            )
        )
        if broken:
            raise ContractError(f"table {of.name!r}: column {column.name!r} breaks the contract")


def as_json(seen: Observed) -> str:
    """The observations as text, to look at them again."""
    return json.dumps(
        {
            "pairs": {".".join(k): sorted(map(list, v)) for k, v in seen.pairs.items()},
            "tried": {".".join(k): v for k, v in seen.tried.items()},
            "refused": {".".join(k): v for k, v in seen.refused.items()},
            "seen_by": seen.seen_by,
        },
        indent=1,
    )
