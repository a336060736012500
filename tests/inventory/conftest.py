"""A small shop: three items, two stores, 120 days."""

import numpy as np
import pandas as pd
import pytest

from workbench.contracts import columns as c
from workbench.inventory.config import TwinConfig

FIRST = pd.Timestamp("2017-09-01")
DAYS = 120


@pytest.fixture(scope="session")
def shop_sales():
    draw = np.random.default_rng(11)
    parts = []
    for item, rate in (("10", 4.0), ("20", 1.5), ("30", 0.4)):
        for store in ("1", "2"):
            units = draw.poisson(rate, DAYS).astype(float)
            days = pd.date_range(FIRST, periods=DAYS)
            parts.append(pd.DataFrame({c.ITEM_ID: item, c.LOCATION_ID: store, c.DATE: days,
                                       c.CHANNEL: "store", c.QUANTITY: units,
                                       c.REVENUE: 3.0 * units}))  # fmt: skip
    frame = pd.concat(parts, ignore_index=True)
    return frame[frame[c.QUANTITY] > 0].reset_index(drop=True)


@pytest.fixture(scope="session")
def shop_items():
    return pd.DataFrame({
        c.ITEM_ID: ["10", "20", "30", "99"],
        c.DESCRIPTION: ["milk", "bread", "saffron", "coupon"],
        c.CATEGORY: ["dairy", "bakery", "spices", None],
        c.MANUFACTURER: ["7", "8", "7", None],
        c.BASE_UOM: "H87",
        c.CURRENCY: "USD",
        c.IS_DEMAND: [True, True, True, False],
    })  # fmt: skip


@pytest.fixture(scope="session")
def shop_locations():
    return pd.DataFrame({
        c.LOCATION_ID: ["1", "2"], c.KIND: "store", c.REGION: None, c.LATITUDE: [40.0, None],
        c.LONGITUDE: [-80.0, None],
    })  # fmt: skip


@pytest.fixture(scope="session")
def shop_config():
    return TwinConfig(minimum_days_dc=30, minimum_days_store=20, suppliers=2)
