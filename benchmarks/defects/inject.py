"""Faults of the real world, written on frames and without a look at how checks find them.

Each function damages `count` things and returns the keys of what it damaged. The check named
beside it has to find every one of them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd

from benchmarks.defects.clean import Tables

SALE: Final = ["item_id", "location_id", "date"]
LINE: Final = ["order_id", "line"]
PO: Final = ["po_id", "line"]
Damage = Callable[[Tables, np.random.Generator, int], pd.DataFrame]


@dataclass(frozen=True)
class Defect:
    """One fault: what happened, which check has to find it, how."""

    story: str
    check_id: str
    damage: Damage


DEFECTS: Final[list[Defect]] = []


def finds(check_id: str) -> Callable[[Damage], Damage]:
    def enter(damage: Damage) -> Damage:
        DEFECTS.append(Defect(" ".join((damage.__doc__ or "").split()), check_id, damage))
        return damage

    return enter


def _pick(
    frame: pd.DataFrame, rng: np.random.Generator, count: int, *, apart: list[str] | None = None
) -> pd.Index:
    """Labels of `count` rows; with `apart`, no two of one group."""
    pool = frame.drop_duplicates(apart) if apart else frame
    return pd.Index(rng.choice(pool.index, count, replace=False))


def _set(
    tables: Tables, name: str, rows: pd.Index, column: str, value: object, key: list[str]
) -> pd.DataFrame:
    """Write a value into rows; the keys as they are afterwards."""
    tables[name] = tables[name].copy()
    tables[name].loc[rows, column] = value
    return tables[name].loc[rows, key]


def _drop(tables: Tables, name: str, rows: pd.Index, key: list[str]) -> pd.DataFrame:
    lost = tables[name].loc[rows, key]
    tables[name] = tables[name].drop(rows)
    return lost


def _again(
    tables: Tables, name: str, rows: pd.Index, key: list[str], **new: object
) -> pd.DataFrame:
    """Append copies of rows with changed columns; the keys of the copies."""
    copies = tables[name].loc[rows].assign(**new)
    tables[name] = pd.concat([tables[name], copies], ignore_index=True)
    return copies[key]


# --- items ------------------------------------------------------------------------------------


@finds("items-without-category")
def category_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A category was left blank."""
    return _set(t, "items", _pick(t["items"], rng, n), "category", None, ["item_id"])


