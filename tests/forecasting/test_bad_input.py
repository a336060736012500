"""Bad items through the real way in: `workbench ingest`, then the panel of notebook 10."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.forecasting.features import features_at
from workbench.forecasting.panel import build_panel, too_seldom
from workbench.runs.inputs import business_date
from workbench.tables.store import TableStore
from workbench.workspace import open_workspace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from own_business import FIRST, write_exports, write_files

DAYS = 250
LAST = FIRST + pd.Timedelta(days=DAYS - 1)


def _line(article, day, pieces, money="2.00"):
    return f"{article};north;{day:%d.%m.%Y};{pieces};{money}\n"


def _faults():
    """Lines of the till: one article per fault, each beside what sells well."""
    days = pd.date_range(FIRST, LAST)
    lines = [_line("SHORT", day, 3) for day in days[-9:]]
    lines += [_line("ZERO", day, 0, "0.00") for day in days]
    lines += [_line("CONSTANT", day, 2) for day in days]
    lines += [_line("GAPS", day, 4) for day in [*days[:60], *days[200:]]]
    lines += [_line("NOTNUMBER", day, "NaN" if n == 100 else 1) for n, day in enumerate(days)]
    lines += [_line("TWICE", day, 1) for day in [*days, days[10]]]
    lines += [_line("FUTURE", day, 1) for day in [*days, pd.Timestamp("2199-01-01")]]
    lines += [_line("HALVES", day, "0.5") for day in days]
    return lines


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bad")
    description = write_exports(folder)
    write_files(folder, articles=3, length=DAYS)
    with (folder / "till.csv").open("a", encoding="utf-8") as till:
        till.writelines(_faults())
    with (folder / "articles.csv").open("a", encoding="utf-8") as articles:
        names = sorted({line.split(";")[0] for line in _faults()})
        articles.writelines(f"{name},{name},H87,1.00\n" for name in names)
    environment = {**os.environ, "WORKBENCH_KEYS": str(folder / "keys")}

    def run(*arguments, where):
        done = subprocess.run([sys.executable, "-m", "workbench", *arguments], cwd=where,
                              env=environment, capture_output=True, text=True)  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr

    run("init", "shop", "--currency", "EUR", where=folder)
    run("ingest", str(description), where=folder / "shop")
    return open_workspace(folder / "shop")


@pytest.fixture(scope="module")
def connection(shop):
    store = TableStore(shop.tables)
    versions = {name: store.current(name) for name in store.tables()}
    with store.connect(versions=versions, as_of=LAST.date()) as found:
        yield found


@pytest.fixture(scope="module")
def panel(connection):
    return build_panel(connection, dc="", minimum_days_dc=100, minimum_days_store=26)


def _row(panel, item):
    return panel.units[panel.series.index[panel.series["item_id"] == item][0]]


def test_the_good_ones_are_forecast_whatever_the_bad_ones_hold(panel):
    assert panel.last_day == LAST
    assert panel.units.shape[1] == DAYS
    good = panel.series[panel.series["item_id"].str.startswith("A")]
    assert len(good) == 9
    known = {"CONSTANT", "GAPS", "NOTNUMBER", "TWICE", "FUTURE"}
    assert set(panel.series["item_id"]) - set(good["item_id"]) == known
    assert np.isfinite(panel.units).all()


def test_a_constant_item_and_one_with_gaps_are_kept_as_they_sold(panel):
    assert set(_row(panel, "CONSTANT")) == {2.0}
    gaps = _row(panel, "GAPS")
    assert (set(gaps[:60]), set(gaps[90:200]), set(gaps[200:])) == ({4.0}, {0.0}, {4.0})


def test_a_quantity_that_is_no_number_and_a_day_twice_are_set_aside_with_their_line(shop, panel):
    store = TableStore(shop.tables)
    rows = store.read(store.current("quarantine")).set_index("reason")["record"]
    assert '"article":"NOTNUMBER"' in rows["expected a number"]
    assert '"article":"TWICE"' in rows["repeats an earlier row"]
    assert _row(panel, "NOTNUMBER").sum() == DAYS - 1
    assert set(_row(panel, "TWICE")) == {1.0}


def test_a_row_in_the_future_does_not_move_the_business_date(shop):
    store = TableStore(shop.tables)
    versions = {"sales": store.current("sales")}
    assert versions["sales"].last_observed == date(2199, 1, 1)
    assert business_date(store, versions, today=LAST.date()) == LAST.date()
    assert business_date(store, versions) <= date.today()


def test_items_that_cannot_be_forecast_are_listed_with_their_reason(connection, panel):
    left_out = panel.left_out.set_index("item_id")["reason"]
    assert left_out.to_dict() == {"HALVES": "sold in fractions of its base unit"}
    seldom = too_seldom(connection, dc="", minimum_days=26).set_index("item_id")["reason"]
    assert seldom.to_dict() == {
        "SHORT": "sold on 9 days; expected 26 or more", "ZERO": "never sold",
    }  # fmt: skip


def test_a_price_that_nobody_knows_ahead_stays_the_last_one(panel):
    row = int(panel.series.index[panel.series["item_id"] == "GAPS"][0])
    assert panel.price[row, 150] == panel.price[row, 59] == pytest.approx(0.5)
    features = features_at(panel, DAYS - 1, start=1, length=14)
    assert np.isfinite(features).all()
