"""Parameters of the readiness audit."""

from pydantic import BaseModel, ConfigDict, Field


class ReadinessConfig(BaseModel):
    """Limits that the checks use.

    Attributes:
        history_days: Days from first to last sale below which an item has too short a history;
            six months is the least that planning usually asks for.
        selling_days: Selling days below which a store or an item-store is too thin to plan alone.
        gap_days: Days without a sale, for an item that otherwise sells often, that look like a
            stockout or a delisting.
        dead_days: Days since the last sale after which an item counts as dead.
        price_ratio: Price relative to the item's middle price beyond which, up or down, a line's
            price is an outlier.
        quantity_ratio: The same for a line's quantity.
        spike_deviations: Robust standard deviations above an item's usual day beyond which a day
            is a spike.
        revenue_tolerance: Share by which revenue may differ from price times quantity.
        new_days: Days since the first sale during which an item counts as new.
        shifted_hours: Hours by which a week's usual time of day may move before its time zone is
            in doubt.
        stale_days: Days that a table may end before the newest one, or before it is loaded.
        examples: Worst rows that are kept of each finding.
        top_findings: Findings that figures show; the rest is summed up as others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    history_days: int = Field(default=182, ge=1)
    selling_days: int = Field(default=26, ge=1)
    gap_days: int = Field(default=28, ge=2)
    dead_days: int = Field(default=90, ge=1)
    price_ratio: float = Field(default=5.0, gt=1)
    quantity_ratio: float = Field(default=20.0, gt=1)
    spike_deviations: float = Field(default=12.0, gt=1)
    revenue_tolerance: float = Field(default=0.01, ge=0, lt=1)
    new_days: int = Field(default=56, ge=1)
    shifted_hours: float = Field(default=3.0, gt=0, le=12)
    stale_days: int = Field(default=7, ge=0)
    examples: int = Field(default=5, ge=1, le=100)
    top_findings: int = Field(default=12, ge=1, le=20)
