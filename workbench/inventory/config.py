"""Parameters of the digital twin and of the replenishment notebook."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]


class TwinConfig(BaseModel):
    """The simulated world behind the observed sales.

    Attributes:
        seed: Everything drawn at random follows from it and from the ids.
        dc: Location id of the simulated distribution centre that faces the demand of all stores.
        minimum_days_dc: An item is planned at the distribution centre if it sold on so many days.
        minimum_days_store: An item-store is planned if it sold on so many days.
        review_days: Days between reviews (R); the day after the last sales day is a review day.
        store_lead_days: Days from the order of a store to its receipt (L).
        supplier_lead_days: Nominal lead times of the suppliers of the distribution centre.
        lead_time_variation: Standard deviation of a supplier's lead time over its nominal value.
        suppliers: Number of suppliers; all items of a manufacturer come from one of them.
        unit_cost_share_low: Lowest unit cost of a category as a share of the mean selling price.
        unit_cost_share_high: Highest such share.
        service_factor: Safety factor z of the plain policy that makes the history.
        trailing_days: Days behind its mean and standard deviation of demand.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=2017, ge=0)
    dc: str = Field(default="DC1", min_length=1)
    minimum_days_dc: int = Field(default=100, ge=2)
    minimum_days_store: int = Field(default=26, ge=2)
    review_days: int = Field(default=7, ge=1, le=28)
    store_lead_days: int = Field(default=2, ge=1, le=28)
    supplier_lead_days: list[Annotated[int, Field(ge=1, le=60)]] = [3, 7, 14]
    lead_time_variation: float = Field(default=0.15, ge=0, le=0.5)
    suppliers: int = Field(default=24, ge=1, le=999)
    unit_cost_share_low: Share = 0.65
    unit_cost_share_high: Share = 0.80
    service_factor: float = Field(default=1.28, ge=0, le=5)
    trailing_days: int = Field(default=56, ge=7)

    @model_validator(mode="after")
    def _ordered(self) -> "TwinConfig":
        if self.unit_cost_share_low > self.unit_cost_share_high:
            raise ValueError("unit_cost_share_low exceeds unit_cost_share_high")
        if not self.supplier_lead_days:
            raise ValueError("supplier_lead_days is empty")
        return self


class ReplenishmentConfig(BaseModel):
    """Parameters of `30-set-replenishment-policy`.

    Attributes:
        dc: Distribution centre; empty takes the location of kind `dc`.
        seed: Seed of the lead times drawn for the comparison.
        review_days: Days between reviews (R).
        annual_holding_rate: Cost of holding one unit of money in stock for a year, as a share.
        order_line_cost: Cost of one order line, placed and put away, in the workspace's currency.
        maximum_cover_days: No order exceeds its level by more than so many days of demand.
        target_high, target_standard, target_lean: Highest service target of the segments whose
            rule is `order_up_to_high`, `order_up_to_standard` and `order_up_to_lean`; the ratio of
            costs decides below it.
        legacy_trailing_days: Lengths of history among which the legacy policy is tuned.
        legacy_maximum_factor: Largest safety factor z among which it is tuned.
        tuning_days: Days before the test period on which it is tuned; as many days size batches.
        swept_targets: Service targets of the what-if curve.
        max_series: Plan only so many series, those of highest revenue; 0 plans all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dc: str = ""
    seed: int = Field(default=70, ge=0)
    review_days: int = Field(default=7, ge=1, le=28)
    annual_holding_rate: float = Field(default=0.25, gt=0, le=2)
    order_line_cost: float = Field(default=0.30, ge=0)
    maximum_cover_days: int = Field(default=28, ge=0, le=365)
    target_high: Share = 0.99
    target_standard: Share = 0.98
    target_lean: Share = 0.95
    legacy_trailing_days: list[Annotated[int, Field(ge=7, le=365)]] = [28, 56, 84, 112]
    legacy_maximum_factor: float = Field(default=6.0, gt=0, le=6)
    tuning_days: int = Field(default=112, ge=28)
    swept_targets: list[Share] = [0.80, 0.85, 0.90, 0.925, 0.95, 0.965, 0.98, 0.985, 0.99]
    max_series: int = Field(default=0, ge=0)
