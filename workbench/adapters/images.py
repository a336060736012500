"""Reads folders of annotated photographs (COCO `annotations.json`, optional `splits.csv`)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.errors import SourceError
from workbench.vision.render import Scene, render_racks


def load_scenes(folder: str, *, count: int, seed: int) -> list[Scene]:
    """Photographs of a folder, or rendered racks where `folder` is empty."""
    if not folder:
        return render_racks(count, seed=seed)
    return read_coco_folder(Path(folder), limit=count, seed=seed)


def read_coco_folder(folder: Path, *, limit: int = 0, seed: int = 0) -> list[Scene]:
    """Photographs with their boxes, spread evenly over sessions when `splits.csv` names them.

    Args:
        folder: Holds `annotations.json` and the images, directly or under `images/`.
        limit: Most photographs to read; 0 reads all. Sessions differ in site and camera, so a
            sample is drawn session by session in turn, at random within each.
        seed: Fixes that sample.

    Raises:
        SourceError: The folder, its annotations or an image is missing or unreadable.
    """
    path = folder / "annotations.json"
    try:
        coco = json.loads(path.read_text(encoding="utf-8"))
        images = pd.DataFrame(coco["images"]).set_index("id")["file_name"]
        boxes = pd.DataFrame(coco["annotations"], columns=["image_id", "bbox"])
    except FileNotFoundError as error:
        raise SourceError(
            f"{path}: not found; expected a folder in COCO form with annotations.json."
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise SourceError(f"{path}: not COCO annotations ({error}); export them again.") from error
    by_image = boxes.groupby("image_id")["bbox"].agg(list).to_dict()
    chosen = _sample(folder, images, limit, seed)
    return [_read(folder, images[i], by_image.get(i, [])) for i in chosen]


def _sample(folder: Path, images: "pd.Series[str]", limit: int, seed: int) -> list[int]:
    order = pd.DataFrame({"id": images.index, "file": images.to_numpy()})
    order = order.sample(frac=1, random_state=seed)
    splits = folder / "splits.csv"
    if splits.exists():
        sessions = pd.read_csv(splits, usecols=["file", "session"])
        order = order.merge(sessions, on="file", how="left")
        order["turn"] = order.groupby("session", dropna=False).cumcount()
        order = order.sort_values("turn", kind="stable")
    return [int(i) for i in order["id"][: limit or None]]


def _read(folder: Path, name: str, boxes: list[list[float]]) -> Scene:
    from PIL import Image, UnidentifiedImageError

    path = folder / "images" / name
    if not path.exists():
        path = folder / name
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGB"))
    except FileNotFoundError as error:
        raise SourceError(f"{path}: not found; annotations.json names it, restore it.") from error
    except (UnidentifiedImageError, OSError) as error:
        raise SourceError(f"{path}: not a readable image ({error}); replace it.") from error
    return Scene(name, pixels, np.array(boxes, dtype=np.float64).reshape(-1, 4))
