"""Does a forecast look into the future? Change the future and see whether anything moves.

Demand and prices after a cutoff are replaced; what is computed from the cutoff must stay the same,
to the last bit. Plans (promotions, calendar) are known ahead and stay as they are.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from workbench.errors import ContractError
from workbench.forecasting.panel import Panel

_SEED = 20_170_101


def with_another_future(panel: Panel, cutoff: int) -> Panel:
    """The same panel with other demand and prices after column `cutoff`."""
    rng = np.random.default_rng(_SEED)
    units, price = panel.units.copy(), panel.price.copy()
    ahead = units[:, cutoff + 1 :].shape
    units[:, cutoff + 1 :] = rng.integers(0, 1_000, ahead)
    price[:, cutoff + 1 :] = rng.uniform(0.1, 1_000, ahead)
    return replace(panel, units=units, price=price, parts=None)  # workers hold what was


def check_no_leak(
    compute: Callable[[Panel, int], npt.NDArray[np.floating]], panel: Panel, cutoff: int
) -> None:
    """Refuse a computation that depends on what happened after the cutoff.

    Args:
        compute: Features or forecasts of a panel from a cutoff.
        panel: With history after the cutoff.
        cutoff: Column of the last known day.

    Raises:
        ContractError: The result changes with the future, or there is no future to change.
    """
    if cutoff >= panel.units.shape[1] - 1:
        raise ContractError(
            f"cutoff {cutoff}: is the last of {panel.units.shape[1]} days; expected days after it"
            " whose change can be seen: choose an earlier cutoff."
        )
    seen = np.asarray(compute(panel, cutoff))
    other = np.asarray(compute(with_another_future(panel, cutoff), cutoff))
    moved = ~np.isclose(seen, other, rtol=0, atol=0, equal_nan=True)
    if moved.any():
        where = np.argwhere(moved)[0].tolist()
        raise ContractError(
            f"cutoff {cutoff}: {int(moved.sum())} of {moved.size} values depend on later days, the"
            f" first at {where}; expected none: cut the panel with Panel.until before computing."
        )
