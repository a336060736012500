"""Safety stock and service of normally distributed demand, the textbook rules.

Symbols: μ and σ are mean and standard deviation of daily demand, L days from order to receipt, R
days between reviews, z the safety factor. Source: Silver, Pyke and Peterson, Inventory Management
and Production Planning and Scheduling, chapter 7; Snyder and Shen, Fundamentals of Supply Chain
Theory, 2nd edition, chapter 4.
"""

import math

from scipy.stats import norm

from workbench.errors import ContractError
from workbench.inventory.newsvendor import standard_normal_loss


def service_factor(cycle_service_level: float) -> float:
    """Safety factor z whose normal probability of no stockout in a cycle is the service level.

    Raises:
        ContractError: The level is not between 0 and 1.
    """
    if not 0 < cycle_service_level < 1:
        raise ContractError(
            f"cycle_service_level is {cycle_service_level:g}; expected a share between 0 and 1."
            " Write 95% as 0.95."
        )
    return float(norm.ppf(cycle_service_level))


def safety_stock(z: float, sd: float, days: float) -> float:
    """z·σ·√days, for a protection window of fixed length (R+L under periodic review)."""
    return z * sd * math.sqrt(days)


def safety_stock_variable_lead_time(
    z: float, *, mean: float, sd: float, days: float, lead_time_sd: float
) -> float:
    """z·√(days·σ² + μ²·σ_L²), where the lead time varies with standard deviation σ_L days."""
    return z * math.sqrt(days * sd**2 + mean**2 * lead_time_sd**2)


def reorder_point(mean: float, days: float, safety_stock_units: float) -> float:
    """Expected demand of the window plus safety stock."""
    return mean * days + safety_stock_units


def fill_rate_normal(z: float, *, sd_window: float, order_quantity: float) -> float:
    """Share of demand served from stock when each cycle's order is about `order_quantity`.

    1 - σ_w·G(z)/Q, G the standard normal loss function and σ_w the standard deviation of demand in
    the protection window; short units count as backorders.
    """
    return 1 - sd_window * standard_normal_loss(z) / order_quantity
