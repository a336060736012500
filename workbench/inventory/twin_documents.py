"""Stock records, purchase orders and receipts of a simulated history, as contract frames."""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.inventory.simulate import Simulation


def stock(simulation: Simulation, terms: pd.DataFrame, first_day: pd.Timestamp) -> pd.DataFrame:
    """The `stock` table: each series at the end of each day.

    Args:
        simulation: Simulated with `paths`.
        terms: `supplier_items` rows in the order of the simulated series.
        first_day: First simulated day.
    """
    series, days = simulation.on_hand.shape
    dates = pd.date_range(first_day, periods=days).to_numpy()
    return pd.DataFrame(
        {
            c.ITEM_ID: np.repeat(terms[c.ITEM_ID].to_numpy(), days),
            c.LOCATION_ID: np.repeat(terms[c.LOCATION_ID].to_numpy(), days),
            c.DATE: np.tile(dates, series),
            c.ON_HAND: simulation.on_hand.ravel(),
            c.ON_ORDER: simulation.on_order.ravel(),
        }
    )


def purchase_orders(
    simulation: Simulation,
    lead_days: NDArray[np.int64],
    terms: pd.DataFrame,
    first_day: pd.Timestamp,
    *,
    review_days: int,
) -> pd.DataFrame:
    """The `purchase_orders` table, and `arrives`, the day that the drawn lead time gives.

    One order per supplier, location and review day; its lines are the items in key order.
    """
    row, review = np.nonzero(simulation.ordered > 0)
    lines = terms.iloc[row].reset_index(drop=True)
    ordered = first_day + pd.to_timedelta(review * review_days, unit="D")
    due = ordered + pd.to_timedelta(lines[c.LEAD_TIME_DAYS].to_numpy(), unit="D")
    dated: dict[str, Any] = {
        c.ORDERED: ordered,
        c.DUE: due,
        "arrives": ordered + pd.to_timedelta(lead_days[row, review], unit="D"),
        c.QUANTITY: simulation.ordered[row, review],
    }
    lines = lines.assign(**dated)
    order = [c.ORDERED, c.SUPPLIER_ID, c.LOCATION_ID]
    lines = lines.sort_values([*order, c.ITEM_ID], ignore_index=True)
    day = lines[c.ORDERED].dt.strftime("%Y%m%d")
    lines[c.PO_ID] = "PO-" + day + "-" + lines[c.SUPPLIER_ID] + "-" + lines[c.LOCATION_ID]
    lines[c.LINE] = lines.groupby(order, sort=False).cumcount() + 1
    return lines[[*tables.PURCHASE_ORDERS.names, "arrives"]]


def receipts(orders: pd.DataFrame, *, last_day: pd.Timestamp) -> pd.DataFrame:
    """The `receipts` table: all that arrived by the last day, complete and none rejected."""
    arrived = orders[orders["arrives"] <= last_day]
    return pd.DataFrame(
        {
            c.RECEIPT_ID: "R-" + arrived[c.PO_ID] + "-" + arrived[c.LINE].astype(str),
            c.PO_ID: arrived[c.PO_ID],
            c.LINE: arrived[c.LINE],
            c.RECEIVED: arrived["arrives"],
            c.QUANTITY: arrived[c.QUANTITY],
            c.REJECTED: 0.0,
        }
    ).reset_index(drop=True)
