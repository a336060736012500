"""Segments of planned series, and the replenishment rule that each gets.

Entry of the segmentation capability: `segment_series`.
"""

from datetime import date
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.contracts import columns as c
from workbench.contracts import tables
from workbench.errors import ContractError
from workbench.segmentation.abc_xyz import (
    abc_classes,
    average_interval,
    coefficient_of_variation,
    demand_patterns,
    squared_cv_of_sizes,
    xyz_classes,
)
from workbench.segmentation.config import SegmentConfig

SERIES: Final = [c.ITEM_ID, c.LOCATION_ID]
RULES: Final = ("order_up_to_high", "order_up_to_standard", "order_up_to_lean")
SIZE_CV2: Final = "size_cv2"


def segment_series(
    sales: pd.DataFrame,
    series: pd.DataFrame,
    *,
    dc: str,
    config: SegmentConfig,
    as_of: date | pd.Timestamp | None = None,
) -> pd.DataFrame:
    """Segment each series by its recorded sales up to `as_of`.

    Value classes are formed among the series of the distribution centre and among those of the
    stores, because the centre's revenue contains that of the stores.

    Args:
        sales: The `sales` table.
        series: item_id, location_id; location `dc` stands for all stores.
        dc: Location id of the distribution centre.
        config: Limits of the classes and rules of the segments.
        as_of: Last day looked at; the last recorded day if not given.

    Returns:
        The `segments` table without run_id, in key order; `demand_mean` is units per bucket,
        `average_interval` buckets. `size_cv2` beside it: CV² of non-zero demand.

    Raises:
        ContractError: Sales cover less than two buckets, or there is no series.
    """
    known = sales if as_of is None else sales[sales[c.DATE] <= pd.Timestamp(as_of)]
    if series.empty or known.empty:
        raise ContractError(
            f"segments: {len(series)} series and {len(known)} sales rows; expected at least one of"
            " each. Ingest sales and run the twin first."
        )
    frame = series[SERIES].drop_duplicates().sort_values(SERIES, ignore_index=True)
    demand, revenue = _bucketed(known, frame, dc=dc, bucket_days=config.bucket_days)
    if config.max_series and len(frame) > config.max_series:
        keep = np.sort(np.argsort(-revenue, kind="stable")[: config.max_series])
        frame, demand, revenue = (
            frame.iloc[keep].reset_index(drop=True),
            demand[keep],
            revenue[keep],
        )
    return _classified(frame, demand, revenue, dc=dc, config=config)


def _classified(
    frame: pd.DataFrame,
    demand: NDArray[np.float64],
    revenue: NDArray[np.float64],
    *,
    dc: str,
    config: SegmentConfig,
) -> pd.DataFrame:
    value_class = np.empty(len(frame), dtype="<U1")
    centre = (frame[c.LOCATION_ID] == dc).to_numpy()
    for group in (centre, ~centre):
        value_class[group] = abc_classes(
            revenue[group], a_share=config.a_share, b_share=config.b_share
        )
    cv = coefficient_of_variation(demand)
    variability = xyz_classes(
        cv, x_maximum_cv=config.x_maximum_cv, y_maximum_cv=config.y_maximum_cv
    )
    interval, size_cv2 = average_interval(demand), squared_cv_of_sizes(demand)
    pattern = demand_patterns(
        interval,
        size_cv2,
        interval_threshold=config.interval_threshold,
        size_threshold=config.size_threshold,
    )
    segment = np.char.add(value_class, variability)
    values = {
        c.SEGMENT: segment, c.ABC: value_class, c.XYZ: variability, c.PATTERN: pattern,
        c.REVENUE: revenue, c.DEMAND_MEAN: demand.mean(axis=1), c.DEMAND_CV: cv,
        c.AVERAGE_INTERVAL: interval, SIZE_CV2: size_cv2,
    }  # fmt: skip
    result = frame.copy()
    for name, column in values.items():
        result[name] = column
    result[c.POLICY] = [rule_of(name, config) for name in segment]
    return result


def rule_of(segment: str, config: SegmentConfig) -> str:
    """Name of the replenishment rule of a segment, one of `RULES`."""
    high, standard, lean = RULES
    if segment in config.high_segments:
        return high
    return lean if segment in config.lean_segments else standard


def segment_columns(segments: pd.DataFrame) -> pd.DataFrame:
    """Only the columns of the contract that a run does not fill itself."""
    return segments[[name for name in tables.SEGMENTS.names if name != c.RUN_ID]]


def _bucketed(
    sales: pd.DataFrame, series: pd.DataFrame, *, dc: str, bucket_days: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Units per series and bucket, counted back from the last day, and revenue per series."""
    last = sales[c.DATE].max()
    days = (last - sales[c.DATE].min()).days + 1
    buckets = days // bucket_days  # an incomplete first bucket is left out
    if buckets < 2:
        raise ContractError(
            f"sales: cover {days} days; expected at least {2 * bucket_days}, two buckets of"
            f" {bucket_days} days. Ingest a longer history or set bucket_days lower."
        )
    ago = (last - sales[c.DATE]).dt.days // bucket_days
    recent = sales[[*SERIES, c.QUANTITY, c.REVENUE]].assign(bucket=buckets - 1 - ago)
    recent = recent[ago < buckets]
    total = recent.groupby([c.ITEM_ID, "bucket"], as_index=False)[[c.QUANTITY, c.REVENUE]].sum()
    total[c.LOCATION_ID] = dc
    both = pd.concat([recent[recent[c.LOCATION_ID] != dc], total], ignore_index=True)
    row = pd.MultiIndex.from_frame(series).get_indexer(pd.MultiIndex.from_frame(both[SERIES]))
    planned = row >= 0
    row, both = row[planned], both[planned]
    units = np.zeros((len(series), buckets))
    np.add.at(units, (row, both["bucket"].to_numpy()), both[c.QUANTITY].to_numpy(dtype=np.float64))
    money = np.bincount(row, weights=both[c.REVENUE], minlength=len(series))
    return units, money.astype(np.float64)
