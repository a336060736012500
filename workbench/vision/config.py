"""Parameters of the vision notebook."""

from pydantic import BaseModel, ConfigDict, Field


class VisionConfig(BaseModel):
    """What to evaluate.

    Attributes:
        images_folder: Folder with COCO annotations; empty renders racks instead (simulated).
        images: How many to evaluate; 0 takes every photograph of the folder.
        calibration_images: Rendered racks on which the score that counts is chosen beforehand.
        model: Package under `edge_models/`, as name/version.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    images_folder: str = ""
    images: int = Field(default=120, ge=0, le=100_000)
    calibration_images: int = Field(default=40, ge=5, le=10_000)
    model: str = Field(default="carton-counter/1.0.0", pattern=r"^[\w.-]+/[\w.-]+$")
    worst_cases: int = Field(default=8, ge=1, le=24)
    seed: int = Field(default=1, ge=0)
