"""`--compare` on the command line: what it opens, by which rules, and what it refuses."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.toolbox_command import main
from deepvis_toolbox.live.work import frame_processor
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.measure import Difference, LayerMaps
from deepvis_toolbox.words.comparison import OTHER_NETWORK

from .conftest import SmallNet
from .test_headless import SMALL

pytestmark = pytest.mark.usefixtures("load_small")
QUESTION = Difference(OTHER_NETWORK, LayerMaps("conv2"))


@pytest.fixture
def snapshots(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Snapshot]:
    """What the frames of a headless run were answered with."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    found: list[Snapshot] = []
    process = frame_processor.FrameProcessor.process

    def noted(*given: object) -> Snapshot:
        found.append(process(*given))  # type: ignore[arg-type]
        return found[-1]

    monkeypatch.setattr(frame_processor.FrameProcessor, "process", noted)
    return found


def run(photos: Path, *arguments: str) -> None:
    call = ["--headless", "--input", str(photos), "--goto", "conv2:3", *arguments]
    assert main([*SMALL, *call, "--snapshot", "shot.png"]) == 0


def test_a_file_with_weights_is_the_same_network_with_those(photos: Path, snapshots: list[Snapshot]) -> None:
    module = SmallNet()
    with torch.no_grad():
        module.conv2.weight *= 1.5
    torch.save(module.state_dict(), "changed.pt")
    run(photos, "--compare", "changed.pt", "--script", "N B")
    image = snapshots[0].input_image
    x = (torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))[None] - 127) / 128
    values = [each.conv2(torch.relu(each.conv1(x)))[0].detach() for each in (SmallNet(), module)]
    np.testing.assert_allclose(snapshots[0].answers[QUESTION].maps, values[0] - values[1], rtol=1e-3, atol=1e-4)
    with Image.open("shot.png") as picture:
        assert json.loads(picture.text["deepvis_toolbox"])["networks"] == "A"  # type: ignore[attr-defined]


def test_a_factorys_input_is_made_as_the_first_networks(photos: Path, snapshots: list[Snapshot]) -> None:
    run(photos, "--compare", "live_test_network:make")
    assert not snapshots[0].answers[QUESTION].maps.any(), "the same network, prepared in the same way"


def test_a_model_is_prepared_as_its_own_file_says(
    photos: Path, snapshots: list[Snapshot], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEEPVIS_MODELS", str(tmp_path))  # the user's own model, which may name what is no file
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.yaml").write_text("factory: live_test_network:make\ninput: {size: 32, mean: 20, std: 128}\n")
    run(photos, "--compare", str(folder))
    image = snapshots[0].input_image
    x = torch.from_numpy(image.transpose(2, 0, 1).astype(np.float32))[None]
    net = SmallNet()
    values = [net.conv2(torch.relu(net.conv1((x - mean) / 128)))[0].detach() for mean in (127, 20)]
    np.testing.assert_allclose(snapshots[0].answers[QUESTION].maps, values[0] - values[1], rtol=1e-3, atol=1e-4)


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Path]:
    """A model folder of somebody else, whose code leaves a trace."""
    folder = tmp_path / "strange"
    folder.mkdir()
    (folder / "strange_net.py").write_text("from pathlib import Path\nPath('it_ran').touch()\n")
    (folder / "model.yaml").write_text("factory: strange_net:make\ninput: {size: 8}\n")
    yield folder
    sys.modules.pop("strange_net", None)


def test_what_cannot_be_opened_is_told_in_a_sentence_and_nothing_runs(
    photos: Path, snapshots: list[Snapshot], stranger: Path
) -> None:
    Path("broken.pt").write_bytes(b"no weights")
    for other, told in (
        ("efficientnet-lite", 'there is no model "efficientnet-lite"'),
        ("missing.pt", "--compare missing.pt: there is no such file"),
        ("broken.pt", "broken.pt"),
        (str(stranger), "names code: strange_net:make would be imported and run.*--trust"),
        ("live_test_network:nothing", "nothing"),
    ):
        with pytest.raises(ToolboxError, match=told):
            run(photos, "--compare", other)
    assert not Path("it_ran").exists()
    assert not snapshots
