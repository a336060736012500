"""Contracts as checks of frames and of relations: same verdict, same message."""

import datetime as dt

import duckdb
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.contracts import tables
from workbench.contracts.checks import check_frame, pandera_schema
from workbench.contracts.relation_checks import check_relation
from workbench.errors import ContractError

WHERE = "table 'sales' from sales.csv"


def sales(**changed: object) -> pd.DataFrame:
    frame = pd.DataFrame(
        {
            "item_id": ["a", "a", "b"],
            "location_id": ["s1", "s1", "s1"],
            "date": pd.to_datetime(["2017-01-01", "2017-01-02", "2017-01-01"]),
            "channel": ["store"] * 3,
            "quantity": [1.0, 2.0, 3.0],
            "revenue": [1.5, -2.0, 3.0],
            "in_stock": [None, True, False],
        }
    )
    return frame.assign(**changed)


def relation_message(frame: pd.DataFrame) -> str:
    connection = duckdb.connect()
    connection.register("rows", frame)
    with pytest.raises(ContractError) as caught:
        check_relation(
            "rows", tables.SALES, where=WHERE, fetch=lambda sql: connection.execute(sql).fetchall()
        )
    return str(caught.value)


BREACHES = {
    "below 0": (
        {"quantity": [1.0, -2.0, -3.0]},
        "table 'sales' from sales.csv: 'quantity' is below 0 in 2 rows (first -2.0 at item_id='a',"
        " location_id='s1', date=2017-01-02, channel='store'); expected >= 0. Correct these rows,"
        " or record them in the table that they belong to.",
    ),
    "empty": (
        {"channel": ["store", None, "store"]},
        "table 'sales' from sales.csv: 'channel' is empty in 1 row (first at item_id='a',"
        " location_id='s1', date=2017-01-02, channel=None); expected a value in every row."
        " Fill the gaps or leave these rows out.",
    ),
    "control character": (
        {"item_id": ["a", "a\x1b[31m\u202e", "b"]},
        "table 'sales' from sales.csv: 'item_id' is holding a control character in 1 row (first"
        " 'a\\x1b[31m\\u202e' at item_id='a\\x1b[31m\\u202e', location_id='s1', date=2017-01-02,"
        " channel='store'); expected ids without line breaks, control and direction characters."
        " Take it out of the id in the source.",
    ),
    "infinite": (
        {"revenue": [1.0, 2.0, -np.inf]},
        "table 'sales' from sales.csv: 'revenue' is infinite in 1 row (first -inf at item_id='b',"
        " location_id='s1', date=2017-01-01, channel='store'); expected finite numbers."
        " Leave such values empty, or correct the division behind them.",
    ),
}


@pytest.mark.parametrize("name", BREACHES)
def test_frame_and_relation_tell_a_breach_in_the_same_words(name):
    changed, message = BREACHES[name]
    with pytest.raises(ContractError) as caught:
        check_frame(sales(**changed), tables.SALES, where=WHERE)
    assert str(caught.value) == message
    assert relation_message(sales(**changed)) == message


@pytest.mark.parametrize("character", "\0\n\r\t\x1b\x7f\x85\u2028\u202a\u202e\u2066\u2069")
def test_id_with_a_hidden_character_is_refused_both_ways(character):
    frame = sales(location_id=["s1", "s1", f"s{character}1"])
    with pytest.raises(ContractError, match="'location_id' is holding a control") as caught:
        check_frame(frame, tables.SALES, where=WHERE)
    assert character not in str(caught.value)
    assert relation_message(frame) == str(caught.value)


def test_other_scripts_and_free_text_are_kept():
    ids = ["é-1 ä", "مخزن", "倉庫"]
    check_frame(sales(item_id=ids), tables.SALES, where=WHERE)
    assert not tables.ITEMS.column("description").identifies
    assert tables.PROPOSALS.column("supplier_id").identifies


def test_value_outside_the_allowed_ones_names_them():
    frame = pd.DataFrame({"location_id": ["x"], "kind": ["shop"]})
    with pytest.raises(ContractError, match=r"'shop'.*expected one of dc, store, micro_fulfilment"):
        check_frame(frame, tables.LOCATIONS, where="t")


def test_duplicate_key_names_the_first_repeated_key():
    frame = pd.concat([sales(), sales().iloc[[2]]])
    with pytest.raises(ContractError, match=r"1 row repeats the key .*first item_id='b'"):
        check_frame(frame, tables.SALES, where=WHERE)


def test_missing_column_lists_what_was_found_and_what_is_expected():
    with pytest.raises(ContractError, match=r"no column 'revenue', found item_id.*Map a column"):
        check_frame(sales().drop(columns="revenue"), tables.SALES, where=WHERE)


def test_unknown_column_is_refused():
    with pytest.raises(ContractError, match="column 'colour' is not in the contract"):
        check_frame(sales(colour="red"), tables.SALES, where=WHERE)