@finds("items-gtin-wrong")
def gtin_mistyped(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """One digit of a GTIN was mistyped."""
    rows = _pick(t["items"], rng, n)
    wrong = []
    for text in t["items"].loc[rows, "gtin"]:
        place = int(rng.integers(len(text)))
        digit = str((int(text[place]) + int(rng.integers(1, 10))) % 10)
        wrong.append(text[:place] + digit + text[place + 1 :])
    return _set(t, "items", rows, "gtin", wrong, ["item_id"])


@finds("items-gtin-wrong")
def gtin_as_number(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A spreadsheet turned a GTIN into a number with an exponent."""
    rows = _pick(t["items"], rng, n)
    text = [f"{float(value):.5E}" for value in t["items"].loc[rows, "gtin"]]
    return _set(t, "items", rows, "gtin", text, ["item_id"])


@finds("items-gtin-shared")
def gtin_copied(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A new item was made by copying another one, GTIN and all."""
    rows = _pick(t["items"], rng, n)
    ids = [f"N{number:05d}" for number in range(n)]
    return _again(t, "items", rows, ["item_id"], item_id=ids)


@finds("items-id-untidy")
def id_in_small_letters(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A second system writes the same id in small letters with a blank."""
    rows = _pick(t["items"], rng, n)
    ids = t["items"].loc[rows, "item_id"].str.lower() + " "
    return _again(t, "items", rows, ["item_id"], item_id=ids)


@finds("items-key-repeated")
def item_twice(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """The item master was exported twice into one file."""
    return _again(t, "items", _pick(t["items"], rng, n), ["item_id"])


@finds("items-alike")
def article_entered_again(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An article was entered again under another number, in capitals and without its GTIN."""
    rows = _pick(t["items"], rng, n)
    old = t["items"].loc[rows]
    new = {"item_id": "Z" + old["item_id"], "description": old["description"].str.upper()}
    return _again(t, "items", rows, ["item_id"], **new, gtin=None)


@finds("items-without-cost")
def cost_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An item has no cost."""
    return _set(t, "items", _pick(t["items"], rng, n), "unit_cost", np.nan, ["item_id"])


@finds("items-cost-above-price")
def cost_per_case(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A cost was entered per case of 24."""
    rows = _pick(t["items"], rng, n)
    return _set(t, "items", rows, "unit_cost", 24 * t["items"].loc[rows, "unit_cost"], ["item_id"])


@finds("items-never-sold")
def item_without_movement(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An item was set up and never traded."""
    ids = [f"Z{number:05d}" for number in range(n)]
    return _again(t, "items", _pick(t["items"], rng, n), ["item_id"], item_id=ids)


# --- sales ------------------------------------------------------------------------------------


@finds("items-unknown")
def sale_of_unknown_item(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """The till sold an article that the master does not hold."""
    rows = _pick(t["sales"], rng, n)
    return _set(t, "sales", rows, "item_id", [f"T{k:05d}" for k in range(n)], SALE)


@finds("sales-unknown-location")
def sale_at_unknown_location(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A new till reports under a location that is not on file."""
    return _set(t, "sales", _pick(t["sales"], rng, n), "location_id", "L9", SALE)


@finds("sales-key-repeated")
def sales_sent_twice(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Rows of a file were sent twice."""
    return _again(t, "sales", _pick(t["sales"], rng, n), SALE)


@finds("sales-value-invalid")
def sale_below_zero(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A quantity came with the wrong sign."""
    rows = _pick(t["sales"], rng, n)
    return _set(t, "sales", rows, "quantity", -t["sales"].loc[rows, "quantity"], SALE)


@finds("sales-negative-revenue")
def refund_as_sale(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A refund was booked as a sale."""
    rows = _pick(t["sales"], rng, n)
    return _set(t, "sales", rows, "revenue", -t["sales"].loc[rows, "revenue"], SALE)


@finds("sales-given-away")
def revenue_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A price was missing at the till."""
    return _set(t, "sales", _pick(t["sales"], rng, n), "revenue", 0.0, SALE)


@finds("sales-revenue-without-quantity")
def quantity_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A quantity was lost, the money came through."""
    return _set(t, "sales", _pick(t["sales"], rng, n), "quantity", 0.0, SALE)


@finds("sales-revenue-mismatch")
def discount_not_booked(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A discount of a tenth is in the revenue and not in the lines."""
    rows = _pick(t["sales"], rng, n)
    return _set(t, "sales", rows, "revenue", 0.9 * t["sales"].loc[rows, "revenue"], SALE)


@finds("sales-below-cost")
def price_of_a_part(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """The till charged a twelfth: the price of one of the pieces in a pack."""
    rows = _pick(t["sales"], rng, n)
    return _set(t, "sales", rows, "revenue", t["sales"].loc[rows, "revenue"] / 12, SALE)


@finds("calendar-holes")
def day_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A day's file never came, from any location."""
    days = t["sales"]["date"].drop_duplicates().sort_values().iloc[1:-1]
    lost = days.loc[_pick(days.to_frame(), rng, n)]
    t["sales"] = t["sales"][~t["sales"]["date"].isin(lost)]
    return lost.to_frame()


@finds("locations-missing-days")
def location_day_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A location's file of a day never came."""
    inner = t["sales"][t["sales"]["date"].between("2023-01-10", "2024-03-01")]
    lost = inner.loc[_pick(inner, rng, n, apart=["date"]), ["location_id", "date"]]
    marked = t["sales"].merge(lost.assign(lost=True), on=["location_id", "date"], how="left")
    t["sales"] = marked[marked["lost"].isna()].drop(columns="lost")
    return lost


@finds("items-long-gaps")
def item_out_of_stock(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An item was out of stock everywhere for five weeks."""
    ids = t["items"].loc[_pick(t["items"], rng, n), "item_id"]
    for item in ids:
        start = pd.Timestamp("2023-02-01") + pd.Timedelta(days=int(rng.integers(300)))
        away = (t["sales"]["item_id"] == item) & t["sales"]["date"].between(
            start, start + pd.Timedelta(days=35)
        )
        t["sales"] = t["sales"][~away]
    return ids.to_frame()


@finds("items-short-history")
def item_listed_late(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An item's number was changed three months ago; the earlier sales carry the old one."""
    ids = t["items"].loc[_pick(t["items"], rng, n), "item_id"]
    old = t["sales"]["item_id"].isin(ids) & (t["sales"]["date"] < "2024-02-20")
    t["sales"] = t["sales"][~old]
    return ids.to_frame()


@finds("items-dead")
def item_dead(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An item was delisted last autumn and stayed in the master."""
    ids = t["items"].loc[_pick(t["items"], rng, n), "item_id"]
    gone = t["sales"]["item_id"].isin(ids) & (t["sales"]["date"] > "2023-11-01")
    t["sales"] = t["sales"][~gone]
    return ids.to_frame()


@finds("stockouts-invisible")
def shelf_unknown(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Nobody recorded whether the item was on the shelf."""
    t["sales"]["in_stock"] = t["sales"]["in_stock"].astype("boolean")
    return _set(t, "sales", _pick(t["sales"], rng, n), "in_stock", pd.NA, SALE)


# --- documents --------------------------------------------------------------------------------


@finds("lines-price-outlier")
def decimal_point_slipped(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """The decimal point of a price slipped by one place."""
    rows = _pick(t["order_lines"], rng, n)
    factor = np.where(rng.random(n) < 0.5, 10.0, 0.1)
    return _set(t, "order_lines", rows, "price", t["order_lines"].loc[rows, "price"] * factor, LINE)


@finds("lines-quantity-outlier")
def quantity_typed_twice(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A quantity was typed with two more digits."""
    rows = _pick(t["order_lines"], rng, n)
    more = t["order_lines"].loc[rows, "quantity"] * 100
    return _set(t, "order_lines", rows, "quantity", more, LINE)


@finds("lines-zero-quantity")
def line_voided(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A line was voided by setting its quantity to zero."""
    return _set(t, "order_lines", _pick(t["order_lines"], rng, n), "quantity", 0.0, LINE)


@finds("lines-unit-mixed")
def cases_as_pieces(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Some lines of an item count cases of twelve."""
    ids = t["items"].loc[_pick(t["items"], rng, n), "item_id"]
    lines = t["order_lines"].copy()
    chosen = lines[lines["item_id"].isin(ids)].groupby("item_id").sample(6, random_state=3).index
    lines.loc[chosen, "price"] *= 12
    t["order_lines"] = lines
    return ids.to_frame()


@finds("sales-not-in-orders")
def line_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A line got lost on the way from the till."""
    return _drop(t, "order_lines", _pick(t["order_lines"], rng, n), SALE)


@finds("lines-without-order")
def header_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An order's header was cut off at the end of a file."""
    return _drop(t, "orders", _pick(t["orders"], rng, n), ["order_id"])


@finds("lines-repeated")
def line_sent_twice(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A line was sent twice under another line number."""
    rows = _pick(t["order_lines"], rng, n, apart=["order_id"])
    return _again(t, "order_lines", rows, ["order_id", "item_id"], line=99)


@finds("orders-repeated")
def order_sent_twice(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An order was sent twice under another number."""
    rows = _pick(t["orders"], rng, n)
    ids = t["orders"].loc[rows, "order_id"] + "-2"
    return _again(t, "orders", rows, ["order_id"], order_id=ids)


@finds("orders-at-midnight")
def time_of_day_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An export cut the time of day off."""
    rows = _pick(t["orders"], rng, n)
    return _set(t, "orders", rows, "ordered", t["orders"].loc[rows, "date"], ["order_id"])


@finds("orders-in-future")
def year_mistyped(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A clock was three years ahead."""
    rows = _pick(t["orders"], rng, n)
    ahead = pd.DateOffset(years=3)
    _set(t, "orders", rows, "date", t["orders"].loc[rows, "date"] + ahead, ["order_id"])
    later = t["orders"].loc[rows, "ordered"] + ahead
    return _set(t, "orders", rows, "ordered", later, ["order_id"])


@finds("orders-wrong-day")
def day_and_month_swapped(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Day and month of the business day were swapped."""
    day, month = t["orders"]["date"].dt.day, t["orders"]["date"].dt.month
    rows = _pick(t["orders"][(day <= 12) & ((day - month).abs() > 1)], rng, n)
    swapped = [d.replace(day=d.month, month=d.day) for d in t["orders"].loc[rows, "date"]]
    return _set(t, "orders", rows, "date", swapped, ["order_id"])


@finds("orders-hours-shifted")
def week_in_another_zone(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A channel's file of a week was written in another time zone, six hours off."""
    orders = t["orders"].copy()
    orders["week"] = orders["date"] - pd.to_timedelta(orders["date"].dt.weekday, unit="D")
    full = orders.groupby(["channel", "week"]).filter(lambda group: len(group) >= 50)
    moved = full.loc[_pick(full, rng, n, apart=["channel", "week"]), ["channel", "week"]]
    hit = orders.merge(moved.assign(hit=True), on=["channel", "week"], how="left")["hit"].notna()
    orders.loc[hit.to_numpy(), "ordered"] += pd.Timedelta(hours=6)
    t["orders"] = orders.drop(columns="week")
    return moved


@finds("orders-promised-before")
def promise_in_the_past(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A promise was kept from the order that this one was copied from."""
    rows = _pick(t["orders"], rng, n)
    past = t["orders"].loc[rows, "promised"] - pd.Timedelta(days=30)
    return _set(t, "orders", rows, "promised", past, ["order_id"])


@finds("returns-without-sale")
def goods_from_elsewhere(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A customer brought back what was never bought here."""
    rows = _pick(t["returns"], rng, n)
    _set(t, "returns", rows, "order_id", "*", ["return_id"])
    return _set(t, "returns", rows, "customer_hash", "stranger", ["return_id"])


@finds("returns-repeated")
def credited_twice(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A credit note was written twice."""
    rows = _pick(t["returns"], rng, n)
    ids = t["returns"].loc[rows, "return_id"] + "-2"
    return _again(t, "returns", rows, ["return_id"], return_id=ids)


@finds("returns-more-than-sold")
def more_came_back(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """More pieces were credited than the order held."""
    rows = _pick(t["returns"][t["returns"]["order_id"] != "*"], rng, n, apart=["order_id"])
    return _set(t, "returns", rows, "quantity", 100.0, ["order_id"])


@finds("shipments-reversed")
def delivered_before_shipped(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A carrier reported the delivery a week early."""
    rows = _pick(t["shipments"], rng, n)
    early = t["shipments"].loc[rows, "delivered"] - pd.Timedelta(days=7)
    return _set(t, "shipments", rows, "delivered", early, ["shipment_id"])


# --- prices and promotions --------------------------------------------------------------------

PRICE: Final = ["item_id", "location_id", "valid_from"]


@finds("prices-zero")
def price_zero(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A price was entered as zero until it would be known."""
    return _set(t, "prices", _pick(t["prices"], rng, n), "price", 0.0, PRICE)


@finds("prices-jump")
def price_in_cents(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A price was entered in cents."""
    later = t["prices"][t["prices"]["valid_from"] > "2023-02-01"]
    rows = _pick(later, rng, n, apart=["item_id"])
    return _set(t, "prices", rows, "price", 100 * t["prices"].loc[rows, "price"], PRICE)


@finds("prices-mixed-currency")
def price_in_another_currency(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A supplier's list was loaded in its own currency."""
    rows = _pick(t["prices"], rng, n, apart=["item_id"])
    return _set(t, "prices", rows, "currency", "EUR", ["item_id"])


@finds("promotions-reversed")
def promotion_reversed(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A promotion's end was typed before its start."""
    rows = _pick(t["promotions"], rng, n)
    early = t["promotions"].loc[rows, "valid_from"] - pd.Timedelta(days=1)
    return _set(t, "promotions", rows, "valid_to", early, PRICE)


@finds("promotions-unknown")
def promotion_of_unknown_item(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """The leaflet's plan names articles by another number."""
    rows = _pick(t["promotions"], rng, n)
    ids = [f"P{number:05d}" for number in range(n)]
    return _set(t, "promotions", rows, "item_id", ids, ["item_id", "location_id"])


# --- stock and receipts -----------------------------------------------------------------------


@finds("stock-negative")
def sold_before_booked(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Goods were sold before their receipt was booked."""
    return _set(t, "stock", _pick(t["stock"], rng, n), "on_hand", -3.0, SALE)


@finds("stock-unexplained")
def counted_wrong(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A shelf was counted wrong by some pieces."""
    inner = t["stock"][t["stock"]["date"] > t["stock"]["date"].min() + pd.Timedelta(days=1)]
    rows = _pick(inner, rng, n)
    more = t["stock"].loc[rows, "on_hand"] + rng.integers(1, 20, n)
    return _set(t, "stock", rows, "on_hand", more, SALE)


@finds("stock-unbalanced")
def movement_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A movement was never booked."""
    rows = _pick(t["stock_movements"], rng, n)
    t["stock_movements"]["date"] = t["stock_movements"]["time"].dt.normalize()
    lost = _drop(t, "stock_movements", rows, SALE)
    t["stock_movements"] = t["stock_movements"].drop(columns="date")
    return lost


@finds("stock-gaps")
def stock_file_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A day's stock record is missing."""
    days = t["stock"]["date"]
    inner = t["stock"][days.between("2023-02-01", "2024-03-01")]
    return _drop(t, "stock", _pick(inner, rng, n, apart=SALE[:2]), SALE[:2])


@finds("stock-of-unknown-items")
def stock_of_unknown_item(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """The warehouse counts articles under its own numbers."""
    rows = _pick(t["stock"], rng, n)
    return _set(t, "stock", rows, "item_id", [f"W{k:05d}" for k in range(n)], ["item_id"])


@finds("stockouts-censor-demand")
def shelf_empty(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A shelf stood empty for a day."""
    stores = t["stock"][t["stock"]["location_id"].isin(["L1", "L2", "L3"])]
    return _set(t, "stock", _pick(stores, rng, n), "on_hand", 0.0, SALE)


@finds("movements-unknown-items")
def movement_of_unknown_item(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A movement was booked on a number that is not on file."""
    rows = _pick(t["stock_movements"], rng, n)
    return _set(t, "stock_movements", rows, "item_id", "W-1", ["movement_id"])


def _old(t: Tables) -> pd.DataFrame:
    """Receipts of orders that were due long ago."""
    days = t["receipts"]["received"]
    return t["receipts"][days < days.max() - pd.Timedelta(days=90)]


@finds("receipts-never")
def receipt_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A supplier never delivered."""
    return _drop(t, "receipts", _pick(_old(t), rng, n), PO)


@finds("receipts-under")
def part_delivered(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Half an order came, the rest never did."""
    rows = _pick(_old(t), rng, n)
    return _set(t, "receipts", rows, "quantity", t["receipts"].loc[rows, "quantity"] / 2, PO)


@finds("receipts-over")
def too_much_delivered(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A supplier rounded up to a full layer."""
    rows = _pick(t["receipts"], rng, n)
    return _set(t, "receipts", rows, "quantity", t["receipts"].loc[rows, "quantity"] + 5, PO)


@finds("receipts-in-packs")
def received_in_pieces(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """The order counts cases, the receipt pieces, twelve to a case."""
    rows = _pick(t["receipts"], rng, n)
    return _set(t, "receipts", rows, "quantity", 12 * t["receipts"].loc[rows, "quantity"], PO)


@finds("receipts-before-order")
def order_entered_late(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """Goods were called for by telephone and the order was entered after they came."""
    rows = _pick(t["receipts"], rng, n)
    early = t["receipts"].loc[rows, "received"] - pd.Timedelta(days=200)
    return _set(t, "receipts", rows, "received", early, PO)


@finds("receipts-same-day")
def order_entered_on_arrival(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """The order was entered when the lorry stood at the gate."""
    rows = _pick(t["receipts"], rng, n)
    both = t["receipts"].loc[rows, PO].merge(t["purchase_orders"], on=PO, how="left")
    return _set(t, "receipts", rows, "received", both["ordered"].to_numpy(), PO)


@finds("receipts-lead-time-extreme")
def order_lay_open(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An order lay open for most of a year before somebody closed it by a receipt."""
    rows = _pick(t["receipts"], rng, n)
    late = t["receipts"].loc[rows, "received"] + pd.Timedelta(days=300)
    return _set(t, "receipts", rows, "received", late, PO)


@finds("receipts-without-order")
def receipt_on_no_order(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A receipt was booked on an order number with a typing error."""
    rows = _pick(t["receipts"], rng, n)
    wrong = t["receipts"].loc[rows, "po_id"] + "0"
    return _set(t, "receipts", rows, "po_id", wrong, ["receipt_id"])


@finds("receipts-repeated")
def receipt_booked_twice(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A delivery note was booked twice."""
    rows = _pick(t["receipts"], rng, n)
    ids = t["receipts"].loc[rows, "receipt_id"] + "-2"
    return _again(t, "receipts", rows, ["receipt_id"], receipt_id=ids)


@finds("purchase-orders-repeated")
def ordered_twice(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An order was sent again because nobody answered."""
    rows = _pick(t["purchase_orders"], rng, n)
    ids = t["purchase_orders"].loc[rows, "po_id"] + "-2"
    return _again(t, "purchase_orders", rows, PO, po_id=ids)


@finds("purchase-orders-without-cost")
def purchase_without_cost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An order was placed without a price."""
    rows = _pick(t["purchase_orders"], rng, n)
    return _set(t, "purchase_orders", rows, "unit_cost", np.nan, PO)


@finds("purchase-cost-outlier")
def purchase_cost_per_case(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An invoice's price was per case of 24."""
    rows = _pick(t["purchase_orders"], rng, n)
    per_case = 24 * t["purchase_orders"].loc[rows, "unit_cost"]
    return _set(t, "purchase_orders", rows, "unit_cost", per_case, PO)


@finds("purchase-orders-due-early")
def due_before_ordered(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """The due date's year was not changed at new year."""
    rows = _pick(t["purchase_orders"], rng, n)
    last_year = t["purchase_orders"].loc[rows, "due"] - pd.DateOffset(years=1)
    return _set(t, "purchase_orders", rows, "due", last_year, PO)


TERMS: Final = ["supplier_id", "item_id", "location_id"]


@finds("supply-lead-time-odd")
def lead_time_not_known(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A lead time that nobody knew was entered as zero."""
    rows = _pick(t["supplier_items"], rng, n)
    return _set(t, "supplier_items", rows, "lead_time_days", 0.0, TERMS)


@finds("supply-cost-above-price")
def terms_per_case(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A supplier's price list is per case of 24."""
    rows = _pick(t["supplier_items"], rng, n)
    per_case = 24 * t["supplier_items"].loc[rows, "unit_cost"]
    return _set(t, "supplier_items", rows, "unit_cost", per_case, TERMS)


@finds("supply-terms-missing")
def terms_lost(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """An item's supplier left, and its terms with it."""
    items = t["supplier_items"]["item_id"].drop_duplicates()
    ids = items.loc[_pick(items.to_frame(), rng, n)]
    t["supplier_items"] = t["supplier_items"][~t["supplier_items"]["item_id"].isin(ids)]
    return ids.to_frame()


@finds("supply-lead-time-untrue")
def lead_time_of_last_year(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A supplier moved overseas and the lead time was not changed."""
    received = t["receipts"].merge(t["purchase_orders"], on=PO)
    often = received.groupby(TERMS).size()
    known = often[often >= 5].index
    terms = t["supplier_items"].set_index(TERMS).index
    rows = _pick(t["supplier_items"][terms.isin(known)], rng, n)
    longer = t["supplier_items"].loc[rows, "lead_time_days"] + 40
    return _set(t, "supplier_items", rows, "lead_time_days", longer, TERMS)


@finds("loads-set-aside")
def export_with_torn_values(t: Tables, rng: np.random.Generator, n: int) -> pd.DataFrame:
    """A value of an export was unreadable in some rows, which the load set aside."""
    values = [(name, column) for name in t["loads"]["loaded_table"] for column in t[name].columns]
    chosen = [values[place] for place in rng.choice(len(values), n, replace=False)]
    rows = [
        {"loaded_table": name, "loaded_version": f"{name}-1", "source": "nightly export",
         "file": f"{name}.csv", "column": column, "reason": "is no number"}
        for name, column in chosen for _ in range(int(rng.integers(1, 4)))
    ]  # fmt: skip
    t["quarantine"] = pd.DataFrame(rows).assign(row=np.arange(2, len(rows) + 2))
    bad = t["quarantine"].groupby("loaded_table").size()
    count = t["loads"]["loaded_table"].map(bad).fillna(0).astype("int64")
    t["loads"] = t["loads"].assign(quarantined=count, read=t["loads"]["read"] + count)
    return t["quarantine"][["loaded_table", "column", "reason"]].drop_duplicates()
