"""Draws the pictures of docs/tour.md with the program itself, from the demo's photographs: `make screenshots`."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"

SHOTS = {
    "tour-tiles": ("block3.add:0", "wait", "the tiles of an early layer"),
    "tour-order": ("block10.expand:3", "r wait R wait", "the units that fire most, large"),
    "tour-where": ("block10.expand:3", "b y y y wait", "where a unit's evidence lies"),
    "tour-why": ("fc:tabby", "v wait", "what speaks for a class"),
    "tour-what-if": ("block9.project:8", "x o A wait", "a unit off, and what changes above it"),
    "tour-statistics": ("block10.expand:3", "H wait wait wait", "how a layer's values are spread"),
}
"""name -> (the unit to start at, the keys, what it shows). The photograph is the demo's first."""


def draw(name: str, unit: str, keys: str) -> None:
    """Write one picture, a JPEG of the window at 1500×930."""
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        command = [sys.executable, "run_toolbox.py", "--headless", "--input", "demo", "--goto", unit, "--script", keys,
                   "--device", "cpu", "--snapshot", str(shot)]  # fmt: skip
        subprocess.run(command, cwd=ROOT, check=True)
        with Image.open(shot) as picture:
            picture.convert("RGB").save(PICTURES / f"{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    for name, (unit, keys, what) in SHOTS.items():
        print(f"{name}: {what}", flush=True)
        draw(name, unit, keys)
