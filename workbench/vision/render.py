"""Rendered carton racks: simulated photographs with exact boxes.

They stand in for a warehouse's own photographs in the demo and train its small counter. Everything
that rests on them is simulated and says so.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import ImageDraw

IMAGE_SIZE = 416  # pixels, the size of the public carton photographs
_SUPERSAMPLE = 2
_CARTONS = ((176, 140, 100), (176, 140, 100), (150, 110, 80), (205, 200, 185))  # RGB


@dataclass(frozen=True)
class Scene:
    """One image with the cartons that are visible in it.

    Attributes:
        name: Identifies the image within its set.
        image: RGB, shape (height, width, 3), uint8.
        boxes: Shape (n, 4): left, top, width, height in pixels.
    """

    name: str
    image: npt.NDArray[np.uint8]
    boxes: npt.NDArray[np.float64]


def render_racks(count: int, *, seed: int, size: int = IMAGE_SIZE) -> list[Scene]:
    """Render `count` scenes; the same seed gives the same pixels."""
    generators = np.random.default_rng(seed).spawn(count)
    return [_scene(f"rendered-{seed}-{i:04d}", rng, size) for i, rng in enumerate(generators)]


def _scene(name: str, rng: np.random.Generator, size: int) -> Scene:
    from PIL import Image, ImageDraw, ImageFilter

    side = size * _SUPERSAMPLE
    canvas = Image.new("RGB", (side, side), _shade((96, 100, 104), rng, 50))
    draw = ImageDraw.Draw(canvas)
    boxes: list[tuple[float, float, float, float]] = []
    levels = int(rng.integers(1, 4))
    height = side / levels
    for level in range(levels):
        floor = (level + 1) * height - side * 0.03
        _draw_back(draw, rng, side, level * height, floor)
        boxes += _draw_pallets(draw, rng, side, floor, height * 0.9)
        draw.rectangle((0, floor, side, floor + side * 0.025), _shade((214, 96, 32), rng, 20))
    for x in (rng.uniform(-0.02, 0.03), rng.uniform(0.96, 1.0)):
        draw.rectangle((x * side, 0, (x + 0.025) * side, side), _shade((40, 70, 150), rng, 20))
    _draw_clutter(draw, rng, side)
    degrees = rng.normal(0, 3.5)
    canvas = canvas.rotate(degrees, Image.Resampling.BILINEAR, fillcolor=(20, 20, 20))
    canvas = canvas.filter(ImageFilter.GaussianBlur(max(0.0, rng.uniform(-3, 4))))
    image = canvas.resize((size, size), Image.Resampling.BILINEAR)
    pixels = _photograph(np.asarray(image, dtype=np.float64), rng)
    turned = _rotated(np.array(boxes).reshape(-1, 4), degrees, side / 2)
    return Scene(name, pixels, turned / _SUPERSAMPLE)


def _draw_clutter(draw: "ImageDraw.ImageDraw", rng: np.random.Generator, side: float) -> None:
    """What stands in front: a post, stickers, dirt on the lens."""
    if rng.random() < 0.3:
        x = rng.uniform(0.2, 0.8) * side
        draw.rectangle((x, 0, x + side * 0.03, side), _shade((40, 70, 150), rng, 30))
    for _ in range(int(rng.integers(0, 6))):
        x, y, width = rng.uniform(0, side), rng.uniform(0, side), side * rng.uniform(0.02, 0.06)
        draw.rectangle((x, y, x + width, y + width), _shade((110, 110, 110), rng, 100))


def _rotated(
    boxes: npt.NDArray[np.float64], degrees: float, centre: float
) -> npt.NDArray[np.float64]:
    """Upright boxes around boxes turned anticlockwise about the image's centre."""
    angle = np.deg2rad(degrees)
    low, high = boxes[:, :2] - centre, boxes[:, :2] + boxes[:, 2:] - centre
    x = np.stack([low[:, 0], high[:, 0], low[:, 0], high[:, 0]], axis=1)
    y = np.stack([low[:, 1], low[:, 1], high[:, 1], high[:, 1]], axis=1)
    turned_x = x * np.cos(angle) + y * np.sin(angle) + centre
    turned_y = y * np.cos(angle) - x * np.sin(angle) + centre
    edges = [turned_x.min(1), turned_y.min(1), turned_x.max(1), turned_y.max(1)]
    left, top, right, bottom = (np.clip(edge, 0, 2 * centre) for edge in edges)
    return np.stack([left, top, right - left, bottom - top], axis=1)


