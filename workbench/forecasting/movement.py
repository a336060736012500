"""Where the demand of whole groups of series is going, for series too slow to tell by themselves.

A slow mover's own sales do not show a season or growth; the total of its group does. The total is
forecast by whatever knows its calendar, and the rates of the group's series follow it in
proportion, period by period: top-down on the group's level, bottom-up within it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Groups = npt.NDArray[np.int64]


class Outlook(Protocol):
    """Forecasts totals of groups, shape (groups, ahead), from those known, (groups, periods)."""

    def __call__(self, totals: Array, ahead: int) -> Array: ...


@dataclass(frozen=True)
class Movement:
    """What is expected of groups of series as a whole.

    Attributes:
        group: Group of each series, counted from 0, shape (series,).
        outlook: Forecasts the groups' totals.
    """

    group: Groups
    outlook: Outlook

    def expected(self, units: Array, ahead: int) -> Array:
        """Total of each group in each coming period, shape (groups, ahead).

        Args:
            units: Demand known of the series, NaN where it was not observed.
            ahead: Periods after the last known one.
        """
        totals = np.zeros((int(self.group.max()) + 1, units.shape[1]))
        np.add.at(totals, self.group, np.nan_to_num(units))
        return self.outlook(totals, ahead)

    def factors(self, expected: Array, rates: Array) -> Array:
        """Expected totals over the sums of the rates, shape (groups, ahead); 1 where these are 0.

        Args:
            expected: Of `expected`.
            rates: Units per period, shape (series,).
        """
        base = np.bincount(self.group, rates, minlength=len(expected))[:, None]
        return np.divide(expected, base, out=np.ones_like(expected), where=base > 0)

    def of(self, rows: Groups) -> "Movement":
        """The same for some of the series."""
        return Movement(self.group[rows], self.outlook)
