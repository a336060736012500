"""PostgreSQL over a real connection: what arrives, and how a refusal reads."""

import pytest

from workbench.errors import SourceError
from workbench.lineage.validate import validate_journal
from workbench.runs.steps import governed_step, ingest_step
from workbench.workspace import open_workspace

PASSWORD = "pw-reader-81f3"


@pytest.fixture
def source(postgres, monkeypatch):
    monkeypatch.setenv("ERP_PASSWORD", PASSWORD)
    return {
        "name": "erp", "kind": "postgres", "table": "stock", "password_env": "ERP_PASSWORD",
        "connection": postgres.connection("reader"), "query": "SELECT * FROM stock",
        "columns": {
            "item_id": "sku", "location_id": "site", "date": "day", "on_hand": "pieces",
        },
        "constants": {"on_order": 0},
    }  # fmt: skip


def test_a_query_arrives_with_its_values_as_they_are(store, ingest, source):
    (result,) = ingest(source)
    assert result.summary() == "stock: 2,000 read = 2,000 loaded"
    stock = store.read("stock").set_index("item_id")
    assert stock.loc["A3", "on_hand"] == 1.5
    assert str(stock.loc["A3", "date"].date()) == "2024-01-04"


def test_empty_text_is_not_null_and_line_breaks_arrive(store, ingest, source):
    items = source | {
        "table": "items", "constants": {"base_uom": "EA", "currency": "EUR", "is_demand": True},
        "columns": {"item_id": "sku", "description": "note"}, "bad_rows_limit": 1.0,
    }  # fmt: skip
    (result,) = ingest(items)
    assert result.load.quarantined == 1998  # null descriptions
    assert store.read("items")["description"].tolist() == ["", 'two\nlines, "quoted"']


def test_a_very_long_value_arrives(store, ingest, source):
    long = "SELECT 'A' AS sku, repeat('x', 1000000) AS note"
    ingest(source | {
        "query": long, "table": "items", "columns": {"item_id": "sku", "description": "note"},
        "constants": {"base_uom": "EA", "currency": "EUR", "is_demand": True},
    })  # fmt: skip
    assert store.read("items")["description"].str.len().tolist() == [1_000_000]


def test_only_what_changed_is_asked_for(postgres, store, ingest, source):
    source = source | {
        "query": "SELECT * FROM stock WHERE day > $since", "incremental": {"watermark": "day"}
    }  # fmt: skip
    assert ingest(source)[0].load.read == 2000
    with postgres.admin() as admin:
        admin.execute("INSERT INTO stock VALUES ('B', 'S1', '2030-01-01', 3)")
        try:
            assert ingest(source)[0].summary() == "stock: 1 read = 1 added, 2,001 now"
        finally:
            admin.execute("DELETE FROM stock WHERE sku = 'B'")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"query": "SELECT * FROM nowhere"}, 'relation "nowhere" does not exist.*correct'),
        ({"query": "DELETE FROM stock RETURNING *"}, "did not answer"),
        ({"query": "SELECT 1; DROP TABLE stock"}, "did not answer"),
        ({"query": "SELECT sku AS a FROM stock"}, "answers no column 'sku'; found 'a'"),
        ({"query": "SELECT * FROM stock WHERE false"}, "no rows; expected at least one"),
        ({"query": "SELECT pg_terminate_backend(pg_backend_pid())"}, "did not answer"),  # cut off
        ({"connection": "host=127.0.0.1 port=1 user=reader"}, "Connection refused.*check that"),
        ({"connection": "host=127.0.0.1 nonsense=1"}, "did not answer .*nonsense"),
        ({"password_env": "NOT_SET"}, "environment variable NOT_SET is not set"),
    ],
)
def test_what_does_not_answer_is_one_sentence(store, ingest, source, change, message):
    with pytest.raises(SourceError, match=message) as refused:
        ingest(source | change)
    assert "\n" not in str(refused.value)
    assert store.tables() == []


def test_a_wrong_password_is_never_echoed(store, ingest, source, monkeypatch):
    monkeypatch.setenv("ERP_PASSWORD", "wrong-9c2e")
    with pytest.raises(SourceError, match=r"password authentication failed.*check the user") as no:
        ingest(source)
    assert "wrong-9c2e" not in str(no.value)


def test_a_table_without_permission_says_what_to_ask_for(
    postgres, store, ingest, source, monkeypatch
):
    monkeypatch.setenv("ERP_PASSWORD", "pw-stranger-81f3")
    with pytest.raises(SourceError, match=r"permission denied for table stock.*ask for SELECT"):
        ingest(source | {"connection": postgres.connection("stranger")})


@pytest.mark.parametrize("settings", ["host=erp password=hush-1", "postgresql://me:hush-1@erp/db"])
def test_a_description_holds_no_password(tmp_path, settings):
    from workbench.adapters.sources import load_sources

    path = tmp_path / "SOURCES.toml"
    path.write_text(
        f'[[source]]\nname = "erp"\nkind = "postgres"\nconnection = "{settings}"\nquery = "q"\n'
        'table = "locations"\ncolumns = { location_id = "id", kind = "kind" }\n'
    )
    with pytest.raises(SourceError, match="holds a password; name an environment") as refused:
        load_sources(path)
    assert "hush-1" not in str(refused.value)


def test_the_events_name_the_database_and_never_its_user(tmp_path, postgres, source, monkeypatch):
    (tmp_path / "workbench.toml").write_text("[workspace]\nname = 'test'\n")
    (tmp_path / "sources.toml").write_text(
        f'[[source]]\nname = "erp"\nkind = "postgres"\nconnection = "{source["connection"]}"\n'
        'password_env = "ERP_PASSWORD"\nquery = "SELECT DISTINCT site FROM stock"\n'
        'table = "locations"\ncolumns = { location_id = "site" }\nconstants = { kind = "dc" }\n'
    )
    monkeypatch.setenv("WORKBENCH_KEYS", str(tmp_path / "keys"))
    workspace = open_workspace(tmp_path)
    step = ingest_step(workspace, tmp_path / "sources.toml", say=lambda line: None)
    assert governed_step(workspace, step).status == "complete"
    again = ingest_step(workspace, tmp_path / "sources.toml", say=lambda line: None)
    assert governed_step(workspace, again).status == "complete"  # a server's rows may have changed
    assert validate_journal(workspace.lineage, None).problems == ()
    events = b"".join(path.read_bytes() for path in workspace.lineage.rglob("*") if path.is_file())
    assert f"postgres://127.0.0.1:{postgres.port}".encode() in events
    assert PASSWORD.encode() not in events
    assert b"user=reader" not in events
