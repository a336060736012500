"""A table contract as a pandera schema: types, limits and key of a frame.

Limits and messages are the same as for relations (`relation_checks`).
"""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from workbench.contracts import violations
from workbench.contracts.schema import Column, TableContract

if TYPE_CHECKING:
    import pandera.pandas as pa_schema

_HIDDEN: Final = re.compile(
    "[" + "".join(f"{chr(first)}-{chr(last)}" for first, last in violations.HIDDEN_RANGES) + "]"
)


def pandera_schema(contract: TableContract) -> "pa_schema.DataFrameSchema":
    """The contract for pandera: one check per limit, named as the limit, and the key's uniqueness.

    Pandera is imported here because it takes most of a second.
    """
    import pandera.pandas as pandera

    columns = {
        column.name: pandera.Column(
            nullable=True,
            checks=[
                pandera.Check(
                    _keeps(column, limit), name=limit.name, error=limit.expected, ignore_na=False
                )
                for limit in violations.limits(column)
            ],
        )
        for column in contract.columns
    }
    return pandera.DataFrameSchema(
        columns, unique=list(contract.key), strict=True, ordered=True, name=contract.name
    )


def check_frame(
    frame: pd.DataFrame, contract: TableContract, *, where: str, allow_empty: bool = False
) -> pd.DataFrame:
    """Check a frame against a contract; return its columns in contract order, coerced.

    Text becomes str objects with None, numbers float64, days and instants naive datetime64 (UTC),
    whole numbers int64 or Int64, truth values bool or boolean. A column that may be empty can be
    missing. The given frame is not changed.

    Args:
        frame: Rows of the table, in any order.
        contract: What they must keep to.
        where: Place for the message, for example `table 'sales' from sales.csv`.
        allow_empty: Whether a frame without rows is in order.

    Raises:
        ContractError: The first thing broken, in contract order.
    """
    import pandera.errors

    violations.check_names(where, contract, [str(name) for name in frame.columns])
    violations.check_count(where, contract, len(frame), allow_empty=allow_empty)
    coerced = pd.DataFrame(
        {column.name: _coerced(frame, column, where) for column in contract.columns}
    ).reset_index(drop=True)
    try:
        pandera_schema(contract).validate(coerced, lazy=True)
    except pandera.errors.SchemaErrors as error:
        raise _first_breach(coerced, contract, error.failure_cases, where) from error
    return _final_types(coerced, contract)


def _first_breach(
    frame: pd.DataFrame, contract: TableContract, failures: pd.DataFrame, where: str
) -> Exception:
    """Error for the first limit broken in contract order, else for the key."""
    broken = set(zip(failures["column"], failures["check"], strict=True))
    for column in contract.columns:
        for limit in violations.limits(column):
            if (column.name, limit.name) in broken or (column.name, limit.expected) in broken:
                rows = frame[~_keeps(column, limit)(frame[column.name])]
                first = rows.sort_values(list(contract.key)).iloc[0]
                return violations.breach(
                    where, column, limit, count=len(rows), value=first[column.name],
                    key={name: first[name] for name in contract.key},
                )  # fmt: skip
    repeats = frame[frame.duplicated(list(contract.key))]
    first = repeats.sort_values(list(contract.key)).iloc[0]
    key = {name: first[name] for name in contract.key}
    return violations.duplicates(where, contract, count=len(repeats), key=key)


def _keeps(column: Column, limit: violations.Limit) -> Callable[[Any], Any]:
    """Function from values to whether each keeps the limit; an empty value breaks only `null`."""
    if limit.name == "printable":
        return lambda values: ~values.isin([v for v in values.dropna().unique() if _hides(v)])
    tests: dict[str, Callable[[Any], Any]] = {
        "null": lambda values: values.notna(),
        "whole": lambda values: values.isna() | (values == np.floor(values.astype("float64"))),
        "midnight": lambda values: values.isna() | (values == values.dt.normalize()),
        "finite": lambda values: ~np.isinf(values),
        "minimum": lambda values: values.isna() | (values >= column.minimum),
        "maximum": lambda values: values.isna() | (values <= column.maximum),
        "values": lambda values: values.isna() | values.isin(column.values or ()),
    }
    test = tests[limit.name]
    return lambda values: test(values).astype(bool)


