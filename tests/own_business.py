"""A small business's own exports as CSV files, read by the description that ships as an example.

Three shops and the warehouse behind them, 24 articles, 15 months of days. No promotions, no prices,
no orders of customers: what a small shop can export. Amounts are drawn, but nothing in the files
says so: to the product they are what any business hands over.

Run as a program, it writes the made-up files that ship with the example: fewer of everything.
"""

from pathlib import Path

import numpy as np
import pandas as pd

SHOPS = ("north", "south", "harbour")
WAREHOUSE = "warehouse"
FIRST, DAYS = pd.Timestamp("2024-01-01"), 456
ARTICLES = 24
_LEAD = {WAREHOUSE: 7, **dict.fromkeys(SHOPS, 2)}

EXAMPLE = Path(__file__).resolve().parent.parent / "notebooks/sources/example/SOURCES.toml"


def write_exports(folder: Path) -> Path:
    """Write the files and their description; returns the description."""
    write_files(folder, articles=ARTICLES, length=DAYS)
    description = folder / "SOURCES.toml"
    stated = EXAMPLE.read_text(encoding="utf-8").replace("simulated = true\n", "")
    description.write_text(stated.replace('"USD"', '"EUR"'), encoding="utf-8")
    return description


def write_files(folder: Path, *, articles: int, length: int) -> None:
    """Write the files of some articles and days."""
    rng = np.random.default_rng(11)
    names = [f"A{number:03d}" for number in range(articles)]
    cost = rng.uniform(1, 30, articles).round(2)
    rate = rng.gamma(1.2, 1.5, (articles, len(SHOPS))) + 0.3
    week = np.array([0.8, 0.9, 0.9, 1.0, 1.3, 1.6, 0.5])
    days = pd.date_range(FIRST, periods=length)
    sold = rng.poisson(rate[:, :, None] * week[days.dayofweek])
    _items(names, cost).to_csv(folder / "articles.csv", index=False)
    kinds = {WAREHOUSE: "dc", **dict.fromkeys(SHOPS, "store")}
    pd.DataFrame(kinds.items(), columns=["site", "kind"]).to_csv(folder / "sites.csv", index=False)
    (folder / "holidays.csv").write_text("day,holiday\n25.12.2024,Christmas Day\n")
    _till(names, cost, days, sold).to_csv(folder / "till.csv", sep=";", index=False)
    _supply(folder, names, cost, days, sold)


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


if __name__ == "__main__":
    write_files(EXAMPLE.parent, articles=3, length=200)
