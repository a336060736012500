"""Train the demo's carton counter on rendered racks and write its ONNX model.

Needs torch and onnx (`pip install torch onnx`), which nothing needs at run time:

    python scripts/train_carton_counter.py edge_models/carton-counter/1.0.0

The network is a small CenterNet (Zhou et al. 2019, "Objects as Points"): a heat map of carton
centres at a quarter of half the image's resolution, with size and offset per cell. Training and
validation scenes come from seeds that the evaluation notebook never uses.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from workbench.vision.render import IMAGE_SIZE, render_racks

CELL = 8  # pixels of the image per cell of the heat map
CELLS = IMAGE_SIZE // CELL
TRAINING_SEED, SCENES, EPOCHS, BATCH = 20_001, 1_024, 14, 16


def block(inputs: int, outputs: int, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, rectifier."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class CartonCounter(nn.Module):
    """Input: RGB bytes as float, shape (1, 3, 416, 416). Outputs: centres, size, offset maps."""

    def __init__(self) -> None:
        super().__init__()
        self.quarter = nn.Sequential(block(3, 16), block(16, 32, 2), block(32, 32))
        self.eighth = nn.Sequential(block(32, 64, 2), block(64, 64))
        self.deep = nn.Sequential(block(64, 96, 2), block(96, 96), block(96, 64))
        self.join = block(64, 64)
        self.heads = nn.Conv2d(64, 5, 1)
        nn.init.constant_(self.heads.bias, -2.0)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        half = functional.avg_pool2d(image, 2) / 255 - 0.5
        eighth = self.eighth(self.quarter(half))
        context = functional.interpolate(self.deep(eighth), scale_factor=2, mode="nearest")
        out = self.heads(self.join(eighth + context))
        heat = torch.sigmoid(out[:, :1])
        peaks = heat * (functional.max_pool2d(heat, 3, 1, 1) == heat).float()
        return (peaks if not self.training else heat), torch.exp(out[:, 1:3]), out[:, 3:5]


def targets(boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian heat map (1, C, C); size, offset and weight (5, C, C), in cells."""
    heat, maps = np.zeros((1, CELLS, CELLS), np.float32), np.zeros((5, CELLS, CELLS), np.float32)
    grid = np.arange(CELLS)
    for left, top, width, height in boxes / CELL:
        x, y = left + width / 2, top + height / 2
        column, row = int(np.clip(x, 0, CELLS - 1)), int(np.clip(y, 0, CELLS - 1))
        sx, sy = max(width / 8, 0.4), max(height / 8, 0.4)
        spot = np.exp(
            -((grid[None] - column) ** 2) / 2 / sx**2 - (grid[:, None] - row) ** 2 / 2 / sy**2
        )
        heat[0] = np.maximum(heat[0], spot)
        maps[:, row, column] = width, height, x - column, y - row, 1
    return heat, maps


def loss(
    model: CartonCounter, image: torch.Tensor, heat: torch.Tensor, maps: torch.Tensor
) -> torch.Tensor:
    """Focal loss of centres (Lin et al. 2017) plus absolute errors of log size and offset."""
    found, size, offset = model(image)
    found = found.clamp(1e-4, 1 - 1e-4)
    hit = (heat == 1).float()
    focal = hit * (1 - found) ** 2 * found.log()
    focal = focal + (1 - hit) * (1 - heat) ** 4 * found**2 * (1 - found).log()
    count = hit.sum().clamp(min=1)
    weight = maps[:, 4:5]
    shape = (weight * (size.log() - maps[:, :2].clamp(min=0.1).log()).abs()).sum()
    place = (weight * (offset - maps[:, 2:4]).abs()).sum()
    return (-focal.sum() + shape + place) / count


def main(folder: Path) -> None:
    """Train, print the loss by epoch, export."""
    torch.manual_seed(7)
    scenes = render_racks(SCENES, seed=TRAINING_SEED)
    images = torch.from_numpy(np.stack([s.image for s in scenes])).permute(0, 3, 1, 2)
    heat, maps = (
        torch.from_numpy(np.stack(x)) for x in zip(*[targets(s.boxes) for s in scenes], strict=True)
    )
    model = CartonCounter()
    steps = EPOCHS * (SCENES // BATCH)
    optimiser = torch.optim.AdamW(model.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, steps)
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in torch.randperm(SCENES).split(BATCH):
            value = loss(model, images[batch].float(), heat[batch], maps[batch])
            optimiser.zero_grad()
            value.backward()
            optimiser.step()
            schedule.step()
            total += value.item()
        print(f"epoch {epoch + 1}: loss {total / (SCENES // BATCH):.3f}", flush=True)
    model.eval()
    folder.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        model,
        (torch.zeros(1, 3, IMAGE_SIZE, IMAGE_SIZE),),
        str(folder / "model.onnx"),
        input_names=["image"],
        output_names=["centres", "size", "offset"],
        dynamic_axes={name: {0: "batch"} for name in ("image", "centres", "size", "offset")},
        opset_version=17,
        dynamo=False,
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
