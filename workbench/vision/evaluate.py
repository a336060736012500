"""How well a model finds and counts cartons: average precision, count error, bias.

A good count can come from bad boxes, whose misses and false finds cancel: always read average
precision beside the count error.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from workbench.errors import ContractError
from workbench.vision.render import Scene

Array = npt.NDArray[np.float64]
COUNT_BUCKETS = (0, 10, 20, 40, 10_000)  # cartons per image, upper ends excluded


@dataclass(frozen=True)
class Detections:
    """Boxes (n, 4) as left, top, width, height in pixels with scores (n,), best first."""

    boxes: Array
    scores: Array


class Detector(Protocol):
    """Anything that finds boxes in an RGB image."""

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections: ...


@dataclass(frozen=True)
class Evaluation:
    """Result for a set of images.

    Attributes:
        average_precision: At intersection over union 0.5, area under the interpolated
            precision-recall curve (PASCAL VOC 2010 and later, all points).
        images: One row per image: name, actual, counted, error (counted - actual).
        curve: Recall and precision along falling score.
    """

    average_precision: float
    images: pd.DataFrame
    curve: pd.DataFrame

    @property
    def mean_absolute_error(self) -> float:
        return float(self.images["error"].abs().mean())

    @property
    def bias_share(self) -> float:
        """Sum of errors as a share of all cartons; negative means undercounting."""
        return float(self.images["error"].sum() / self.images["actual"].sum())


def intersection_over_union(first: Array, second: Array) -> Array:
    """Overlap of every box of `first` (n, 4) with every box of `second` (m, 4), shape (n, m)."""
    low = np.maximum(first[:, None, :2], second[None, :, :2])
    high = np.minimum(
        first[:, None, :2] + first[:, None, 2:], second[None, :, :2] + second[None, :, 2:]
    )
    shared = np.clip(high - low, 0, None).prod(axis=2)
    areas = first[:, 2:].prod(axis=1)[:, None] + second[:, 2:].prod(axis=1)[None, :]
    union = areas - shared
    overlap: Array = np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)
    return overlap


def match(detections: Detections, boxes: Array, *, threshold: float = 0.5) -> npt.NDArray[np.bool_]:
    """Which detections hit a box not yet hit by a better one, greedily by score."""
    hits = np.zeros(len(detections.scores), dtype=bool)
    if not len(boxes):
        return hits
    overlap = intersection_over_union(detections.boxes, boxes)
    for i in range(len(hits)):
        best = int(np.argmax(overlap[i]))
        if overlap[i, best] >= threshold:
            hits[i] = True
            overlap[:, best] = -1.0
    return hits


def average_precision(scores: Array, hits: npt.NDArray[np.bool_], positives: int) -> float:
    """Area under the precision-recall curve with precision made non-increasing.

    Source: Everingham et al. 2010, "The PASCAL Visual Object Classes Challenge", all points.
    """
    curve = precision_recall(scores, hits, positives)
    recall = np.concatenate([[0.0], curve["recall"].to_numpy()])
    precision = np.maximum.accumulate(curve["precision"].to_numpy()[::-1])[::-1]
    return float(np.sum(np.diff(recall) * precision))


def precision_recall(scores: Array, hits: npt.NDArray[np.bool_], positives: int) -> pd.DataFrame:
    """Recall and precision after each detection, by falling score."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(hits[order])
    made = np.arange(1, len(found) + 1)
    return pd.DataFrame(
        {
            "score": scores[order],
            "recall": found / max(positives, 1),
            "precision": found / made if len(made) else found,
        }
    )


def evaluate(
    detector: Detector,
    scenes: Sequence[Scene],
    *,
    count_score: float,
    progress: Callable[[str], None] = lambda name: None,
) -> Evaluation:
    """Run a detector over scenes; detections with `score >= count_score` are counted.

    Raises:
        ContractError: There is no scene, or no carton in any of them.
    """
    positives = sum(len(scene.boxes) for scene in scenes)
    if not positives:
        raise ContractError(
            f"{len(scenes)} images with {positives} cartons; expected at least one of each:"
            " check the folder and its annotations."
        )
    rows, scores, hits = [], [], []
    for scene in scenes:
        found = detector.detect(scene.image)
        scores.append(found.scores)
        hits.append(match(found, scene.boxes))
        counted = int((found.scores >= count_score).sum())
        rows.append((scene.name, len(scene.boxes), counted, counted - len(scene.boxes)))
        progress(scene.name)
    all_scores, all_hits = np.concatenate(scores), np.concatenate(hits)
    return Evaluation(
        average_precision=average_precision(all_scores, all_hits, positives),
        images=pd.DataFrame(rows, columns=["name", "actual", "counted", "error"]),
        curve=precision_recall(all_scores, all_hits, positives),
    )


def count_error_by_bucket(images: pd.DataFrame) -> pd.DataFrame:
    """Mean absolute error and bias in cartons per image, by number of cartons really there."""
    labels = ["1 to 9", "10 to 19", "20 to 39", "40 and more"]
    bucket = pd.cut(images["actual"], COUNT_BUCKETS, right=False, labels=labels)
    grouped = images.assign(bucket=bucket).groupby("bucket", observed=True)
    return grouped.agg(
        images=("error", "size"),
        mean_absolute_error=("error", lambda e: float(e.abs().mean())),
        bias=("error", "mean"),
        spread=("error", "std"),
    ).reset_index()


def choose_count_score(detector: Detector, scenes: Sequence[Scene]) -> float:
    """The score whose count has the least mean absolute error on scenes kept for this choice."""
    found = [detector.detect(scene.image).scores for scene in scenes]
    actual = np.array([len(scene.boxes) for scene in scenes])
    candidates = np.round(np.arange(0.1, 0.91, 0.05), 2)
    errors = [
        np.abs(np.array([(s >= candidate).sum() for s in found]) - actual).mean()
        for candidate in candidates
    ]
    return float(candidates[int(np.argmin(errors))])
