"""The images that a model counts worst, side by side with its boxes and the true ones."""

from collections.abc import Sequence
from io import BytesIO

import pandas as pd

from workbench.vision.evaluate import Detector
from workbench.vision.render import Scene

TILE = 240  # pixels
CAPTION = 22
TRUE_COLOUR = (0, 158, 115)
FOUND_COLOUR = (230, 159, 0)


def worst_scenes(scenes: Sequence[Scene], images: pd.DataFrame, count: int) -> list[Scene]:
    """The scenes with the largest count error, worst first."""
    worst = images.assign(size=images["error"].abs()).nlargest(count, "size", keep="first")
    by_name = {scene.name: scene for scene in scenes}
    return [by_name[name] for name in worst["name"]]


def contact_sheet(
    scenes: Sequence[Scene], detector: Detector, *, count_score: float, columns: int = 4
) -> bytes:
    """PNG with one tile per scene: true boxes green, counted detections orange."""
    from PIL import Image, ImageDraw

    rows = -(-len(scenes) // columns)
    sheet = Image.new("RGB", (columns * TILE, rows * (TILE + CAPTION)), (255, 255, 255))
    for i, scene in enumerate(scenes):
        left, top = (i % columns) * TILE, (i // columns) * (TILE + CAPTION)
        found = detector.detect(scene.image)
        counted = found.boxes[found.scores >= count_score]
        picture = Image.fromarray(scene.image)
        pen = ImageDraw.Draw(picture)
        for boxes, colour, width in ((scene.boxes, TRUE_COLOUR, 2), (counted, FOUND_COLOUR, 3)):
            for x, y, w, h in boxes:
                pen.rectangle((x, y, x + max(w, 1), y + max(h, 1)), outline=colour, width=width)
        sheet.paste(picture.resize((TILE - 6, TILE - 6)), (left + 3, top + CAPTION))
        text = f"counted {len(counted)} of {len(scene.boxes)}"
        ImageDraw.Draw(sheet).text((left + 4, top + 4), text, fill=(27, 31, 36), font_size=14)
    buffer = BytesIO()
    sheet.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
