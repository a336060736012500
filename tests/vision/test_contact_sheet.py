"""The sheet of worst cases."""

from io import BytesIO

import numpy as np
import pandas as pd
from PIL import Image

from workbench.vision.contact_sheet import CAPTION, TILE, contact_sheet, worst_scenes
from workbench.vision.evaluate import Detections
from workbench.vision.render import render_racks


class _Blind:
    def detect(self, image):
        return Detections(np.zeros((0, 4)), np.zeros(0))


def test_worst_scenes_come_first():
    scenes = render_racks(3, seed=2)
    errors = pd.DataFrame({"name": [s.name for s in scenes], "error": [1, -7, 2]})
    assert [s.name for s in worst_scenes(scenes, errors, 2)] == [scenes[1].name, scenes[2].name]


def test_sheet_has_a_tile_for_every_scene():
    png = contact_sheet(render_racks(5, seed=2), _Blind(), count_score=0.5)
    assert Image.open(BytesIO(png)).size == (4 * TILE, 2 * (TILE + CAPTION))
