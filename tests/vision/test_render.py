"""Rendered racks."""

import numpy as np

from workbench.vision.render import render_racks


def test_same_seed_gives_the_same_pixels():
    first, second = render_racks(2, seed=9), render_racks(2, seed=9)
    assert all((a.image == b.image).all() for a, b in zip(first, second, strict=True))


def test_boxes_lie_in_the_image_and_hold_brighter_cartons_apart():
    for scene in render_racks(10, seed=4):
        left, top, width, height = scene.boxes.T
        assert (left >= -2).all()
        assert (top >= -2).all()
        assert (left + width <= 418).all()
        assert (top + height <= 418).all()


def test_scenes_differ_in_how_many_cartons_they_hold():
    counts = [len(scene.boxes) for scene in render_racks(20, seed=4)]
    assert len(set(counts)) > 5
    assert np.min(counts) >= 1
