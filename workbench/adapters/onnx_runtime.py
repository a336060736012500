"""Runs packaged ONNX models with onnxruntime."""

from typing import Any

import numpy as np
import numpy.typing as npt

from workbench.edge.package import ModelPackage
from workbench.errors import ModelError
from workbench.vision.evaluate import Detections


def _session(model: str | bytes, *, name: str, threads: int) -> Any:
    """A session on the processor.

    Raises:
        ModelError: The model cannot be loaded.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own, without a common root
        raise ModelError(
            f"{name}: onnxruntime cannot load it ({error}); expected an ONNX model of a supported"
            " opset."
        ) from error


class SequenceNetwork:
    """The sequence model of `forecasting/deep.py`, from the bytes of its ONNX file."""

    def __init__(self, data: bytes, *, threads: int = 1) -> None:
        self._session = _session(data, name="sequence model", threads=threads)

    def __call__(
        self, past: npt.NDArray[np.float32], ahead: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        """Quantiles over the recent level, shape (series, windows, levels).

        Raises:
            ModelError: The network was made for inputs of another shape.
        """
        wanted = {one.name: one.shape for one in self._session.get_inputs()}
        given = {"past": past, "ahead": ahead}
        for name, values in given.items():
            shape = wanted.get(name, [])
            fixed = [n for n in shape if isinstance(n, int)]
            if len(shape) != 3 or list(values.shape[3 - len(fixed) :]) != fixed:
                raise ModelError(
                    f"sequence model: input {name!r} is {shape or 'missing'}, given is"
                    f" {list(values.shape)}; expected a network of this version: train it anew."
                )
        return np.asarray(self._session.run(None, given)[0])


class CartonDetector:
    """Cartons in an image, by a packaged centre-point network.

    The model gives three maps per image: centre scores (1, C, C) with all but local maxima set to
    zero, size (2, C, C) and offset (2, C, C) in cells of `manifest["cell_pixels"]` pixels.
    """

    def __init__(self, package: ModelPackage, *, threads: int = 1) -> None:
        self._session = _session(str(package.model), name=str(package.model), threads=threads)
        self._cell = float(package.manifest["cell_pixels"])
        self._size = int(package.manifest["image_pixels"])
        self._floor = float(package.manifest["minimum_score"])

    def detect(self, image: npt.NDArray[np.uint8]) -> Detections:
        """Boxes (n, 4) as left, top, width, height in pixels, best score first.

        Args:
            image: RGB, shape (height, width, 3); resized to the network's input when it differs.

        Raises:
            ModelError: The image is not RGB bytes.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ModelError(
                f"image of shape {image.shape} and type {image.dtype}; expected (height, width, 3)"
                " of uint8: convert it to RGB."
            )
        height, width = image.shape[:2]
        inputs = self._prepare(image)
        centres, size, offset = self._session.run(None, {"image": inputs})
        return self._decode(centres[0, 0], size[0], offset[0], (width, height))

    def _prepare(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        if image.shape[:2] != (self._size, self._size):
            from PIL import Image

            resized = Image.fromarray(image).resize((self._size, self._size))
            image = np.asarray(resized)
        return image.transpose(2, 0, 1)[None].astype(np.float32)

    def _decode(self, centres: Any, size: Any, offset: Any, shape: tuple[int, int]) -> Detections:
        rows, columns = np.nonzero(centres >= self._floor)
        scores = centres[rows, columns]
        x, y = columns + offset[0, rows, columns], rows + offset[1, rows, columns]
        width, height = size[0, rows, columns], size[1, rows, columns]
        boxes = np.stack([x - width / 2, y - height / 2, width, height], axis=1) * self._cell
        scale = np.array([shape[0], shape[1], shape[0], shape[1]]) / self._size
        order = np.argsort(-scores, kind="stable")
        return Detections(
            boxes=(boxes * scale)[order].astype(np.float64),
            scores=scores[order].astype(np.float64),
        )
