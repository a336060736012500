"""Parameters of the explanation notebook."""

from pydantic import BaseModel, ConfigDict, Field


class ExplainConfig(BaseModel):
    """What to explain.

    Attributes:
        window_days: Length of the window whose expected demand is explained.
        beeswarm_series: How many series the plot of single contributions shows.
        seed: Of that sample.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_days: int = Field(default=14, ge=2, le=56)
    beeswarm_series: int = Field(default=400, ge=10, le=2_000)
    seed: int = Field(default=1, ge=0)