def _draw_back(
    draw: "ImageDraw.ImageDraw", rng: np.random.Generator, side: float, top: float, floor: float
) -> None:
    draw.rectangle((0, top, side, floor), _shade((60, 58, 56), rng, 45))
    for _ in range(int(rng.integers(0, 4))):
        x = rng.uniform(0, side)
        draw.rectangle((x, top, x + side * 0.05, floor), _shade((80, 80, 84), rng, 40))


def _draw_pallets(
    draw: "ImageDraw.ImageDraw",
    rng: np.random.Generator,
    side: float,
    floor: float,
    room: float,
) -> list[tuple[float, float, float, float]]:
    """Stacks of equal cartons on pallets, from left to right, until the bay is full."""
    boxes = []
    x = side * rng.uniform(0.03, 0.08)
    while x < side * 0.92:
        width, height = side * rng.uniform(0.07, 0.22), side * rng.uniform(0.06, 0.18)
        columns, rows = int(rng.integers(1, 4)), max(1, int(room * rng.uniform(0.3, 1) / height))
        colour = _shade(_CARTONS[int(rng.integers(len(_CARTONS)))], rng, 45)
        contrast = rng.uniform(0.5, 0.9)
        base = floor - side * 0.025
        end = min(x + columns * width, side * 0.96)
        draw.rectangle((x, base, end, floor), _shade((150, 120, 80), rng, 20))
        for column in range(columns):
            left = x + column * width
            if left + width > side * 0.97:
                break
            stacked = rows - int(rng.integers(0, 2)) * (column > 0)
            for row in range(stacked):
                top = base - (row + 1) * height
                if top < floor - room:
                    break
                box = (left + rng.normal(0, 2), top, width - 1, height - 1)
                _draw_carton(draw, rng, box, colour, contrast)
                boxes.append(box)
        x += columns * width + side * rng.uniform(0.01, 0.1)
    return boxes


def _draw_carton(
    draw: "ImageDraw.ImageDraw",
    rng: np.random.Generator,
    box: tuple[float, float, float, float],
    colour: tuple[int, int, int],
    contrast: float,
) -> None:
    left, top, width, height = box
    right, bottom = left + width, top + height
    edge = tuple(int(c * contrast) for c in colour)
    draw.rectangle((left, top, right, bottom), _shade(colour, rng, 10), outline=edge, width=3)
    if rng.random() < 0.6:  # tape along the top flaps
        middle = left + width * rng.uniform(0.4, 0.6)
        draw.rectangle(
            (middle, top, middle + width * 0.08, top + height * 0.35), _shade(colour, rng, 30)
        )
    if rng.random() < 0.6:  # shipping label
        x, y = left + width * rng.uniform(0.1, 0.55), top + height * rng.uniform(0.3, 0.6)
        draw.rectangle((x, y, x + width * 0.3, y + height * 0.25), _shade((225, 225, 220), rng, 15))


def _shade(
    colour: tuple[int, int, int], rng: np.random.Generator, spread: float
) -> tuple[int, int, int]:
    shift = rng.uniform(-spread, spread)
    red, green, blue = (int(np.clip(c + shift + rng.uniform(-8, 8), 0, 255)) for c in colour)
    return red, green, blue


def _photograph(pixels: npt.NDArray[np.float64], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Uneven light and sensor noise."""
    height, width, _ = pixels.shape
    across = np.linspace(rng.uniform(0.35, 1.2), rng.uniform(0.35, 1.2), width)
    down = np.linspace(rng.uniform(0.75, 1.1), rng.uniform(0.75, 1.1), height)
    lit = pixels * across[None, :, None] * down[:, None, None]
    return np.clip(lit + rng.normal(0, rng.uniform(2, 10), pixels.shape), 0, 255).astype(np.uint8)