def test_repeated_column_is_refused():
    frame = pd.concat([sales(), sales()[["revenue"]]], axis=1)
    with pytest.raises(ContractError, match="column 'revenue' occurs more than once"):
        check_frame(frame, tables.SALES, where=WHERE)


def test_empty_frame_is_refused_unless_allowed():
    with pytest.raises(ContractError, match="no rows; expected at least one"):
        check_frame(sales().head(0), tables.SALES, where=WHERE)
    assert check_frame(sales().head(0), tables.SALES, where=WHERE, allow_empty=True).empty


@pytest.mark.parametrize(
    ("column", "values", "found"),
    [
        ("item_id", [1, 2, 3], "int64"),
        ("item_id", ["1", 2, 3], r"more than one type \(int, str\)"),
        ("quantity", ["1", "2", "3"], "str"),
        ("quantity", [True, False, True], "bool"),
        ("date", ["2017-01-01"] * 3, "str"),
        ("in_stock", [0, 1, 1], "int64"),
    ],
)
def test_wrong_type_is_named(column, values, found):
    with pytest.raises(ContractError, match=f"'{column}' holds values of .*{found}"):
        check_frame(sales(**{column: values}), tables.SALES, where=WHERE)


def test_time_of_day_in_a_date_column_is_refused():
    dates = pd.to_datetime(["2017-01-01 05:00", "2017-01-02 00:00", "2017-01-03 00:00"])
    with pytest.raises(ContractError, match="'date' is with a time of day in 1 row"):
        check_frame(sales(date=dates), tables.SALES, where=WHERE)


def test_fraction_in_a_whole_number_column_is_refused():
    frame = pd.DataFrame(
        {"order_id": ["o"], "line": [1.5], "item_id": ["a"], "location_id": ["s"],
         "date": [pd.Timestamp("2017-01-01")], "quantity": [1.0]}
    )  # fmt: skip
    with pytest.raises(ContractError, match="'line' is not whole in 1 row"):
        check_frame(frame, tables.ORDER_LINES, where="t")


def test_lone_surrogate_is_not_text():
    with pytest.raises(ContractError, match="'item_id'"):
        check_frame(sales(item_id=["a", "b\ud800", "c"]), tables.SALES, where=WHERE)


def test_coerces_types_and_fills_columns_that_may_be_left_out():
    frame = sales(quantity=[1, 2, 3], date=[dt.date(2017, 1, day) for day in (1, 2, 3)])
    checked = check_frame(frame.drop(columns="in_stock"), tables.SALES, where=WHERE)
    assert list(checked.columns) == list(tables.SALES.names)
    assert [str(kind) for kind in checked.dtypes] == [
        "object", "object", "datetime64[ns]", "object", "float64", "float64", "boolean",
    ]  # fmt: skip
    assert checked["in_stock"].isna().all()


def test_instant_with_a_zone_becomes_utc():
    ordered = pd.to_datetime(["2017-01-01 20:00"]).tz_localize("America/New_York")
    contract = tables.STOCK_MOVEMENTS
    frame = pd.DataFrame({"movement_id": ["m"], "item_id": "a", "location_id": "s", "kind": "in"})
    checked = check_frame(frame.assign(time=ordered, quantity=1.0), contract, where="t")
    assert checked["time"].tolist() == [pd.Timestamp("2017-01-02 01:00")]


def test_the_given_frame_is_not_changed():
    frame = sales(quantity=[1, 2, 3])
    before = frame.copy(deep=True)
    check_frame(frame, tables.SALES, where=WHERE)
    pd.testing.assert_frame_equal(frame, before)


def test_every_contract_makes_a_pandera_schema():
    for contract in tables.CONTRACTS.values():
        assert list(pandera_schema(contract).columns) == list(contract.names)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=False)), min_size=1, max_size=8))
def test_frames_and_relations_agree_on_any_quantities(quantities):
    frame = sales().iloc[[0] * len(quantities)].reset_index(drop=True)
    frame["item_id"] = [f"i{row:02}" for row in range(len(frame))]
    frame["quantity"] = pd.Series(quantities, dtype="float64")
    good = all(q is not None and 0 <= q < np.inf for q in quantities)
    connection = duckdb.connect()
    connection.register("frame_rows", frame)
    connection.execute("CREATE TABLE rows AS SELECT * REPLACE (CASE WHEN isnan(quantity) THEN NULL"
                       " ELSE quantity END AS quantity) FROM frame_rows")  # fmt: skip
    if good:
        check_frame(frame, tables.SALES, where=WHERE)
        fetch = connection.execute
        assert check_relation(
            "rows", tables.SALES, where=WHERE, fetch=lambda sql: fetch(sql).fetchall()
        ) == len(frame)
        return
    with pytest.raises(ContractError) as caught:
        check_frame(frame, tables.SALES, where=WHERE)
    with pytest.raises(ContractError) as other:
        check_relation(
            "rows",
            tables.SALES,
            where=WHERE,
            fetch=lambda sql: connection.execute(sql).fetchall(),
        )
    assert str(caught.value) == str(other.value)
