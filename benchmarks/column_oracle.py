"""Which column depends on which, by experiment: change one input column, run the step again, look.

A changed table has to keep its contract.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.column_changes import ROWS, Change, changes, differences, key_columns, row_key
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


@dataclass(frozen=True)
class Search:
    """How hard is looked.

    Attributes:
        seed: Of what is changed by chance.
        every: All changes from all inputs, whatever has been seen already.
    """

    seed: int = 1
    every: bool = False


def experiment(
    step: Step,
    said: Mapping[Column, set[Column]],
    *,
    only: Sequence[Column] | None = None,
    seen: Observed | None = None,
    search: Search = Search(),
    told: Callable[[Observed], None] = lambda _: None,
) -> Observed:
    """Change each column of each input in turn.

    Args:
        step: To run again and again.
        said: By input column, what is said to follow from it: as long as some of it has not been
            seen, all changes are tried; else until several show nothing new.
        only: Columns to change; default all.
        seen: What was observed before; its columns are not changed again.
        search: How hard is looked.
        told: Called after each column with all that was observed.
    """
    bases = [_Base(inputs, step.run(inputs)) for inputs in step.others]
    bases += [_Base(step.inputs, _steady(step, step.inputs))]
    seen = seen or Observed()
    for source, frame in step.inputs.items():
        for name in frame.columns:
            column = (source, name)
            if column in seen.pairs or (only is not None and column not in only):
                continue
            wanted = said.get(column, set())
            seen.pairs[column], seen.tried[column] = set(), 0
            for base in bases:
                _try(step, base, column, wanted, seen, search)
                if not search.every and wanted and wanted <= _judged(seen.pairs[column]):
                    break
            told(seen)
    return seen


@dataclass(frozen=True)
class _Base:
    """Inputs to start from, and what the step makes of them."""

    inputs: Tables
    made: Tables


def _steady(step: Step, inputs: Tables) -> Tables:
    """What a step makes, twice the same."""
    made, again = step.run(inputs), step.run(inputs)
    for table, frame in made.items():
        if differences(table, frame, again[table]):
            raise WorkbenchError(f"{step.name}: {table} differs between two equal runs")
    return made


def _try(
    step: Step, base: _Base, column: Column, wanted: set[Column], seen: Observed, search: Search
) -> None:
    source, name = column
    found, quiet = seen.pairs[column], 0
    enough = ENOUGH if wanted else FEW
    earlier: Tables = {}
    for change in changes(base.inputs[source], name, table=source, seed=search.seed):
        try:
            if source in CONTRACTS:
                refuse_broken(contract(source), change.frame, only=name)
            made = step.run({**base.inputs, source: change.frame})
            _refuse_repeated(made)
        except Exception as error:  # a change that the step refuses shows nothing
            seen.refused.setdefault(column, []).append(f"{change.what}: {str(error)[:160]}")
            continue
        seen.tried[column] += 1
        shown = _shown(base.made, made, change)
        if change.renames is None:  # two changes differ in this one column as well
            shown |= _shown(earlier, made)
            earlier = made
        for table, other in shown - found:
            seen.seen_by[f"{source}.{name}>{table}.{other}"] = change.what
        quiet = 0 if shown - found else quiet + 1
        found |= shown
        if not search.every and quiet >= enough and wanted <= _judged(found):
            return


def _shown(before: Tables, after: Tables, change: Change | None = None) -> set[Column]:
    """Columns of tables that differ, and `ROWS`."""
    return {
        (table, name)
        for table, frame in before.items()
        for name in differences(table, frame, after[table], change)
    }


def _judged(found: set[Column]) -> set[Column]:
    """Columns that only say which row it is, as the rows."""
    return {(table, ROWS if name in key_columns(table) else name) for table, name in found}


def _refuse_repeated(made: Tables) -> None:
    """A change must keep the contracts; what is written to a store has been checked there."""
    for table, frame in made.items():
        key = [name for name in contract(table).key if name in frame]
        keys = (key, row_key(table))
        if any(frame.duplicated(of).any() for of in keys) or frame[key].isna().any().any():
            raise ContractError(f"table {table!r}: its key is not unique; expected a valid change.")


def refuse_broken(of: TableContract, frame: pd.DataFrame, *, only: str = "") -> None:
    """As the table store would, without its hashing and writing.

    Args:
        of: The contract.
        frame: To check.
        only: The column that is new; the others are known to be whole.

    Raises:
        ContractError: The frame breaks the contract.
    """
    if (not only or only in of.key) and frame.duplicated(list(of.key)).any():
        raise ContractError(f"table {of.name!r}: its key is not unique")
    for column in of.columns:
        if only not in ("", column.name):
            continue
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
