"""Trains a small network to name shapes that it draws itself, in about two minutes on a CPU, and can be watched live:

    PYTHONPATH=. python docs/examples/train_shapes.py
    python run_toolbox.py --model train_shapes:make --path docs/examples --input-size 64 \
        --watch localhost:8765 --input docs/examples/shapes
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from deepvis_toolbox import watch

SHAPES = ("circle", "square", "triangle", "cross")
SIZE = 64


class ShapeNet(nn.Module):
    """Three convolutions and the classes. It takes RGB values of 0 to 255, as the toolbox gives them."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 5, stride=2, padding=2)
        self.conv2 = nn.Conv2d(12, 24, 3, stride=2, padding=1)
        self.conv3 = nn.Conv2d(24, 32, 3, stride=2, padding=1)
        self.fc = nn.Linear(32, len(SHAPES))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the classes' scores (N, 4) of pictures, float32 (N, 3, 64, 64)."""
        x = F.relu(self.conv1(x / 127.5 - 1))
        x = F.relu(self.conv3(F.relu(self.conv2(x))))
        return self.fc(x.amax((2, 3)))


def make() -> ShapeNet:
    """Return a network that has learnt nothing yet: `--model train_shapes:make`."""
    return ShapeNet()


def drawn(shape: str, random: np.random.Generator) -> np.ndarray:
    """Return a picture, RGB uint8 64×64×3, of one shape somewhere on a noisy ground."""
    ground, colour = random.integers(0, 256, (2, 3))
    picture = np.clip(ground + random.normal(0, 12, (SIZE, SIZE, 3)), 0, 255).astype(np.uint8)
    while np.abs(colour - ground).max() < 90:  # to be seen at all
        colour = random.integers(0, 256, 3)
    radius = int(random.integers(9, 18))
    y, x = random.integers(radius, SIZE - radius, 2)
    turned = np.deg2rad(random.uniform(0, 360)) + np.arange(4) * np.pi / 2
    corners = np.stack([x + radius * np.cos(turned), y + radius * np.sin(turned)], 1).astype(np.int32)
    ink = tuple(map(int, colour))
    if shape == "circle":
        cv2.circle(picture, (int(x), int(y)), radius, ink, -1, cv2.LINE_AA)
    elif shape == "square":
        cv2.fillPoly(picture, [corners], ink, cv2.LINE_AA)
    elif shape == "triangle":
        thirds = turned[0] + np.arange(3) * 2 * np.pi / 3
        points = np.stack([x + radius * np.cos(thirds), y + radius * np.sin(thirds)], 1).astype(np.int32)
        cv2.fillPoly(picture, [points], ink, cv2.LINE_AA)
    else:
        for first in (0, 1):
            cv2.line(picture, corners[first].tolist(), corners[first + 2].tolist(), ink, radius // 2, cv2.LINE_AA)
    return picture


def batch(count: int, random: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Return pictures, float32 (N, 3, 64, 64) of 0 to 255, and the numbers of their shapes, int64 (N,)."""
    numbers = random.integers(0, len(SHAPES), count)
    pictures = np.stack([drawn(SHAPES[number], random) for number in numbers])
    return torch.from_numpy(pictures.transpose(0, 3, 1, 2).astype(np.float32)), torch.from_numpy(numbers)


def train(steps: int, port: int, say: int = 100) -> float:
    """Train, for whoever watches at the port; return the share of 400 new pictures that are named rightly."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # so small a network is no quicker with more
    random = np.random.default_rng(0)
    net = make()
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    with watch(net, port) as view:
        print(f"watch it with  --watch localhost:{view.port}", flush=True)
        for step in range(steps):
            pictures, numbers = batch(64, random)
            loss = F.cross_entropy(net(pictures), numbers)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            view.update(step)
            if step % say == 0:
                print(f"step {step}: loss {loss.item():.3f}", flush=True)
    with torch.no_grad():
        pictures, numbers = batch(400, random)
        return float((net(pictures).argmax(1) == numbers).float().mean())


def save_pictures(folder: Path, count: int = 24) -> None:
    """Write some pictures for the toolbox to look at, and their class names."""
    folder.mkdir(exist_ok=True)
    random = np.random.default_rng(1)
    for number in range(count):
        shape = SHAPES[number % len(SHAPES)]
        picture = cv2.resize(drawn(shape, random), None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(folder / f"{number:02d}-{shape}.png"), picture[:, :, ::-1])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--port", type=int, default=8765)
    given = parser.parse_args()
    save_pictures(Path(__file__).with_name("shapes"))
    print(f"{100 * train(given.steps, given.port):.1f} % of new pictures are named rightly")
