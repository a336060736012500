"""Parameters of the notebooks of `lineage_soak.py`; the runner imports them by name."""

from pydantic import BaseModel, ConfigDict


class SoakConfig(BaseModel):
    """One number, so that no run is a repetition."""

    model_config = ConfigDict(extra="forbid")
    seed: int = 1
