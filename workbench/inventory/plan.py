"""What two policies that are compared have in common: series, demand, order terms, costs, start."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.contracts import columns as c
from workbench.errors import ContractError
from workbench.inventory.config import ReplenishmentConfig
from workbench.inventory.costs import Costs, service_target
from workbench.inventory.demand import SERIES, DemandMatrix, demand_matrix
from workbench.inventory.policies import economic_order_quantity
from workbench.inventory.simulate import StartState, Terms
from workbench.inventory.twin import draw_lead_days

FloatVector = NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """The planned series.

    Attributes:
        demand: Recorded daily demand; its `series` give the order of all rows elsewhere.
        terms: `supplier_items` rows in that order.
        costs: Cost terms in that order.
        review_days: Days between reviews (R).
        maximum_cover_days: Largest batch, in days of demand.
        history_days: Days behind the mean demand that sizes batches.
    """

    demand: DemandMatrix
    terms: pd.DataFrame
    costs: Costs
    review_days: int
    maximum_cover_days: int
    history_days: int

    @property
    def series(self) -> pd.DataFrame:
        return self.demand.series

    @property
    def lead_days(self) -> FloatVector:
        return self.terms[c.LEAD_TIME_DAYS].to_numpy(dtype=np.float64)

    @property
    def lead_sd_days(self) -> FloatVector:
        return self.terms[c.LEAD_TIME_SD_DAYS].to_numpy(dtype=np.float64)

    @property
    def protection_days(self) -> FloatVector:
        """R+L: days that an order must cover."""
        return self.lead_days + self.review_days

    def order_terms(self, period: "Period", *, seed: int, purpose: str) -> Terms:
        """Order terms with a lead time drawn for each review of the period."""
        return Terms(
            self.terms[c.MINIMUM_ORDER_QUANTITY].to_numpy(dtype=np.float64),
            self.terms[c.ORDER_MULTIPLE].to_numpy(dtype=np.float64),
            draw_lead_days(seed, self.terms, len(period.reviews), purpose=purpose),
            self.batch(period.first),
        )

    def daily_demand(self, before: pd.Timestamp) -> FloatVector:
        """Mean demand of the days before `before`, base units per day."""
        end = self.demand.column(before)
        recent = self.demand.units[:, max(0, end - self.history_days) : end]
        mean: FloatVector = recent.mean(axis=1)
        return mean

    def batch(self, before: pd.Timestamp) -> FloatVector:
        """Economic order quantity by what is known before a day, at most `maximum_cover_days`."""
        demand = self.daily_demand(before)
        economic = economic_order_quantity(
            demand,
            order_cost=self.costs.order_line_cost,
            holding_cost_per_day=self.costs.holding_per_day,
        )
        return np.minimum(economic, demand * self.maximum_cover_days)

    def cycle_days(self, before: pd.Timestamp) -> FloatVector:
        """Expected days between two orders of each series, at least the review period."""
        demand = self.daily_demand(before)
        batch = self.batch(before)
        cover = np.divide(batch, demand, out=np.zeros_like(batch), where=demand > 0)
        return np.maximum(cover, self.review_days)

    def service_targets(
        self, segments: pd.DataFrame, before: pd.Timestamp, config: ReplenishmentConfig
    ) -> FloatVector:
        """Target of each series: its ratio of costs, at most what its segment's rule allows.

        Args:
            segments: item_id, location_id and policy, the name of the rule.
            before: Day before which demand is known.
            config: Highest target by rule.

        Raises:
            ContractError: A series has no segment, or its rule is unknown.
        """
        highest = {
            "order_up_to_high": config.target_high,
            "order_up_to_standard": config.target_standard,
            "order_up_to_lean": config.target_lean,
        }
        rule = self.series.merge(segments[[*SERIES, c.POLICY]], on=SERIES, how="left")[c.POLICY]
        limit = rule.map(highest)
        if limit.isna().any():
            row = int(np.argmax(limit.isna()))
            raise ContractError(
                f"segments: item {self.series[c.ITEM_ID][row]} at"
                f" {self.series[c.LOCATION_ID][row]} has rule {rule[row]!r}; expected one of"
                f" {', '.join(highest)}. Run 20-segment-items for the same series."
            )
        balanced = service_target(self.costs, cycle_days=self.cycle_days(before))
        return np.minimum(balanced, limit.to_numpy(dtype=np.float64))


@dataclass(frozen=True)
class Period:
    """Days on which policies are simulated; the first is a review day."""

    first: pd.Timestamp
    last: pd.Timestamp
    review_days: int

    @property
    def days(self) -> int:
        return (self.last - self.first).days + 1

    @property
    def reviews(self) -> pd.DatetimeIndex:
        return pd.date_range(self.first, self.last, freq=f"{self.review_days}D")

    @property
    def cycle_days(self) -> FloatVector:
        """Length of each cycle; the last may be cut short."""
        ends = np.append(np.arange(self.review_days, self.days, self.review_days), self.days)
        return np.diff(np.append(0, ends)).astype(np.float64)

    def demand(self, plan: Plan) -> NDArray[np.float64]:
        """Demand of the period, series by day."""
        begin = plan.demand.column(self.first)
        return plan.demand.units[:, begin : begin + self.days]


def make_plan(
    sales: pd.DataFrame,
    supplier_items: pd.DataFrame,
    forecast_series: pd.DataFrame,
    *,
    dc: str,
    config: ReplenishmentConfig,
) -> Plan:
    """Series that have order terms and a forecast, with their demand and costs.

    Args:
        sales: The `sales` table.
        supplier_items: The `supplier_items` table.
        forecast_series: item_id, location_id that are forecast.
        dc: Location id of the distribution centre.
        config: Review period and costs; `max_series` keeps those of highest value.

    Raises:
        ContractError: No series has both.
    """
    terms = supplier_items.merge(forecast_series[SERIES].drop_duplicates(), on=SERIES)
    if terms.empty:
        raise ContractError(
            "supplier_items: none of its items is forecast at the same location; expected at least"
            " one. Forecast the series that are planned."
        )
    terms = terms.sort_values(SERIES, ignore_index=True)
    demand = demand_matrix(sales, terms[SERIES], dc=dc)
    if config.max_series and len(terms) > config.max_series:
        value = demand.units.sum(axis=1) * terms[c.UNIT_COST].to_numpy(dtype=np.float64)
        keep = np.sort(np.argsort(-value, kind="stable")[: config.max_series])
        terms = terms.iloc[keep].reset_index(drop=True)
        demand = DemandMatrix(terms[SERIES], demand.units[keep], demand.first_day)
    return Plan(
        demand,
        terms,
        _costs(sales, terms, config),
        review_days=config.review_days,
        maximum_cover_days=config.maximum_cover_days,
        history_days=config.tuning_days,
    )


def _costs(sales: pd.DataFrame, terms: pd.DataFrame, config: ReplenishmentConfig) -> Costs:
    """Margin is the item's mean selling price less its unit cost, never below zero."""
    paid = sales.groupby(c.ITEM_ID)[[c.REVENUE, c.QUANTITY]].sum()
    price = terms[c.ITEM_ID].map(paid[c.REVENUE] / paid[c.QUANTITY].where(paid[c.QUANTITY] > 0))
    unit_cost = terms[c.UNIT_COST].to_numpy(dtype=np.float64)
    margin = np.maximum(price.fillna(0.0).to_numpy(dtype=np.float64) - unit_cost, 0.0)
    return Costs(unit_cost, margin, config.annual_holding_rate, config.order_line_cost)


