"""Excel workbooks: what arrives, and what is refused."""

import datetime
import zipfile

import openpyxl
import pytest

from workbench.adapters import excel
from workbench.errors import SourceError

STOCK = {
    "name": "count", "kind": "excel", "path": "count.xlsx", "table": "stock", "columns": {
        "item_id": "Article", "location_id": "Site", "date": "Day", "on_hand": "Pieces",
    }, "constants": {"on_order": 0},
}  # fmt: skip


def workbook(folder, rows, sheet="Sheet", above=()):
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in (*above, ["Article", "Site", "Day", "Pieces"], *rows):
        book.active.append(row)
    book.create_sheet("Other").append(["nothing"])
    book.save(folder / "count.xlsx")


def test_numbers_days_and_texts_arrive_as_they_are_shown(tmp_path, store, ingest):
    workbook(tmp_path, [[4711, "S1", datetime.date(2024, 1, 31), 2.5],
                        ["0815", "S1", datetime.datetime(2024, 1, 31), 3]])  # fmt: skip
    ingest(STOCK)
    stock = store.read("stock")
    assert stock["item_id"].tolist() == ["0815", "4711"]
    assert stock["on_hand"].tolist() == [3, 2.5]
    assert {str(day.date()) for day in stock["date"]} == {"2024-01-31"}


def test_sheet_and_heading_row_can_be_named_and_places_are_the_sheets(tmp_path, store, ingest):
    workbook(tmp_path, [["A", "S", datetime.date(2024, 1, 1), 1], [], ["B", "S", "never", 1]],
             sheet="Stock", above=[["Stock count"], []])  # fmt: skip
    with pytest.raises(
        SourceError, match=r"count\.xlsx row 6 of the sheet, column 'Day' holds 'nev"
    ):
        ingest(STOCK | {"sheet": "Stock", "heading_row": 3})


def test_a_sheet_that_is_not_there_is_refused_with_those_that_are(tmp_path, ingest):
    workbook(tmp_path, [])
    with pytest.raises(SourceError, match="no sheet 'Stock'; found 'Sheet', 'Other'"):
        ingest(STOCK | {"sheet": "Stock"})


def test_a_workbook_that_unpacks_to_too_much_is_refused_unread(tmp_path, ingest, monkeypatch):
    monkeypatch.setattr(excel, "LARGEST", 10 << 20)
    with zipfile.ZipFile(tmp_path / "count.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet1.xml", b"0" * (11 << 20))
    assert (tmp_path / "count.xlsx").stat().st_size < 1 << 20
    with pytest.raises(SourceError, match="would unpack to 11,534,336 bytes; expected at most"):
        ingest(STOCK)


def test_a_member_that_points_outside_is_refused(tmp_path, ingest):
    with zipfile.ZipFile(tmp_path / "count.xlsx", "w") as archive:
        archive.writestr("../../outside.xml", b"")
    with pytest.raises(SourceError, match=r"holds a file '\.\./\.\./outside\.xml' that points"):
        ingest(STOCK)
