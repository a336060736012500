"""SQL in a description: rows to keep, values computed, wide tables made long, files joined."""

import pytest

from workbench.errors import SourceError

SALES = {
    "name": "tills", "kind": "csv", "path": "sales.csv", "table": "sales",
    "columns": {
        "item_id": "sku", "location_id": "site", "date": "day", "quantity": "pieces",
        "revenue": {"sql": "CAST(pieces AS DOUBLE) * CAST(price AS DOUBLE)"},
    },
    "constants": {"channel": "store"},
}  # fmt: skip
LINES = "sku,site,day,pieces,price\nA,S,2024-01-01,2,1.5\nB,S,2024-01-01,1,4\n"


def test_a_value_can_be_computed_from_several_columns(tmp_path, store, ingest):
    (tmp_path / "sales.csv").write_text(LINES)
    ingest(SALES)
    assert store.read("sales")["revenue"].tolist() == [3, 4]


def test_rows_that_are_not_kept_are_counted(tmp_path, store, ingest):
    (tmp_path / "sales.csv").write_text(LINES + "C,S,2024-01-01,-1,1\nD,S,2024-01-01,,1\n")
    (result,) = ingest(SALES | {"keep": "CAST(pieces AS DOUBLE) > 0"})
    assert result.summary() == "sales: 4 read, 2 left out = 2 loaded"


def test_a_wide_table_becomes_long(tmp_path, store, ingest):
    (tmp_path / "sales.csv").write_text("sku,d_1,d_2\nA,1,2\nB,0,5\n")
    columns = SALES["columns"] | {
        "location_id": {"sql": "'S'"}, "revenue": {"sql": "0"},
        "date": {"sql": "DATE '2024-01-01' + CAST(substr(day, 3) AS INTEGER) - 1"},
    }  # fmt: skip
    query = "UNPIVOT source ON COLUMNS('d_[0-9]+') INTO NAME day VALUE pieces"
    (result,) = ingest(SALES | {"query": query, "columns": columns})
    assert result.lines()[1] == "  The query made its rows from 2 rows of sales.csv."
    sales = store.read("sales")
    assert sales["date"].dt.day.tolist() == [1, 2, 1, 2]
    assert sales["quantity"].tolist() == [1, 2, 0, 5]


def test_files_without_headings_are_joined_and_rows_keep_their_lines(tmp_path, store, ingest):
    (tmp_path / "sales.csv").write_text("1\tA\t2\n1\tB\t-1\n2\tA\t3\n")
    (tmp_path / "head.csv").write_text("1\tS\t2024-01-01\n2\tT\t2024-01-02\n")
    source = SALES | {
        "delimiter": "\t", "header": ["no", "sku", "pieces"], "bad_rows_limit": 0.5,
        "also": {"head": {"path": "head.csv", "header": ["no", "site", "day"]}},
        "query": "SELECT *, 1 AS price FROM source JOIN head USING (no)",
    }  # fmt: skip
    columns = SALES["columns"] | {"revenue": {"sql": "0"}}
    (result,) = ingest(source | {"columns": columns, "query": source["query"].replace(
        "*, 1", "source._file, source._row, source.*, head.*, 1"
    ).replace("source.*, head.*", "sku, pieces, site, day")})  # fmt: skip
    assert result.summary() == "sales: 3 read, 1 quarantined = 2 loaded"
    assert store.read("quarantine")["row"].tolist() == [2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": "nothing > 1"}, "'tills': 'keep' fails .*nothing"),
        ({"query": "SELECT * FROM nowhere"}, "'tills': 'query' fails .*nowhere"),
        ({"query": "DROP TABLE source"}, "'query' is not one SELECT"),
        ({"query": "SELECT 1; COPY source TO '/tmp/x'"}, "'query' is not one SELECT"),
        ({"query": "SELECT * FROM read_csv('{folder}/secret.csv')"}, "'query' fails .*disabled"),
    ],
)
def test_sql_that_fails_or_reaches_elsewhere_is_refused(tmp_path, store, ingest, change, message):
    (tmp_path / "sales.csv").write_text(LINES)
    (tmp_path / "secret.csv").write_text("a\n1\n")
    change = {name: text.replace("{folder}", str(tmp_path)) for name, text in change.items()}
    with pytest.raises(SourceError, match=message):
        ingest(SALES | change)
    assert store.tables() == []


def test_decimals_with_a_comma_are_read(tmp_path, store, ingest):
    (tmp_path / "sales.csv").write_text("sku;site;day;pieces;price\nA;S;2024-01-01;1.234,5;0\n")
    columns = SALES["columns"] | {
        "quantity": {"column": "pieces", "decimal": ","}, "revenue": "price"
    }  # fmt: skip
    ingest(SALES | {"columns": columns, "delimiter": ";"})
    assert store.read("sales")["quantity"].tolist() == [1234.5]