def start_state(
    plan: Plan,
    stock: pd.DataFrame,
    purchase_orders: pd.DataFrame,
    receipts: pd.DataFrame,
    *,
    first_day: pd.Timestamp,
) -> StartState:
    """Stock at the end of the day before, and what is ordered and not yet received.

    An open order arrives on the day that its receipt is recorded; one without receipt on its due
    day, at the earliest on the first day.

    Args:
        plan: The planned series.
        stock: The `stock` table.
        purchase_orders: The `purchase_orders` table.
        receipts: The `receipts` table.
        first_day: First day to be simulated.

    Raises:
        ContractError: A series has no stock record for the day before.
    """
    on_hand = _records(plan, stock, first_day - pd.Timedelta(1, unit="D"))[c.ON_HAND]
    arrived = receipts.groupby([c.PO_ID, c.LINE])[c.RECEIVED].min().rename("arrives")
    recent = purchase_orders[purchase_orders[c.ORDERED] < first_day]
    known = recent.merge(arrived, left_on=[c.PO_ID, c.LINE], right_index=True, how="left")
    due = known[c.DUE].where(known[c.DUE] > first_day, first_day)
    day = known["arrives"].fillna(due)
    known, day = known[day >= first_day], day[day >= first_day]
    row = pd.MultiIndex.from_frame(plan.series).get_indexer(pd.MultiIndex.from_frame(known[SERIES]))
    column = (day - first_day).dt.days.to_numpy()
    arrivals = np.zeros((len(plan.series), int(column.max(initial=-1)) + 1))
    planned = row >= 0
    quantity = known[c.QUANTITY].to_numpy(dtype=np.float64)
    np.add.at(arrivals, (row[planned], column[planned]), quantity[planned])
    return StartState(on_hand.to_numpy(dtype=np.float64), arrivals)


def current_stock(
    plan: Plan, stock: pd.DataFrame, *, day: pd.Timestamp
) -> tuple[FloatVector, FloatVector]:
    """Stock on hand and on order at the end of a day, one value per series.

    Args:
        plan: The planned series.
        stock: The `stock` table.
        day: The day before the review.

    Raises:
        ContractError: A series has no stock record for the day.
    """
    records = _records(plan, stock, day)
    return (
        records[c.ON_HAND].to_numpy(dtype=np.float64),
        records[c.ON_ORDER].to_numpy(dtype=np.float64),
    )


def _records(plan: Plan, stock: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Stock records of one day in the order of the series."""
    records = plan.series.merge(stock[stock[c.DATE] == day], on=SERIES, how="left")
    unknown = records[c.ON_HAND].isna()
    if unknown.any():
        missing = plan.series.iloc[int(np.argmax(unknown))]
        raise ContractError(
            f"stock: item {missing[c.ITEM_ID]} at {missing[c.LOCATION_ID]} has no record for"
            f" {day.date()}; expected one for every planned series. Choose a day within the stock"
            " records."
        )
    return records
