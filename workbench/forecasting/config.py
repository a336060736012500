"""Parameters of the forecast notebook."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

Level = Annotated[float, Field(gt=0, lt=1)]
Serves = Literal["replenishment", "tactical", "operational", "strategic"]


class ForecastConfig(BaseModel):
    """What to forecast and how it is tried.

    Attributes:
        dc: Location that stands for all stores of an item; empty takes the one of kind `dc`.
        minimum_days_dc: Selling days that an item needs.
        minimum_days_store: Selling days that an item-store needs.
        windows_days: Lengths of the windows whose cumulative demand is forecast.
        horizon_days: Days ahead that are forecast one by one.
        quantiles: Levels, ascending.
        test_cutoffs: Weekly cutoffs before the as-of date at which the model is tried.
        calibration_weeks: Weeks before the first test cutoff on which calibration is learned.
        refit_weeks: Weeks between refits of the model over the test cutoffs.
        family: What makes the forecast: a name in `catalogue.NAMES`.
        families: What is tried besides it, LightGBM with counts and seasonal naive: the same names.
        trees: Boosting rounds.
        max_series: Forecast only so many series, those with most selling days; 0 takes all.
        seed: Of sampling and of randomised PIT.
        serves: Decisions that the run serves: see `horizons.py`.
        paths: Joint sample paths.
        path_items: Items with most revenue whose paths are kept, at all their sites.
        months_ahead: Months of four weeks; thirteen make a year.
        margin_share: Of the price, lost with a unit that is not in stock, where a policy is tried.
        annual_holding_rate: Cost of holding a unit of money in stock for a year, the same.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dc: str = ""
    minimum_days_dc: int = Field(default=100, ge=14)
    minimum_days_store: int = Field(default=26, ge=7)
    windows_days: list[Annotated[int, Field(ge=2, le=56)]] = [9, 10, 14, 21]
    horizon_days: int = Field(default=28, ge=1, le=56)
    quantiles: list[Level] = [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99]
    test_cutoffs: int = Field(default=12, ge=4, le=26)
    calibration_weeks: int = Field(default=9, ge=4, le=26)
    refit_weeks: int = Field(default=4, ge=1, le=26)
    family: str = "lightgbm_counts"
    families: list[str] = ["lightgbm_quantiles", "croston", "sba", "tsb", "adida", "imapa"]
    trees: int = Field(default=120, ge=10, le=2_000)
    max_series: int = Field(default=0, ge=0)
    seed: int = Field(default=1, ge=0)
    serves: Annotated[list[Serves], Field(min_length=1)] = [
        "replenishment", "tactical", "operational", "strategic",
    ]  # fmt: skip
    paths: int = Field(default=100, ge=20, le=1_000)
    path_items: int = Field(default=25, ge=0)
    months_ahead: int = Field(default=6, ge=0, le=13)
    margin_share: float = Field(default=0.3, gt=0, lt=1)
    annual_holding_rate: float = Field(default=0.25, gt=0, le=5)

    @field_validator("family", "families")
    @classmethod
    def _ship(cls, given: str | list[str]) -> str | list[str]:
        from workbench.forecasting.catalogue import NAMES  # only where parameters are checked

        names = [given] if isinstance(given, str) else given
        unknown = sorted(set(names) - set(NAMES))
        if unknown:
            raise ValueError(f"no family is called {unknown[0]!r}; known: {', '.join(NAMES)}")
        return given

    @field_validator("family")
    @classmethod
    def _can_be_trained(cls, family: str) -> str:
        from workbench.forecasting.catalogue import DEEP, can_train

        if family == DEEP and not can_train():
            raise ValueError("it is trained with torch, which is not installed: add extra `deep`")
        return family


class SenseConfig(BaseModel):
    """How first sales update a forecast.

    Attributes:
        shares: Of a usual day's sales: forecasts are updated when so much is in, ascending.
        learning_share: Of the cutoffs, the first, on which updating is learned.
        seed: Of randomised PIT.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    shares: list[Level] = [0.1, 0.25, 0.5, 0.75]
    learning_share: float = Field(default=0.5, gt=0, lt=1)
    seed: int = Field(default=1, ge=0)


class ItemConfig(BaseModel):
    """Which item is inspected.

    Attributes:
        item_id: Item; empty takes the one with most revenue.
        location_id: Location; empty takes all stores together.
        window_days: Length of the windows on which models are compared; the nearest forecast one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    item_id: str = ""
    location_id: str = ""
    window_days: int = Field(default=14, ge=2, le=56)
