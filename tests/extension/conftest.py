"""A folder of a user's own: a small network, and the commands run in it as the user would, each in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]

NAME_A_MODEL = [
    "run_toolbox.py",
    "optimize_image.py",
    "settings.py",
    "find_maxes/find_max_acts.py",
    "find_maxes/crop_max_patches.py",
    "-m deepvis_toolbox.pipeline",
    "-m deepvis_toolbox.optimize.search",
]
"""The commands that `--model` is given to."""
COMMANDS = [*NAME_A_MODEL, "find_maxes/merge.py", "-m deepvis_toolbox.pipeline.pack"]

NETWORK = '''
"""A network with two rectifiers, the same every time."""
import torch
from torch import nn


def make():
    torch.manual_seed(5)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 4, 3)
    )
'''

MODEL = """
name: small
factory: small_network:make
input: {size: 16, channels: RGB, mean: [127, 127, 127], scale: 0.02}
"""


class UsersFolder:
    """A working directory with the network, a folder `pictures`, and the files that a test writes into it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("small_network.py", NETWORK)
        self.write("small/model.yaml", MODEL)
        (path / "pictures").mkdir()
        random = np.random.default_rng(0)
        for number in range(3):
            Image.fromarray(random.integers(0, 256, (20, 20, 3), np.uint8)).save(path / f"pictures/{number}.png")

    def write(self, name: str, text: str) -> Path:
        file = self.path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
        return file

    def run(self, command: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command of the repository: a script, or a module after `-m `."""
        called = command.split() if command.startswith("-m ") else [str(ROOT / command)]
        return self._run([*called, *arguments], environment)

    def python(self, program: str) -> Any:
        """What a program, which imports the toolbox as a library, prints as JSON."""
        done = self._run(["-c", program], {})
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def optimize(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """One ascent of the unit 4:0 of the small network, on the CPU."""
        common = ["--model", "small", "--device", "cpu", "--units", "4:0", "--quiet", "--arrays"]
        return self.run("optimize_image.py", *common, *arguments)

    def arrays(self, store: str) -> Any:
        """The arrays that the one ascent into a store has left."""
        (file,) = (self.path / store).rglob("*.npz")
        return np.load(file)

    def _run(self, arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        paths = {"PYTHONPATH": f"{self.path}{os.pathsep}{ROOT}", "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
        paths["DEEPVIS_MODELS"] = str(self.path)  # the user's own model, which may name code
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=self.path, env={**os.environ, **paths, **environment},
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip


@pytest.fixture
def users(tmp_path: Path) -> UsersFolder:
    """An empty folder but for the small network and three pictures."""
    return UsersFolder(tmp_path)
