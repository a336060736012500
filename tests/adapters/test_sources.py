"""Descriptions of sources: what is refused, in which words."""

import pytest

from workbench.adapters.sources import load_sources
from workbench.errors import SourceError
from workbench.resources import resource

GOOD = """
[[source]]
name = "tills"
kind = "csv"
path = "sales.csv"
table = "sales"
[source.columns]
item_id = "SKU"
location_id = "Shop"
date = { column = "Day", format = "%d.%m.%Y" }
quantity = "Units"
revenue = "Money"
[source.constants]
channel = "store"
"""


def described(tmp_path, text):
    path = tmp_path / "sources.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_reads_a_description_and_short_column_names(tmp_path):
    source = load_sources(described(tmp_path, GOOD)).source[0]
    assert source.columns["item_id"].column == "SKU"
    assert source.columns["date"].format == "%d.%m.%Y"


def test_accepts_byte_order_mark(tmp_path):
    path = tmp_path / "sources.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert load_sources(path).source[0].name == "tills"


def test_shipped_description_of_the_demo_is_valid():
    shipped = load_sources(resource("notebooks/sources/completejourney.toml"))
    assert [source.kind for source in shipped.source] == ["completejourney"]


def test_missing_file_says_where_and_what_to_do(tmp_path):
    with pytest.raises(SourceError, match=r"none\.toml: not found; name a TOML file"):
        load_sources(tmp_path / "none.toml")


def test_text_that_is_not_toml(tmp_path):
    with pytest.raises(SourceError, match="not readable as TOML"):
        load_sources(described(tmp_path, "source = = 3"))


def test_bytes_that_are_not_text(tmp_path):
    path = tmp_path / "sources.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="not readable as TOML in UTF-8"):
        load_sources(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("[[source]]", "[[sauce]]"), "source"),
        (('kind = "csv"', 'kind = "carrier pigeon"'), "'tills'.*carrier pigeon"),
        (('table = "sales"', 'table = "salez"'), "'tills'.*salez.*not a canonical table"),
        (('item_id = "SKU"', 'item = "SKU"'), "'tills'.*no column 'item'"),
        (('quantity = "Units"\n', ""), "'tills'.*no column or constant for 'quantity'"),
        (('path = "sales.csv"\n', ""), "'tills' path: Field required"),
        (('quantity = "Units"', 'quantity = { column = "U", factor = 0 }'), "'tills'.*factor"),
        (('channel = "store"', "quantity = 1"), "'tills'.*'quantity': mapped and constant"),
        (('"Units"', '{ column = "U", format = "%d" }'), "'tills'.*'format' does not apply"),
        (('kind = "csv"', 'kind = "csv"\ndelimeter = ";"'), "'tills': 'delimeter' is no setting"),
    ],
)
def test_each_mistake_is_named(tmp_path, change, message):
    with pytest.raises(SourceError, match=message) as refused:
        load_sources(described(tmp_path, GOOD.replace(*change)))
    assert "\n" not in str(refused.value)


def test_two_sources_for_one_table_are_refused(tmp_path):
    with pytest.raises(SourceError, match="'sales': filled by tills and tills"):
        load_sources(described(tmp_path, GOOD + GOOD))
