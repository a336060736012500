"""What was written under an earlier contract: read where it can be, proved for ever."""

from dataclasses import replace

import pandas as pd
import pytest

from workbench.contracts import tables
from workbench.errors import TableError
from workbench.tables import TableStore, verify_row_proof

ROWS = pd.DataFrame(
    {
        "run_id": "r", "model": "m", "item_id": ["a", "b"], "location_id": "s",
        "cutoff": pd.Timestamp("2017-01-01"), "horizon_start": pd.Timestamp("2017-01-02"),
        "horizon_end": pd.Timestamp("2017-01-08"), "quantile": 0.5, "value": [1.0, 2.0],
    }
)  # fmt: skip


@pytest.fixture
def written(tmp_path, monkeypatch):
    """A store with `forecasts` as they were before the column `serves`."""
    today = tables.CONTRACTS["forecasts"]
    early = replace(today, columns=tuple(c for c in today.columns if c.name != "serves"))
    store = TableStore(tmp_path)
    with monkeypatch.context() as earlier:
        earlier.setitem(tables.CONTRACTS, "forecasts", early)
        store.write("forecasts", ROWS, provenance="derived", source="t")
    return TableStore(tmp_path)


def test_a_column_that_the_contract_got_later_reads_as_empty(written):
    read = written.read("forecasts")
    assert list(read.columns) == list(tables.FORECASTS.names)
    assert read["value"].tolist() == [1.0, 2.0]
    assert read["serves"].isna().all()
    assert written.read("forecasts", columns=["serves"], where="value > 1").shape == (1, 1)
    counted = written.query("SELECT count(serves) AS known, count(*) AS rows FROM forecasts")
    assert counted.iloc[0].tolist() == [0, 2]


def test_rows_are_proved_under_the_columns_that_they_were_written_with(written):
    version = written.current("forecasts")
    written.verify_version(version)
    proof = written.row_proof(version, 1)
    assert verify_row_proof(proof, version.digest)
    assert proof.values()["item_id"] == "b"
    assert "serves" not in proof.values()
    assert written.locate(version, ["run_id", "model", "item_id"])["first_row"].tolist() == [0, 1]


@pytest.mark.parametrize("change", ["required", "retyped", "gone"])
def test_another_contract_is_refused_for_reading_and_rows_are_proved_still(
    written, monkeypatch, change
):
    today = tables.CONTRACTS["forecasts"]
    columns = {
        "required": [replace(c, nullable=False) for c in today.columns],
        "retyped": [replace(c, type="text") if c.name == "value" else c for c in today.columns],
        "gone": [c for c in today.columns if c.name != "value"],
    }[change]
    monkeypatch.setitem(tables.CONTRACTS, "forecasts", replace(today, columns=tuple(columns)))
    version = written.current("forecasts")
    with pytest.raises(TableError, match="written under another contract"):
        written.read("forecasts")
    written.verify_version(version)
    assert verify_row_proof(written.row_proof(version, 0), version.digest)
