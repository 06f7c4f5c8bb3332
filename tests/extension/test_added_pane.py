"""A pane with a measurement and a key, from one file: computed, drawn, and listed in the help."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

PANE = '''
"""How strong the strongest unit of the shown layer is, as a gray as bright as its number; the key + doubles it."""
from dataclasses import dataclass

from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.layout import add_pane
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.measure import Measurement, Needs


@dataclass(frozen=True)
class StrongestUnit(Measurement[int]):
    layer: str

    def needs(self, network):
        return Needs(frozenset({self.layer}))

    def take(self, passes):
        return int(passes.activations(self.layer).amax((0, 2, 3)).argmax())


def toggle_double(state):
    state.view.own["strongest"] = not state.view.own.get("strongest", False)


class StrongestPane(Pane):
    """The strongest unit's number, as a gray."""

    name = "strongest"
    slot = Slot.RIGHT
    keys = (Binding(("+",), toggle_double, "Mine", "double the gray of the strongest unit"),)

    def needs(self, state):
        return [StrongestUnit(state.layer.name)] if state.layer else []

    def draw(self, pixels, scene):
        answer = scene.answer(StrongestUnit(scene.state.layer.name)) if scene.state.layer else None
        factor = 20 if scene.state.view.own.get("strongest") else 10
        pixels[...] = 100 + factor * answer if answer is not None else 0


add_pane(StrongestPane())
'''

BY_PLAIN_TORCH = """
import json
import numpy as np
import torch
from PIL import Image
import small_network

from deepvis_toolbox import load_network
net = load_network("small", device="cpu")
x = net.preprocess(np.asarray(Image.open("pictures/0.png")))
print(json.dumps([int(small_network.make()[0](x).amax((0, 2, 3)).argmax())]))
"""


@pytest.fixture
def pane(users):
    users.write("mine.py", PANE)
    return users


def grays(users, script: str) -> np.ndarray:
    """The right column's upper half, where the pane of unit images lies, and its lower half, where the new one does."""
    command = ["--extend", "mine.py", "--model", "small", "--device", "cpu", "--headless", "--input", "pictures/0.png"]
    done = users.run("run_toolbox.py", *command, "--script", script, "--snapshot", "out.png")
    assert done.returncode == 0, done.stderr
    with Image.open(users.path / "out.png") as picture:
        return np.asarray(picture)[600:800, 1300:1450]


def test_an_added_pane_shows_what_plain_torch_computes_and_its_key_changes_it(pane) -> None:
    (strongest,) = pane.python(BY_PLAIN_TORCH)
    assert (grays(pane, "wait") == 100 + 10 * strongest).all()
    assert (grays(pane, "+") == 100 + 20 * strongest).all()
    assert (grays(pane, "y escape") == 100 + 10 * strongest).all(), "a reset takes it back"


def test_an_added_pane_s_key_stands_in_the_help(pane) -> None:
    code = """
import json
import mine
from deepvis_toolbox.live.layout import PANES, key_table
groups = {heading: [(each.label, each.sentence) for each in keys] for heading, keys in key_table().groups()}
print(json.dumps([groups["Mine"], PANES.meaning("strongest")]))
"""
    groups, meaning = json.loads(json.dumps(pane.python(code)))
    assert groups == [["+", "double the gray of the strongest unit"]]
    assert meaning == "The strongest unit's number, as a gray"


def test_a_key_that_is_taken_is_one_sentence(users) -> None:
    users.write("mine.py", PANE.replace('("+",)', '("q",)'))
    done = users.run("run_toolbox.py", "--extend", "mine.py", "--model", "small", "--headless", "--input", "pictures")
    assert done.returncode == 2
    assert 'the key "q" (double the gray of the strongest unit) is taken already: quit' in done.stderr
    assert "Traceback" not in done.stderr
