"""Changes of one column that keep a table's contract, and what differs between two frames.

What can be told apart:
    - a *value* changed: some row that is there before and after has another value in a column;
    - the *rows* changed: other keys than before.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import numpy as np
import pandas as pd

from workbench.contracts.columns import RUN_ID
from workbench.contracts.tables import CONTRACTS, contract

ROWS: Final = "*rows*"
# A row is the same row where these agree; elsewhere the contract's key without ids of the run.
SAME_ROW: Final = {
    "supplier_items": ["item_id", "location_id"],
    "purchase_orders": ["ordered", "item_id", "location_id"],
    "proposals": ["item_id", "location_id"],
    "alarms": ["monitor", "scope"],
}
FROM_KEY: Final = {"receipts": ("po_id", "line"), "promotions": ("valid_to",)}
KEYS: Final = {"products": ["product_id"]}  # of source files, where values are unique


# --- changes ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """A frame in which one column differs.

    Attributes:
        renames: Where each value was exchanged for another one: how that looks in another column
            that only repeats it; None for other changes.
    """

    what: str
    frame: pd.DataFrame
    renames: Callable[[pd.Series], pd.Series | None] | None = None


def changes(frame: pd.DataFrame, column: str, *, table: str, seed: int = 1) -> Iterator[Change]:
    """Changes of one column that keep the key unique."""
    key = KEYS.get(table) or (list(CONTRACTS[table].key) if table in CONTRACTS else [])
    place = int.from_bytes(f"{table}.{column}".encode(), "little") % 2**32
    random = np.random.default_rng((seed, place))
    values = frame[column]
    known = values.dropna()
    made = _filled(values, random) if known.empty else _kinds(values, random)
    if column in key and pd.api.types.is_datetime64_any_dtype(values):
        made = chain(made, [("packed", _packed(frame, key, column), None)])
    if column in key and len(key) > 1:
        made = chain(
            made, [("exchanged within the key", _within(frame, key, column, random), None)]
        )
    for what, new, renames in made:
        if column in key and renames is None:
            new = _still_unique(frame, key, column, new)
        if not _equal(values, new).all():
            yield Change(what, frame.assign(**{column: new}), renames)


Made = Iterator[tuple[str, pd.Series, Callable[[pd.Series], pd.Series | None] | None]]


def _kinds(values: pd.Series, random: np.random.Generator) -> Made:
    shuffled = pd.Series(random.permutation(values.to_numpy()), values.index).astype(values.dtype)
    yield "shuffled", shuffled, None
    kind = values.dropna().iloc[0]
    if isinstance(kind, bool | np.bool_):
        yield "flipped", _partly(values, random, ~values.astype("boolean"), 0.4), None
    elif pd.api.types.is_datetime64_any_dtype(values) or hasattr(kind, "toordinal"):
        yield from _other_dates(pd.to_datetime(values), random)
    elif isinstance(kind, str):
        yield from _other_texts(values, random)
    else:
        yield from _other_numbers(values, random)
    gone = pd.Series(random.random(len(values)) < 0.3, values.index)
    yield "some swapped", _partly(values, random, shuffled, 0.3), None
    is_time = pd.api.types.is_datetime64_any_dtype(values)
    yield "some missing", (values if is_time else values.astype(object)).mask(gone, None), None


def _filled(values: pd.Series, random: np.random.Generator) -> Made:
    """Values where there were none; the contract refuses those of a wrong type."""
    count = len(values)
    for name, one in (
        ("numbers", random.integers(1, 40, count).astype(float)),
        ("texts", random.choice(["left", "right"], count)),
        ("truths", random.random(count) < 0.5),
        ("times", np.full(count, np.datetime64("2017-06-01", "us"))),
    ):
        yield f"filled with {name}", pd.Series(one, values.index), None


def _other_dates(dates: pd.Series, random: np.random.Generator) -> Made:
    for days in (1, 7, -20):
        step = pd.Timedelta(days=days)
        yield f"{days:+} days", dates + step, lambda of, step=step: _shifted(of, step)
    first, last = dates.min(), dates.max()
    yield "mirrored", first + (last - dates), None
    yield "exchanged", *_exchanged(dates, random)
    yield "some later", _partly(dates, random, dates + pd.Timedelta(days=9), 0.4), None
    midnight, middle = dates.dt.floor("D"), first + (last - first) / 2
    if (midnight != dates).any():
        yield "without the time of day", dates.mask(dates < middle, midnight), None


def _shifted(of: pd.Series, step: pd.Timedelta) -> pd.Series | None:
    return (of + step).astype(of.dtype) if pd.api.types.is_datetime64_any_dtype(of) else None


def _other_texts(values: pd.Series, random: np.random.Generator) -> Made:
    yield "exchanged", *_exchanged(values, random)
    unique = sorted(values.dropna().unique())
    chosen = random.choice(unique, max(1, len(unique) // 4), replace=False)
    for what, some in (("some renamed", chosen), ("all renamed", unique)):
        new = {one: f"{one}9" for one in some}
        yield what, values.map(lambda one, new=new: new.get(one, one)), _renaming(new)
    yield "rows renamed", _partly(values, random, values + "9", 0.4), None


def _exchanged(
    values: pd.Series, random: np.random.Generator
) -> tuple[pd.Series, Callable[[pd.Series], pd.Series | None]]:
    """Each distinct value becomes another: what was unique stays unique."""
    unique = sorted(values.dropna().unique())
    order = random.permutation(len(unique))
    new = {unique[a]: unique[b] for a, b in zip(order, np.roll(order, 1), strict=True)}
    return values.map(new), _renaming(new)


def _renaming(new: Mapping[Any, Any]) -> Callable[[pd.Series], pd.Series | None]:
    """How another column looks that repeats these values, as they are or as text."""
    as_text = {str(old): str(one) for old, one in new.items()}

    def apply(of: pd.Series) -> pd.Series | None:
        if of.isin(new).any():
            return of.map(lambda one: new.get(one, one)).astype(of.dtype)
        if of.dtype == object and of.isin(as_text).any():
            return of.map(lambda one: as_text.get(one, one))
        return None

    return apply


def _other_numbers(values: pd.Series, random: np.random.Generator) -> Made:
    number = pd.to_numeric(values).astype(float)
    whole = bool((number.dropna() == number.dropna().round()).all())
    more = number + random.integers(1, 4, len(number))
    if not whole:
        more = number * random.uniform(0.6, 1.7, len(number))
    if whole and values.nunique() > len(values) / 50:  # may be ids
        yield "exchanged", *_exchanged(values, random)
    each = (
        ("more", more), ("some more", _partly(number, random, more, 0.3)), ("doubled", number * 2),
        ("some nothing", _partly(number, random, number * 0, 0.2)), ("less", number * 0.5),
        ("mostly nothing", _partly(number, random, number * 0, 0.9)),
    )  # fmt: skip
    for what, new in each:
        fits = not pd.api.types.is_integer_dtype(values) or (new == new.round()).all()
        yield what, new.astype(values.dtype) if fits else new.round().astype(values.dtype), None


def _partly(
    values: pd.Series, random: np.random.Generator, new: pd.Series, share: float
) -> pd.Series:
    return values.where(pd.Series(random.random(len(values)) > share, values.index), new)


def _packed(frame: pd.DataFrame, key: list[str], column: str) -> pd.Series:
    """Of what shares the rest of the key, the first row gets the first day, and so on."""
    place = frame.groupby([name for name in key if name != column]).cumcount()
    days = frame[column].drop_duplicates().sort_values(ignore_index=True)
    return place.map(days).astype(frame[column].dtype)


def _within(
    frame: pd.DataFrame, key: list[str], column: str, random: np.random.Generator
) -> pd.Series:
    """Of what shares the rest of the key, rows exchange their values: the keys stay the same."""
    rest = [name for name in key if name != column]
    drawn = frame[rest].assign(drawn=random.random(len(frame)))
    held = frame[rest].assign(place=drawn.groupby(rest).cumcount() + 1)
    taken = frame[rest].assign(place=drawn.groupby(rest)["drawn"].rank().astype(int))
    values = frame[column].set_axis(pd.MultiIndex.from_frame(held))
    return values.reindex(pd.MultiIndex.from_frame(taken)).set_axis(frame.index)


def _still_unique(frame: pd.DataFrame, key: list[str], column: str, new: pd.Series) -> pd.Series:
    """The new values, less those that would repeat a key."""
    for _ in range(20):
        repeated = frame.assign(**{column: new}).duplicated(key, keep=False)
        if not repeated.any():
            break
        new = new.where(~repeated, frame[column])
    return new


# --- comparison ------------------------------------------------------------------------------


def _equal(left: pd.Series, right: pd.Series) -> pd.Series:
    missing = left.isna() & right.isna()
    if pd.api.types.is_float_dtype(left) and pd.api.types.is_numeric_dtype(right):
        a, b = left.to_numpy(float), right.to_numpy(float)
        with np.errstate(invalid="ignore"):
            return missing | pd.Series(np.isclose(a, b, rtol=1e-9, atol=1e-12), left.index)
    return missing | (left.astype(object) == right.astype(object)).astype(bool)


def row_key(table: str) -> list[str]:
    """Columns by which rows before and after an experiment are matched."""
    of = contract(table)
    return SAME_ROW.get(table, [name for name in of.key if name not in of.run_columns])


def key_columns(table: str) -> set[str]:
    """Columns that follow from which row it is: they are judged together, as the rows."""
    of = contract(table)
    return {*row_key(table), *of.key, *of.run_columns, *FROM_KEY.get(table, ())}


def differences(
    table: str, before: pd.DataFrame, after: pd.DataFrame, change: Change | None = None
) -> set[str]:
    """Columns of which a value differs, and `ROWS` where the keys do.

    Where values were only exchanged for others, what follows them under their new names is the
    same: only the key has changed.
    """
    if before.equals(after):
        return set()
    key = row_key(table)
    found = _differences(table, key, before, after)
    if found and change is not None and change.renames is not None:
        renamed = before
        for name in key:
            new = change.renames(before[name])
            if new is not None:
                renamed = renamed.assign(**{name: new})
        if renamed is not before and not renamed.duplicated(key).any():
            found &= _differences(table, key, renamed, after) | {ROWS}
    return found


def _differences(table: str, key: list[str], before: pd.DataFrame, after: pd.DataFrame) -> set[str]:
    left, right = (one.set_index(key).sort_index() for one in (before, after))
    shared = left.index.intersection(right.index)
    found = set() if len(left) == len(right) == len(shared) else {ROWS}
    skip = {*key, RUN_ID}  # an id that follows from the run's is the same each time
    left, right = left.loc[shared], right.loc[shared]
    return found | {
        name for name in left.columns
        if name not in skip and not _equal(left[name], right[name]).all()
    }  # fmt: skip
