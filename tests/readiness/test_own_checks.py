"""Checks that a workspace adds in files of its own."""

import pandas as pd
import pytest

from tests.readiness.test_audit import audited
from workbench.errors import ConfigError
from workbench.readiness.audit import Surroundings, audit
from workbench.readiness.checks import all_checks
from workbench.readiness.config import ReadinessConfig
from workbench.readiness.made_from import own_findings
from workbench.tables.store import TableStore

OWN = '''
from workbench.readiness.checks import STOCK, check

@check("stock-in-tens", area=STOCK, severity="warning", reads="stock", unit="stock records",
       remedy="Count exactly.", money_means="stock at one euro a piece")
def in_tens(config):
    """{affected} of {checked} stock records are a multiple of ten ({share})."""
    return "SELECT item_id, date, on_hand % 10 = 0 AS affected, on_hand AS money FROM stock"
'''


DOCSTRING = OWN.splitlines()[6]


def own(tmp_path, text):
    (tmp_path / "mine.py").write_text(text)
    return tmp_path


def test_one_function_in_a_file_is_a_check_with_finding_money_and_examples(warehouse, tmp_path):
    warehouse.execute("UPDATE stock SET on_hand = 7")
    warehouse.execute("UPDATE stock SET on_hand = 20 WHERE date = '2023-02-01'")
    result = audited(warehouse, own_checks=own(tmp_path, OWN))
    found = result.findings.set_index("check_id").loc["stock-in-tens"]
    assert found["finding"] == "10 of 2,000 stock records are a multiple of ten (0.5%)."
    assert found["money_at_stake"] == 10 * 20
    assert (result.examples["check_id"] == "stock-in-tens").sum() == 5


def test_own_checks_are_those_of_the_folder_asked_for(tmp_path):
    own(tmp_path, OWN)
    assert "stock-in-tens" in {item.id for item in all_checks(tmp_path)}
    own(tmp_path, OWN.replace("in-tens", "in-twelves"))
    ids = {item.id for item in all_checks(tmp_path)}
    assert "stock-in-twelves" in ids
    assert "stock-in-tens" not in ids
    assert "stock-in-twelves" not in {item.id for item in all_checks()}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("    \"\"\"{affected}", "    \"\"\"{rows}"), "'rows'"),
        ((DOCSTRING, ""), "no docstring"),
        (("area=STOCK", "area='shelf'"), "area 'shelf'; expected one of"),
        (('severity="warning"', 'severity="fatal"'), "severity 'fatal'"),
        (('reads="stock"', 'reads="shelves"'), "table 'shelves': not a canonical table"),
        (("stock-in-tens", "stock-negative"), "check 'stock-negative' is defined in"),
        (("return", "retrun"), r"mine.py: cannot be run \(SyntaxError"),
    ],
)  # fmt: skip
def test_a_check_described_wrongly_is_refused_by_name(tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        all_checks(own(tmp_path, OWN.replace(*change)))


def test_sql_that_fails_names_the_file_and_the_check(tmp_path):
    store = TableStore(tmp_path / "tables")
    stock = pd.DataFrame(
        {"item_id": "I", "location_id": "L", "date": pd.to_datetime(["2024-01-01"]),
         "on_hand": 1.0, "on_order": 0.0}
    )  # fmt: skip
    store.write("stock", stock, provenance="source", source="a test")
    folder = own(tmp_path, OWN.replace("on_hand %", "on_hands %"))
    with pytest.raises(ConfigError, match=r"mine.py: check 'stock-in-tens': its SQL fails"):
        audit(
            store.query, store.tables(), config=ReadinessConfig(),
            surroundings=Surroundings(contracts_kept=True, own_checks=folder),
        )  # fmt: skip


def test_findings_are_made_from_what_own_checks_look_at_too(tmp_path):
    folder, config = own(tmp_path, OWN), ReadinessConfig()
    told = own_findings(folder, ["stock", "items"], config)
    assert {(use.of, use.column) for use in told.rows} == {("stock", "on_hand")}
    assert {use.column for use in told.columns["money_at_stake"]} == {"on_hand"}
    assert own_findings(folder, ["items"], config).rows == ()  # it is not asked
    assert own_findings(tmp_path / "none", ["stock"], config).rows == ()


LIMITED = """
    column = "on_order" if config.stale_days > 7 else "on_hand"
    return f"SELECT {column} < 0 AS affected, 0 AS money FROM stock"
"""


def test_limits_of_the_run_decide_what_an_own_check_looks_at(tmp_path):
    folder = own(tmp_path, OWN.rpartition("    return")[0] + LIMITED)
    told = own_findings(folder, ["stock"], ReadinessConfig(stale_days=8))
    assert {use.column for use in told.rows} == {"on_order"}
