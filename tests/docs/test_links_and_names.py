"""What the pages name is there: links, files of the repository, and the lines of the README's troubleshooting."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import OTHER_TEXTS, PAGES, ROOT, code_spans

TEXTS = [page for page in (*PAGES, *OTHER_TEXTS) if page.suffix == ".md"]
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_OWN_PATH = re.compile(r"(deepvis_toolbox|find_maxes|tests|benchmarks|scripts|docs|models)/[\w./-]+")


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files_that_are_there(page):
    targets = [link.partition("#")[0] for link in _LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert not [target for target in targets if target and not (page.parent / target).exists()]


@pytest.mark.parametrize("page", TEXTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_in_sentences_are_files_of_the_repository(page):
    named = [(place, text) for place, text in code_spans(page) if _OWN_PATH.fullmatch(text) and "NAME" not in text]
    assert not [(place, text) for place, text in named if not (ROOT / text).exists()]


NETWORKS = """
import torch
from torch import nn


class Deciding(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, x):
        x = self.conv(x)
        if x.mean() > 0:
            x = torch.relu(x)
        return x.mean((2, 3))


def plain():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
"""
TROUBLES = {
    "there is no display (DISPLAY is not set)": [],
    "camera 0 does not open: is it used by another program?": ["--headless", "--input", "camera:0"],
    "torchvision is not installed; it is an optional extra": ["--headless", "--model", "torchvision:resnet18"],
    "torch.fx cannot trace": ["--headless", "--model", "networks:Deciding", "--input-size", "32"],
    "the input's size is not known": ["--headless", "--model", "networks:plain"],
    "does not fit the network: missing: ": ["--headless", "--model", "networks:plain", "--weights", "other.pt"],
    "cannot be read as weights of PyTorch": ["--headless", "--model", "networks:plain", "--weights", "whole.pt"],
    "PyTorch finds no CUDA GPU on this machine": ["--headless", "--device", "cuda"],
}
"""What the README's troubleshooting quotes, and how one comes to see it."""


@pytest.fixture(scope="module")
def troubled(tmp_path_factory) -> Path:
    """A folder with a network that cannot be traced, weights of another network, and a pickled module."""
    import torch

    folder = tmp_path_factory.mktemp("troubled")
    (folder / "networks.py").write_text(NETWORKS, "utf-8")
    torch.save({"fc.weight": torch.zeros(3)}, folder / "other.pt")
    torch.save(torch.nn.ReLU(), folder / "whole.pt")
    return folder


@pytest.mark.parametrize("sentence", TROUBLES)
def test_the_troubleshooting_quotes_what_the_program_says(sentence, troubled):
    import importlib.util

    import torch

    if "CUDA" in sentence and torch.cuda.is_available():
        pytest.skip("there is a GPU here")
    if "torchvision" in sentence and importlib.util.find_spec("torchvision"):
        pytest.skip("torchvision is installed here")
    if "camera" in sentence and list(Path("/dev").glob("video*")):
        pytest.skip("there is a camera here")
    arguments = TROUBLES[sentence]
    if "--weights" in arguments:
        arguments = [*arguments, "--input-size", "32"]
    if "--input" not in arguments:
        arguments = [*arguments, "--input", "demo", "--frames", "1"]
    environment = {name: value for name, value in os.environ.items() if "DISPLAY" not in name}
    ended = subprocess.run(
        [sys.executable, str(ROOT / "run_toolbox.py"), *arguments],
        cwd=troubled, env=environment, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("error: ")
    assert sentence in ended.stderr
    quoted = sentence.strip().removesuffix(":")
    assert quoted in (ROOT / "README.md").read_text("utf-8")
