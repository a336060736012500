"""Parameters of the segmentation notebook."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Segment = Literal["AX", "AY", "AZ", "BX", "BY", "BZ", "CX", "CY", "CZ"]


class SegmentConfig(BaseModel):
    """Parameters of `20-segment-items`.

    Attributes:
        dc: Location that stands for all stores of an item; empty takes the one of kind `dc`.
        minimum_days_dc: An item is segmented there if it sold on so many days.
        minimum_days_store: An item-store is segmented if it sold on so many days.
        a_share: Series that together make up this share of revenue are class A.
        b_share: Those that make up this share are A or B; the rest is C.
        x_maximum_cv: Largest coefficient of variation of demand per bucket in class X.
        y_maximum_cv: Largest in class Y; above it, Z.
        bucket_days: Demand is judged in buckets of so many days, the review period.
        interval_threshold: Average interval between buckets with demand (ADI) from which demand is
            intermittent or lumpy.
        size_threshold: Squared coefficient of variation of non-zero demand (CV²) from which it is
            erratic or lumpy.
        high_segments: Segments whose rule is `order_up_to_high`.
        lean_segments: Segments whose rule is `order_up_to_lean`; all others get the standard rule.
        max_series: Segment only so many series, those of highest revenue; 0 takes all.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dc: str = ""
    minimum_days_dc: int = Field(default=100, ge=2)
    minimum_days_store: int = Field(default=26, ge=2)
    a_share: float = Field(default=0.80, gt=0, lt=1)
    b_share: float = Field(default=0.95, gt=0, lt=1)
    x_maximum_cv: float = Field(default=0.5, gt=0)
    y_maximum_cv: float = Field(default=1.0, gt=0)
    bucket_days: int = Field(default=7, ge=1, le=31)
    interval_threshold: float = Field(default=1.32, gt=1)
    size_threshold: float = Field(default=0.49, gt=0)
    high_segments: list[Segment] = ["AX", "AY", "AZ", "BX"]
    lean_segments: list[Segment] = ["CZ"]
    max_series: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _ordered(self) -> "SegmentConfig":
        if self.a_share >= self.b_share:
            raise ValueError("a_share must lie below b_share")
        if self.x_maximum_cv >= self.y_maximum_cv:
            raise ValueError("x_maximum_cv must lie below y_maximum_cv")
        both = set(self.high_segments) & set(self.lean_segments)
        if both:
            raise ValueError(f"{min(both)} is in high_segments and in lean_segments")
        return self
