"""Demand patterns: what kind of series a forecast is for, as known at its cutoff."""

import numpy as np
import numpy.typing as npt

from workbench.forecasting.panel import Panel

PATTERNS = ("smooth", "erratic", "intermittent", "lumpy")
SEGMENTS = tuple(f"{site}, {name}" for name in PATTERNS for site in ("all stores", "one store"))
# Syntetos, Boylan and Croston 2005, "On the categorization of demand patterns", JORS 56.
_INTERVAL_CUT, _VARIATION_CUT = 1.32, 0.49


def demand_pattern(panel: Panel, cutoff: int) -> npt.NDArray[np.int64]:
    """Place in `PATTERNS` of each series, shape (series,).

    By the mean days between demands and the squared coefficient of variation of their sizes, over
    all days up to the cutoff.
    """
    known = panel.units[:, : cutoff + 1]
    count = np.maximum((known > 0).sum(axis=1), 1)
    interval = known.shape[1] / count
    mean = known.sum(axis=1, dtype=np.float64) / count
    variance = np.einsum("ij,ij->i", known, known, dtype=np.float64) / count - mean**2
    variation = variance / np.maximum(mean, 1e-9) ** 2
    return np.asarray(2 * (interval > _INTERVAL_CUT) + (variation > _VARIATION_CUT), dtype=np.int64)


def segment(panel: Panel, cutoff: int) -> npt.NDArray[np.int64]:
    """Place in `SEGMENTS` of each series: demand pattern and kind of site, shape (series,)."""
    return np.asarray(2 * demand_pattern(panel, cutoff) + ~panel.is_dc, dtype=np.int64)
