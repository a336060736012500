"""Demand patterns: what kind of series a forecast is for, as known at its cutoff."""

import numpy as np
import numpy.typing as npt

from workbench.forecasting.panel import Panel

Array = npt.NDArray[np.floating]
PATTERNS = ("smooth", "erratic", "intermittent", "lumpy")
SEGMENTS = tuple(f"{site}, {name}" for name in PATTERNS for site in ("all stores", "one store"))
# Syntetos, Boylan and Croston 2005, "On the categorization of demand patterns", JORS 56.
_INTERVAL_CUT, _VARIATION_CUT = 1.32, 0.49


def pattern_of(units: Array) -> npt.NDArray[np.int64]:
    """Place in `PATTERNS` of each series, shape (series,).

    By the mean periods between demands and the squared coefficient of variation of their sizes.

    Args:
        units: Demand that is known, NaN where it was not observed, shape (series, periods).
    """
    observed = np.isfinite(units)
    known = np.where(observed, units, 0)
    count = np.maximum((known > 0).sum(axis=1), 1)
    interval = observed.sum(axis=1) / count
    mean = known.sum(axis=1, dtype=np.float64) / count
    variance = np.einsum("ij,ij->i", known, known, dtype=np.float64) / count - mean**2
    variation = variance / np.maximum(mean, 1e-9) ** 2
    return np.asarray(2 * (interval > _INTERVAL_CUT) + (variation > _VARIATION_CUT), dtype=np.int64)


def demand_pattern(panel: Panel, cutoff: int) -> npt.NDArray[np.int64]:
    """Place in `PATTERNS` of each series, over all days up to the cutoff, shape (series,)."""
    return pattern_of(panel.units[:, : cutoff + 1])


def segment(panel: Panel, cutoff: int) -> npt.NDArray[np.int64]:
    """Place in `SEGMENTS` of each series: demand pattern and kind of site, shape (series,)."""
    return np.asarray(2 * demand_pattern(panel, cutoff) + ~panel.is_dc, dtype=np.int64)


def overdispersion(units: Array) -> npt.NDArray[np.float64]:
    """Variance beyond Poisson's over squared mean, shape (series,); 0 where nothing is known.

    Args:
        units: Demand, NaN where it was not observed, shape (series, periods).
    """
    observed = np.isfinite(units)
    count = np.maximum(observed.sum(axis=1), 1)
    known = np.where(observed, units, 0)
    mean = known.sum(axis=1, dtype=np.float64) / count
    variance = np.einsum("ij,ij->i", known, known, dtype=np.float64) / count - mean**2
    return np.asarray((variance - mean) / np.maximum(mean, 1e-3) ** 2)
