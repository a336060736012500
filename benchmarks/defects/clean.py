"""A small chain of shops without a single error: sales drawn at random, the supply side by twin.

Everything follows from one seed. Documents agree with each other because they are made from one
list of lines: an order's lines add up to the day's sales, movements to the change of stock.
"""

from typing import Final

import numpy as np
import pandas as pd

from workbench.inventory.config import TwinConfig
from workbench.inventory.twin import simulated_tables

ITEMS: Final = 150
STORES: Final = ("L1", "L2", "L3")
DAYS: Final = 500
FIRST: Final = pd.Timestamp("2023-01-02")
LINES_PER_ORDER: Final = 3
OPENS, CLOSES = 9, 20  # hours

Tables = dict[str, pd.DataFrame]


def clean_tables(*, seed: int = 7, items: int = ITEMS, days: int = DAYS) -> Tables:
    """Every table that the checks read, by its contract's columns."""
    rng = np.random.default_rng(seed)
    found: Tables = {"items": _items(rng, items)}
    found["locations"] = pd.DataFrame({"location_id": STORES, "kind": "store"})
    found["calendar"] = pd.DataFrame(
        {"date": [FIRST], "event": ["New Year observed"], "type": ["public_holiday"]}
    )
    lines = _lines(rng, found["items"], days)
    found["order_lines"], found["orders"] = lines, _orders(rng, lines)
    found["sales"] = _sales(lines, found["orders"])
    found["prices"] = _prices(found["items"], days)
    found["promotions"] = _promotions(rng, found["items"], days)
    found["shipments"] = _shipments(found["orders"])
    found["returns"] = _returns(rng, lines, found["orders"])
    twin = simulated_tables(found["sales"], found["items"], found["locations"], TwinConfig())
    found |= twin
    costs = twin["supplier_items"].groupby("item_id")["unit_cost"].min()
    found["items"]["unit_cost"] = found["items"]["item_id"].map(costs)
    found["stock_movements"] = _movements(found)
    found["loads"], found["quarantine"] = _account(found), _nothing_set_aside()
    return found


def _items(rng: np.random.Generator, count: int) -> pd.DataFrame:
    numbers = np.arange(count)
    digits = [f"20{number:010d}" for number in numbers]
    return pd.DataFrame(
        {
            "item_id": [f"A{number:05d}" for number in numbers + 10_000],
            "description": [f"Article {number}" for number in numbers],
            "category": [f"Category {number % 7}" for number in numbers],
            "department": "Grocery",
            "manufacturer": [f"Maker {number % 5}" for number in numbers],
            "base_uom": "EA",
            "pack_text": [f"{50 + number} G" for number in numbers],
            "pack_uom": "GRM",
            "pack_size": 50.0 + numbers,
            "pack_count": 1.0,
            "unit_price": np.round(rng.uniform(2, 30, count), 2),
            "currency": "USD",
            "gtin": [text + check_digit(text) for text in digits],
            "is_demand": True,
        }
    )


def check_digit(twelve: str) -> str:
    """Last digit of a GTIN-13: digits weigh 1 and 3 in turn, the sum is a multiple of 10."""
    total = sum(int(d) for d in twelve[::2]) + 3 * sum(int(d) for d in twelve[1::2])
    return str(-total % 10)


