"""A small business's own exports as CSV files, with the description that reads them.

Three shops and the warehouse behind them, 24 articles, 15 months of days. No promotions, no prices,
no orders of customers: what a small shop can export. Amounts are drawn, but nothing in the files
says so: to the product they are what any business hands over.
"""

from pathlib import Path

import numpy as np
import pandas as pd

SHOPS = ("north", "south", "harbour")
WAREHOUSE = "warehouse"
FIRST, DAYS = pd.Timestamp("2024-01-01"), 456
ARTICLES = 24
_LEAD = {WAREHOUSE: 7, **dict.fromkeys(SHOPS, 2)}

SOURCES = """
[[source]]
name = "article list"
kind = "csv"
path = "articles.csv"
table = "items"
[source.columns]
item_id = "article"
description = "name"
base_uom = "unit"
unit_cost = "cost"
[source.constants]
currency = "EUR"
is_demand = true

[[source]]
name = "sites"
kind = "csv"
path = "sites.csv"
table = "locations"
[source.columns]
location_id = "site"
kind = "kind"

[[source]]
name = "holidays"
kind = "csv"
path = "holidays.csv"
table = "calendar"
[source.columns]
date = { column = "day", format = "%d.%m.%Y" }
event = "holiday"
[source.constants]
type = "public"

[[source]]
name = "till"
kind = "csv"
path = "till.csv"
table = "sales"
delimiter = ";"
[source.columns]
item_id = "article"
location_id = "site"
date = { column = "day", format = "%d.%m.%Y" }
quantity = "pieces"
revenue = "money"
[source.constants]
channel = "store"

[[source]]
name = "supplier terms"
kind = "csv"
path = "terms.csv"
table = "supplier_items"
[source.columns]
supplier_id = "supplier"
item_id = "article"
location_id = "site"
lead_time_days = "lead"
lead_time_sd_days = "lead_sd"
minimum_order_quantity = "minimum"
order_multiple = "multiple"
unit_cost = "cost"
[source.constants]
currency = "EUR"

[[source]]
name = "stock record"
kind = "csv"
path = "stock.csv"
table = "stock"
[source.columns]
item_id = "article"
location_id = "site"
date = "day"
on_hand = "on_hand"
on_order = "on_order"

[[source]]
name = "purchase orders"
kind = "csv"
path = "purchase_orders.csv"
table = "purchase_orders"
[source.columns]
po_id = "order"
line = "line"
supplier_id = "supplier"
item_id = "article"
location_id = "site"
ordered = "ordered"
due = "due"
quantity = "pieces"

[[source]]
name = "goods received"
kind = "csv"
path = "receipts.csv"
table = "receipts"
[source.columns]
receipt_id = "receipt"
po_id = "order"
line = "line"
received = "received"
quantity = "pieces"
rejected = "rejected"
"""


def write_exports(folder: Path) -> Path:
    """Write the files and their description; returns the description."""
    rng = np.random.default_rng(11)
    articles = [f"A{number:03d}" for number in range(ARTICLES)]
    cost = rng.uniform(1, 30, ARTICLES).round(2)
    rate = rng.gamma(1.2, 1.5, (ARTICLES, len(SHOPS))) + 0.3
    week = np.array([0.8, 0.9, 0.9, 1.0, 1.3, 1.6, 0.5])
    days = pd.date_range(FIRST, periods=DAYS)
    sold = rng.poisson(rate[:, :, None] * week[days.dayofweek])
    _items(articles, cost).to_csv(folder / "articles.csv", index=False)
    kinds = {WAREHOUSE: "dc", **dict.fromkeys(SHOPS, "store")}
    pd.DataFrame(kinds.items(), columns=["site", "kind"]).to_csv(folder / "sites.csv", index=False)
    (folder / "holidays.csv").write_text("day,holiday\n25.12.2024,Christmas Day\n")
    _till(articles, cost, days, sold).to_csv(folder / "till.csv", sep=";", index=False)
    _supply(folder, articles, cost, days, sold)
    description = folder / "SOURCES.toml"
    description.write_text(SOURCES, encoding="utf-8")
    return description


def _items(articles: list[str], cost: np.ndarray) -> pd.DataFrame:
    names = [f"Article {number + 1}" for number in range(len(articles))]
    return pd.DataFrame({"article": articles, "name": names, "unit": "H87", "cost": cost})


def _till(
    articles: list[str], cost: np.ndarray, days: pd.DatetimeIndex, sold: np.ndarray
) -> pd.DataFrame:
    item, shop, day = np.nonzero(sold)
    pieces = sold[item, shop, day]
    return pd.DataFrame(
        {
            "article": np.array(articles)[item],
            "site": np.array(SHOPS)[shop],
            "day": days[day].strftime("%d.%m.%Y"),
            "pieces": pieces,
            "money": (pieces * cost[item] * 1.4).round(2),
        }
    )


def _supply(
    folder: Path, articles: list[str], cost: np.ndarray, days: pd.DatetimeIndex, sold: np.ndarray
) -> None:
    """Weekly orders up to a level from 20 days' mean demand, received when they are due."""
    terms, stock, orders, receipts = [], [], [], []
    for number, article in enumerate(articles):
        faced = {site: sold[number, place] for place, site in enumerate(SHOPS)}
        faced[WAREHOUSE] = sold[number].sum(axis=0)
        for site, demand in faced.items():
            supplier = f"S{number % 4}" if site == WAREHOUSE else WAREHOUSE
            lead = _LEAD[site]
            terms.append((supplier, article, site, lead, 0, 1, 1, cost[number]))
            on_hand, level, due = float(demand.mean() * 20), float(demand.mean() * 20), {}
            for place, day in enumerate(days):
                if place in due:
                    order, pieces = due.pop(place)
                    on_hand += pieces
                    receipts.append((f"R{len(receipts)}", order, 1, day, pieces, 0))
                on_hand = max(0.0, on_hand - float(demand[place]))
                waiting = sum(pieces for _, pieces in due.values())
                if place % 7 == 6 and (pieces := round(level - on_hand - waiting)) > 0:
                    order = f"P{len(orders)}"
                    arrives = day + pd.Timedelta(days=lead)
                    orders.append((order, 1, supplier, article, site, day, arrives, pieces))
                    due[place + lead] = (order, pieces)
                    waiting += pieces
                stock.append((article, site, day, round(on_hand), waiting))
    for name, rows, columns in (
        ("terms", terms, "supplier article site lead lead_sd minimum multiple cost"),
        ("stock", stock, "article site day on_hand on_order"),
        ("purchase_orders", orders, "order line supplier article site ordered due pieces"),
        ("receipts", receipts, "receipt order line received pieces rejected"),
    ):
        frame = pd.DataFrame(rows, columns=columns.split())
        frame.to_csv(folder / f"{name}.csv", index=False, date_format="%Y-%m-%d")
