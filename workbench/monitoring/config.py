"""Parameters of the drift notebook."""

from pydantic import BaseModel, ConfigDict, Field


class DriftConfig(BaseModel):
    """How drift is judged.

    Attributes:
        period_days: Length of the periods that are compared.
        level: Share of earlier changes that a change must exceed to raise an alarm.
        error_level: Probability of the interval around the ratio of forecast errors.
        tolerance: Ratio of errors above 1 that is still acceptable.
        evidently_rows: Most rows per period in the evidently report.
        seed: Of the bootstrap and of that sample.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    period_days: int = Field(default=28, ge=7, le=91)
    level: float = Field(default=0.95, gt=0.5, lt=1)
    error_level: float = Field(default=0.8, gt=0.5, lt=1)
    tolerance: float = Field(default=0.05, ge=0, le=1)
    evidently_rows: int = Field(default=4_000, ge=100, le=100_000)
    seed: int = Field(default=1, ge=0)