def _lines(rng: np.random.Generator, items: pd.DataFrame, days: int) -> pd.DataFrame:
    grid = pd.MultiIndex.from_product(
        [pd.date_range(FIRST, periods=days), STORES, items["item_id"]],
        names=["date", "location_id", "item_id"],
    ).to_frame(index=False)
    lines = grid[rng.random(len(grid)) < 0.7].reset_index(drop=True)
    lines["quantity"] = 1.0 + rng.poisson(2.0, len(lines))
    lines["price"] = lines["item_id"].map(items.set_index("item_id")["unit_price"])
    place = lines.groupby(["date", "location_id"]).cumcount()
    day = lines["date"].dt.strftime("%Y%m%d")
    number = (place // LINES_PER_ORDER).astype(str)
    lines["order_id"] = "O-" + day + "-" + lines["location_id"] + "-" + number
    lines["line"] = place % LINES_PER_ORDER + 1
    return lines


def _orders(rng: np.random.Generator, lines: pd.DataFrame) -> pd.DataFrame:
    orders = lines.groupby("order_id", as_index=False)[["date", "location_id"]].first()
    count = len(orders)
    seconds = (OPENS * 3600 + rng.choice((CLOSES - OPENS) * 3600, count)).astype(int)
    ordered = orders["date"] + pd.to_timedelta(seconds, unit="s")
    return pd.DataFrame(
        {
            "order_id": orders["order_id"],
            "customer_hash": [f"c{number:05d}" for number in rng.permutation(count)],
            "channel": np.where(rng.random(count) < 0.5, "store", "online"),
            "ordered": ordered,
            "promised": ordered + pd.Timedelta(days=1),
            "date": orders["date"],
        }
    )


def _sales(lines: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    channels = lines["order_id"].map(orders.set_index("order_id")["channel"])
    sold = lines.assign(channel=channels, revenue=(lines["quantity"] * lines["price"]).round(2))
    key = ["item_id", "location_id", "date", "channel"]
    sales = sold.groupby(key, as_index=False)[["quantity", "revenue"]].sum()
    return sales.assign(in_stock=True)


def _prices(items: pd.DataFrame, days: int) -> pd.DataFrame:
    weeks = pd.DataFrame({"valid_from": pd.date_range(FIRST, periods=days // 7, freq="7D")})
    prices = items[["item_id", "unit_price", "currency"]].merge(weeks, how="cross")
    factor = 1 + 0.05 * (prices.groupby("item_id").cumcount() % 2)
    prices["price"] = (prices["unit_price"] * factor).round(2)
    return prices.assign(location_id="*").drop(columns="unit_price")


def _promotions(rng: np.random.Generator, items: pd.DataFrame, days: int) -> pd.DataFrame:
    rows = items[["item_id"]].merge(pd.DataFrame({"location_id": STORES}), how="cross")
    start = FIRST + pd.to_timedelta(rng.integers(30, days - 30, len(rows)), unit="D")
    return rows.assign(valid_from=start, valid_to=start + pd.Timedelta(days=7), kind="mailer")


def _shipments(orders: pd.DataFrame) -> pd.DataFrame:
    online = orders[orders["channel"] == "online"]
    return pd.DataFrame(
        {
            "shipment_id": "D-" + online["order_id"],
            "order_id": online["order_id"],
            "line": 1,
            "shipped": online["date"] + pd.Timedelta(days=1),
            "delivered": online["date"] + pd.Timedelta(days=3),
        }
    )


def _returns(rng: np.random.Generator, lines: pd.DataFrame, orders: pd.DataFrame) -> pd.DataFrame:
    """Two of a hundred lines come back, half of them without naming their order."""
    back = lines.iloc[np.sort(rng.choice(len(lines), len(lines) // 50, replace=False))]
    customer = back["order_id"].map(orders.set_index("order_id")["customer_hash"])
    names_order = rng.random(len(back)) < 0.5
    return pd.DataFrame(
        {
            "return_id": "B-" + back["order_id"] + "-" + back["line"].astype(str),
            "order_id": back["order_id"].where(names_order, "*"),
            "line": back["line"].where(names_order).astype("Int64"),
            "item_id": back["item_id"],
            "location_id": back["location_id"],
            "date": back["date"] + pd.Timedelta(days=5),
            "quantity": 1.0,
            "price": back["price"],
            "customer_hash": customer,
        }
    )


def _movements(tables: Tables) -> pd.DataFrame:
    """Receipts as they came, and issues that explain the rest of each day's change of stock."""
    key = ["item_id", "location_id", "date"]
    stock = tables["stock"].sort_values(key)
    receipts = tables["receipts"].merge(tables["purchase_orders"], on=["po_id", "line"])
    arrived = receipts.rename(columns={"received": "date", "quantity_x": "arrived"})
    arrived = arrived.groupby(key, as_index=False)["arrived"].sum()
    change = stock.groupby(key[:2])["on_hand"].diff()
    days = stock.assign(change=change).merge(arrived, on=key, how="left")
    days = days[days["change"].notna()]
    issued = days["arrived"].fillna(0) - days["change"]
    parts = []
    for kind, quantity in (("receipt", days["arrived"].fillna(0)), ("issue", -issued)):
        rows = days.assign(quantity=quantity, kind=kind)[quantity.abs() > 0]
        parts.append(rows[[*key, "quantity", "kind"]])
    moved = pd.concat(parts, ignore_index=True)
    moved["movement_id"] = [f"M{number}" for number in range(len(moved))]
    return moved.assign(time=moved["date"] + pd.Timedelta(hours=18)).drop(columns="date")


def _account(tables: Tables) -> pd.DataFrame:
    """Every table was loaded once, and every row of its source arrived."""
    rows = [
        {"loaded_table": name, "loaded_version": f"{name}-1", "source": "nightly export",
         "read": len(frame), "added": len(frame), "loaded": len(frame)}
        for name, frame in tables.items()
    ]  # fmt: skip
    others = ("expanded", "left_out", "quarantined", "merged", "corrected", "unchanged", "kept")
    return pd.DataFrame(rows).assign(**dict.fromkeys(others, 0))


def _nothing_set_aside() -> pd.DataFrame:
    texts = ("loaded_table", "loaded_version", "source", "file", "column", "reason")
    return pd.DataFrame({**{name: pd.Series(dtype="str") for name in texts},
                         "row": pd.Series(dtype="int64")})  # fmt: skip