def _hides(value: Any) -> bool:
    return isinstance(value, str) and _HIDDEN.search(value) is not None


def _coerced(frame: pd.DataFrame, column: Column, where: str) -> pd.Series:
    """A column in one of five plain types, before limits are checked."""
    if column.name not in frame.columns:
        return _empty(frame.index, column)
    values = frame[column.name]
    if values.isna().all():
        return _empty(frame.index, column)
    coerce = {
        "text": _text,
        "number": _number,
        "integer": _whole,
        "boolean": _truth,
        "date": _instant,
        "time": _instant,
    }[column.type]
    coerced = coerce(values, column)
    if coerced is None:
        raise violations.wrong_type(where, column, _kind(values))
    return coerced


def _empty(index: pd.Index, column: Column) -> pd.Series:
    kind = {"date": "datetime64[ns]", "time": "datetime64[ns]", "text": "object"}
    values: Any = None if column.type == "text" else np.nan
    return pd.Series(values, index=index, dtype=kind.get(column.type, "float64"))


def _text(values: pd.Series, column: Column) -> pd.Series | None:
    plain = values.astype(object)
    if _inferred(plain) != "string":
        return None
    try:
        "".join(plain.dropna().unique()).encode("utf-8")
    except UnicodeEncodeError:
        return None
    coerced: pd.Series = plain.copy()
    coerced[plain.isna()] = None
    return coerced


def _number(values: pd.Series, column: Column) -> pd.Series | None:
    numeric = _numeric(values)
    return None if numeric is None else numeric.astype("float64") + 0.0


def _whole(values: pd.Series, column: Column) -> pd.Series | None:
    numeric = _numeric(values)
    if numeric is None or (numeric.dtype == "int64" and not numeric.isna().any()):
        return numeric
    if pd.api.types.is_integer_dtype(numeric.dtype):
        return numeric.astype("Int64")
    return numeric.astype("float64")


def _numeric(values: pd.Series) -> pd.Series | None:
    """The values with a numeric type; None where one is no number (a truth value is none)."""
    if pd.api.types.is_bool_dtype(values.dtype):
        return None
    if pd.api.types.is_numeric_dtype(values.dtype):
        return values
    if _inferred(values) in ("integer", "floating", "mixed-integer-float", "decimal"):
        return pd.to_numeric(values)
    return None


def _truth(values: pd.Series, column: Column) -> pd.Series | None:
    return values.astype("boolean") if _inferred(values) == "boolean" else None


def _instant(values: pd.Series, column: Column) -> pd.Series | None:
    """Days and instants as naive datetime64; an instant with a zone becomes UTC."""
    if values.dtype == object:
        allowed = {"date", "datetime"} if column.type == "date" else {"datetime"}
        if _inferred(values) not in allowed:
            return None
        values = pd.to_datetime(values, utc=_has_zone(values))
    if not pd.api.types.is_datetime64_any_dtype(values.dtype):
        return None
    if values.dt.tz is not None:
        values = values.dt.tz_convert("UTC").dt.tz_localize(None)
    return values


def _has_zone(values: pd.Series) -> bool:
    return any(getattr(value, "tzinfo", None) is not None for value in values.dropna())


def _kind(values: pd.Series) -> str:
    if values.dtype != object:
        return f"values of type {values.dtype}"
    kinds = sorted({type(value).__name__ for value in values.dropna()})
    if len(kinds) > 1:
        return f"values of more than one type ({', '.join(kinds)})"
    return f"values of type {kinds[0]}"


def _inferred(values: pd.Series) -> str:
    """Pandas' name for what an object column holds, empty values left out."""
    return str(pd.api.types.infer_dtype(values, skipna=True))


def _final_types(frame: pd.DataFrame, contract: TableContract) -> pd.DataFrame:
    """Types that depend on whether a column may be empty."""
    types = {}
    for column in contract.columns:
        if column.type == "integer":
            types[column.name] = "Int64" if column.nullable else "int64"
        elif column.type == "boolean":
            types[column.name] = "boolean" if column.nullable else "bool"
    return frame.astype(types)
