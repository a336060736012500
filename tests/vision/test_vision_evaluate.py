"""Average precision and count errors."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score

from workbench.errors import ContractError
from workbench.vision.evaluate import (
    Detections,
    average_precision,
    choose_count_score,
    count_error_by_bucket,
    evaluate,
    intersection_over_union,
    match,
)
from workbench.vision.render import Scene, render_racks


def _boxes(*rows):
    return np.array(rows, dtype=float).reshape(-1, 4)


def test_overlap_of_half_shifted_squares_is_one_third():
    # Two unit squares shifted by half: intersection 0.5, union 1.5.
    overlap = intersection_over_union(_boxes((0, 0, 1, 1)), _boxes((0.5, 0, 1, 1)))
    assert overlap[0, 0] == pytest.approx(1 / 3)


def test_overlap_equals_counted_pixels():
    rng = np.random.default_rng(0)
    boxes = np.hstack([rng.integers(0, 20, (6, 2)), rng.integers(1, 20, (6, 2))]).astype(float)
    masks = np.zeros((6, 40, 40), dtype=bool)
    for mask, (x, y, w, h) in zip(masks, boxes.astype(int), strict=True):
        mask[y : y + h, x : x + w] = True
    counted = [[(a & b).sum() / (a | b).sum() for b in masks] for a in masks]
    assert intersection_over_union(boxes, boxes) == pytest.approx(np.array(counted))


def test_a_box_is_hit_once_by_its_best_detection():
    found = Detections(_boxes((0, 0, 10, 10), (1, 0, 10, 10)), np.array([0.9, 0.8]))
    assert match(found, _boxes((0, 0, 10, 10))).tolist() == [True, False]


def test_average_precision_of_worked_example():
    # Hits T F T, three positives: recall 1/3, 1/3, 2/3; precision 1, 1/2, 2/3.
    # Interpolated: 1/3 * 1 + 1/3 * 2/3 = 5/9.
    value = average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 3)
    assert value == pytest.approx(5 / 9)


def test_average_precision_is_at_least_the_uninterpolated_one():
    rng = np.random.default_rng(1)
    hits = rng.random(200) < 0.5
    scores = rng.permutation(200) / 200
    plain = average_precision_score(hits, scores)
    assert plain <= average_precision(scores, hits, int(hits.sum())) <= plain + 0.05


class _Oracle:
    """Knows every scene's boxes; a stand-in for a perfect model."""

    def __init__(self, scenes, dropped=0):
        self._boxes = {scene.image.tobytes(): scene.boxes for scene in scenes}
        self._dropped = dropped

    def detect(self, image):
        boxes = self._boxes[image.tobytes()]
        boxes = boxes[: len(boxes) - self._dropped]
        return Detections(boxes, np.full(len(boxes), 0.9))


def test_perfect_detector_scores_one_without_count_error():
    scenes = render_racks(3, seed=5)
    result = evaluate(_Oracle(scenes), scenes, count_score=0.5)
    assert result.average_precision == pytest.approx(1)
    assert result.mean_absolute_error == 0


def test_missing_two_boxes_per_image_shows_as_bias():
    scenes = render_racks(3, seed=5)
    result = evaluate(_Oracle(scenes, dropped=2), scenes, count_score=0.5)
    cartons = sum(len(scene.boxes) for scene in scenes)
    assert result.bias_share == pytest.approx(-6 / cartons)
    assert result.images["error"].tolist() == [-2, -2, -2]


def test_buckets_report_error_where_it_occurs():
    images = pd.DataFrame({"actual": [5, 9, 25], "error": [1, -1, -5]})
    table = count_error_by_bucket(images).set_index("bucket")
    assert table.loc["1 to 9", ["mean_absolute_error", "bias"]].tolist() == [1, 0]
    assert table.loc["20 to 39", "bias"] == -5


def test_count_score_leaves_out_weak_detections():
    scene = Scene("a", np.zeros((8, 8, 3), np.uint8), _boxes((0, 0, 4, 4)))

    class Noisy:
        def detect(self, image):
            return Detections(_boxes((0, 0, 4, 4), (1, 1, 2, 2)), np.array([0.8, 0.3]))

    assert 0.3 < choose_count_score(Noisy(), [scene]) <= 0.8


def test_refuses_a_set_without_cartons():
    scene = Scene("empty", np.zeros((8, 8, 3), np.uint8), np.zeros((0, 4)))
    with pytest.raises(ContractError, match="at least one"):
        evaluate(_Oracle([scene]), [scene], count_score=0.5)
