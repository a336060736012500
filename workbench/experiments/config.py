"""Parameters of the return-on-investment notebook."""

from pydantic import BaseModel, ConfigDict, Field


class RoiConfig(BaseModel):
    """Parameters of `70-measure-roi`.

    Attributes:
        dc: Distribution centre; empty takes the location of kind `dc`.
        interval_level: Level of the intervals.
        resamples: Bootstrap resamples of items.
        seed: Seed of the resampling.
        top_sites: Sites shown one by one; the others are added up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dc: str = ""
    interval_level: float = Field(default=0.80, gt=0, lt=1)
    resamples: int = Field(default=2000, ge=100, le=20_000)
    seed: int = Field(default=7, ge=0)
    top_sites: int = Field(default=20, ge=1, le=100)
