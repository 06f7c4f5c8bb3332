"""Inputs besides the image: given in the model.yaml or in Python, refused where they do not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from deepvis_toolbox import ToolboxError, load_network

MODULE = """
import torch
from torch import nn

class Steps(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.embedding = nn.Conv2d(3, 4, 3), nn.Embedding(1000, 4)

    def forward(self, x, timestep, other, scale=1.0):
        steps = timestep if torch.is_tensor(timestep) else torch.tensor([timestep])
        return scale * self.conv(x) + self.embedding(steps)[:, :, None, None] - self.conv(other)
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    name = "steps_" + "".join(each if each.isalnum() else "_" for each in request.node.name)
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / "name").write_text(name)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("written", "steps"), [("500", 500), ("[7]", 7)])
def test_a_number_a_list_and_the_image_again_are_given_on(folder: Path, written: str, steps: int) -> None:
    name = (folder / "name").read_text()
    (folder / "model.yaml").write_text(
        f"factory: {name}:Steps\ninput: {{size: 8}}\ninputs: {{timestep: {written}, other: image, scale: 3.0}}\n"
    )
    with load_network(folder / "model.yaml", device="cpu", trust=True) as net:
        x = torch.randn(2, 3, 8, 8)
        last = list(net.layers)[-1]
        values = net.forward(x, ["conv", last])
        module = __import__(name).Steps()
        wanted = 3 * module.conv(x) + module.embedding(torch.tensor([steps]))[:, :, None, None] - module.conv(x)
        assert torch.allclose(values[last], wanted, atol=1e-5)
        assert torch.allclose(values["conv"], module.conv(x), atol=1e-5)


def test_in_python_they_are_an_argument_and_a_name_that_is_none_is_told(folder: Path) -> None:
    model = f"{(folder / 'name').read_text()}:Steps"
    with load_network(model, device="cpu", input_size=8, inputs={"timestep": 5, "other": "image"}) as net:
        assert net.layers["conv"].shape == (4, 6, 6)
    with pytest.raises(ToolboxError, match='takes no "timesteps"; did you mean "timestep"'):
        load_network(model, device="cpu", input_size=8, inputs={"timesteps": 5})
    with pytest.raises(ToolboxError, match=r"needs timestep, other besides the image; .* inputs: \{timestep: …\}"):
        load_network(model, device="cpu", input_size=8)
    with pytest.raises(ToolboxError, match=r"inputs\.timestep.*a number, a list of numbers"):
        load_network(model, device="cpu", input_size=8, inputs={"timestep": "soon"})
