"""Units matched over a probe folder: step by step between frames, kept on disk, and said in the window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from deepvis_toolbox.counterpart import probe, unit_matching
from deepvis_toolbox.counterpart.probe import probe_pictures
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.actions import go_to
from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.panes.maps import no_maps_note
from deepvis_toolbox.live.panes.status_line import _class
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.toolbox_command import main
from deepvis_toolbox.live.work.counterpart import Counterpart
from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.loaded_network import LoadedNetwork
from deepvis_toolbox.live.work.request import MatchedUnits
from deepvis_toolbox.measure import Difference, LayerMaps, MostDifferent
from deepvis_toolbox.measure.matching import LayersMatcher
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace
from deepvis_toolbox.sources import picture_process
from deepvis_toolbox.words.comparison import OTHER_NETWORK
from deepvis_toolbox.words.unit import Unit

from .conftest import SmallNet
from .scenes import KEYS, scene_of
from .test_headless import SMALL
from .test_what_if import frame

ORDER = [5, 2, 0, 7, 1, 6, 3, 4]
"""Which of conv1's units stands at each place in the other network."""
QUESTION = Difference(OTHER_NETWORK, LayerMaps("conv1"))


def reordered() -> SmallNet:
    module = SmallNet()
    with torch.no_grad():
        module.conv1.weight.copy_(module.conv1.weight[ORDER].clone())
        module.conv1.bias.copy_(module.conv1.bias[ORDER].clone())
        module.conv2.weight.copy_(module.conv2.weight[:, ORDER].clone())
    return module


@pytest.fixture(scope="module")
def small(load_small: Callable[[], object]):
    return load_small()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five pictures, and a cache folder of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "probe"
    folder.mkdir()
    for number in range(5):
        noise = np.random.default_rng(number).integers(0, 255, (40, 50, 3)).astype(np.uint8)
        cv2.imwrite(str(folder / f"{number}.png"), noise)
    return folder


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "cache" / "deepvis-toolbox" / "matching").glob("*"))


def opened(small, folder: Path, at_once: bool = False) -> tuple[State, FrameProcessor]:
    other = TorchNetwork(trace(reordered(), (3, 32, 32)), small.description, torch.device("cpu"))
    beside = Counterpart(other, "reordered", tuple(probe_pictures(folder)))
    state = State()
    LoadedNetwork.of(small, "conv1:3", other=beside.facts(small)).introduce(state)
    return state, beside.processor(small, lambda: 0.0, at_once)


def test_units_are_matched_a_picture_each_time_and_it_is_said_how_far_that_is(small, folder: Path) -> None:
    state, processor = opened(small, folder)
    for seen in range(1, 6):
        snapshot = processor.process(frame(), make_request(state))
        assert snapshot.refusals[QUESTION] == f"matching units over the probe's pictures: {seen} of 5"
        assert no_maps_note(scene_of(state, snapshot)) == snapshot.refusals[QUESTION]
        assert processor.is_unfinished
    snapshot = processor.process(frame(), make_request(state))
    assert not processor.is_unfinished
    assert np.abs(snapshot.answers[QUESTION].maps).max() < 1e-5
    assert _class(state, snapshot) == f"channel 3 · B:{ORDER.index(3)}, r 1.00"


def test_what_was_matched_is_kept_for_the_next_time(
    small, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, processor = opened(small, folder, at_once=True)
    first = processor.process(frame(), make_request(state))
    assert np.abs(first.answers[QUESTION].maps).max() < 1e-5
    (path,) = kept(tmp_path)

    def unwanted(*_: object) -> None:
        raise AssertionError("a picture was looked at again")

    see = LayersMatcher.see
    monkeypatch.setattr(LayersMatcher, "see", unwanted)
    state, processor = opened(small, folder)
    again = processor.process(frame(), make_request(state))
    np.testing.assert_array_equal(
        again.answers[MatchedUnits("conv1")].units, first.answers[MatchedUnits("conv1")].units
    )
    monkeypatch.setattr(LayersMatcher, "see", see)
    path.write_bytes(path.read_bytes()[:-30])
    state, processor = opened(small, folder, at_once=True)
    found = processor.process(frame(), make_request(state)).answers[MatchedUnits("conv1")]
    np.testing.assert_array_equal(found.units, first.answers[MatchedUnits("conv1")].units)
    np.savez(path.with_suffix(".other"), units=np.zeros(8, np.int32), correlations=np.ones(8, np.float32))
    path.with_suffix(".other.npz").rename(path)
    state, processor = opened(small, folder, at_once=True)
    found = processor.process(frame(), make_request(state)).answers[MatchedUnits("conv1")]
    np.testing.assert_array_equal(np.sort(found.units), np.arange(8))


def test_another_layer_and_another_folder_are_matched_anew(small, folder: Path, tmp_path: Path) -> None:
    state, processor = opened(small, folder, at_once=True)
    processor.process(frame(), make_request(state))
    go_to(state, Unit("conv2", 1))
    found = processor.process(frame(), make_request(state)).answers[MatchedUnits("conv2")]
    assert found.units.tolist() == list(range(12)), "these are in the same order in both"
    assert len(kept(tmp_path)) == 2
    (folder / "4.png").unlink()
    state, processor = opened(small, folder, at_once=True)
    processor.process(frame(), make_request(state))
    assert len(kept(tmp_path)) == 3


def test_classes_stay_matched_by_their_numbers(small, folder: Path) -> None:
    assert small.label_layers == ("fc", "prob")
    state, processor = opened(small, folder, at_once=True)
    go_to(state, Unit("prob", 1))
    snapshot = processor.process(frame(), make_request(state))
    assert MatchedUnits("prob") not in snapshot.answers
    assert np.abs(snapshot.answers[Difference(OTHER_NETWORK, LayerMaps("prob"))].maps).max() < 1e-5


def listed(state: State) -> MostDifferent:
    (question,) = (one for one in make_request(state).questions if isinstance(one, MostDifferent))
    return question


def test_the_units_that_differ_most_are_of_all_layers_once_these_are_matched(
    small, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_matching, "LAYERS_AT_ONCE", 2)
    state, processor = opened(small, folder)
    KEYS.press(state, "N")
    question, notes = listed(state), []
    while not notes or processor.is_unfinished:
        snapshot = processor.process(frame(), make_request(state))
        notes.append(snapshot.answers[question].note)
    layers = [name for name in small.layers if name != "data"]
    first, most = len(small.label_layers), len(layers)
    said = [f"{many} of {most} layers" for many in range(first, most)]
    assert [note.removeprefix("no unit differs in ") for note in dict.fromkeys(notes)] == said, "one more at a time"
    assert max(snapshot.answers[question].scores, default=0) < 1e-5
    go_to(state, Unit("flatten", 0))
    refusal = processor.process(frame(), make_request(state)).refusals[Difference(OTHER_NETWORK, LayerMaps("flatten"))]
    assert refusal.startswith("--probe: 5 values of each are too few to match 768 units")


def test_layers_that_are_not_listed_are_not_matched(small, folder: Path, tmp_path: Path) -> None:
    state, processor = opened(small, folder, at_once=True)
    processor.process(frame(), make_request(state))
    assert len(kept(tmp_path)) == 1
    KEYS.press(state, "N")
    processor.process(frame(), make_request(state))
    several = len(kept(tmp_path))
    assert several > 1
    state, processor = opened(small, folder)
    KEYS.press(state, "N")
    for _ in range(several):
        snapshot = processor.process(frame(), make_request(state))
    assert snapshot.answers[listed(state)].note.endswith("7 of 8 layers"), "what was kept is read, all but flatten"


def test_pictures_that_cannot_be_read_are_left_out(small, folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "0.png").write_bytes(b"broken")
    state, processor = opened(small, folder, at_once=True)
    assert np.abs(processor.process(frame(), make_request(state)).answers[QUESTION].maps).max() < 1e-5
    assert "left out" in caplog.text
    for path in folder.glob("*.png"):
        path.write_bytes(b"broken")
    state, processor = opened(small, folder, at_once=True)
    for _ in range(2):
        snapshot = processor.process(frame(), make_request(state))
        assert snapshot.refusals[QUESTION] == "--probe: fewer than two of its pictures can be read"
        assert not processor.is_unfinished


def test_a_large_folder_is_looked_at_evenly(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PICTURES", 2)
    assert [path.name for path in probe_pictures(folder)] == ["0.png", "2.png"]


def test_the_command_matches_before_it_draws_and_refuses_what_does_not_go_together(
    folder: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(reordered().state_dict(), "reordered.pt")
    call = ["--headless", "--input", str(photos), "--goto", "conv1:3", "--snapshot", "shot.png"]
    assert main([*SMALL, *call, "--compare", "reordered.pt", "--probe", folder.name]) == 0
    assert len(kept(tmp_path)) == 1
    Path("empty").mkdir()
    for more, told in (
        (["--probe", "probe", *call], "--probe needs --compare"),
        (["--probe", "probe", "--compare", "reordered.pt", "--watch", "."], "--probe does not go with --watch"),
        (["--probe", "empty", "--compare", "reordered.pt", *call], "--probe empty: .* it has 0"),
        (["--probe", "nowhere", "--compare", "reordered.pt", *call], "nowhere cannot be read"),
    ):
        with pytest.raises(ToolboxError, match=told):
            main([*SMALL, *more])


def test_a_decoder_that_is_killed_ends_the_matching_and_keeps_none(
    small, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the picture, which is not to blame, another matching would be kept for good."""
    ask = picture_process._PictureProcess._ask
    with monkeypatch.context() as patched:
        killed = lambda own, source, *how: -9 if str(source).endswith("3.png") else ask(own, source, *how)  # noqa: E731
        patched.setattr(picture_process._PictureProcess, "_ask", killed)
        state, processor = opened(small, folder, at_once=True)
        for _ in range(2):
            refusal = processor.process(frame(), make_request(state)).refusals[QUESTION]
            assert refusal.startswith("--probe: ")
            assert "3.png" in refusal
            assert "killed twice" in refusal
            assert not processor.is_unfinished
        assert not kept(tmp_path)
    state, processor = opened(small, folder, at_once=True)
    assert QUESTION in processor.process(frame(), make_request(state)).answers


def test_pictures_that_are_replaced_while_they_are_matched_keep_no_matching(
    small, folder: Path, tmp_path: Path
) -> None:
    state, processor = opened(small, folder)
    processor.process(frame(), make_request(state))
    cv2.imwrite(str(folder / "0.png"), np.zeros((40, 50, 3), np.uint8))
    for _ in range(8):
        answers = processor.process(frame(), make_request(state)).answers
    assert QUESTION in answers
    assert not kept(tmp_path)
    state, processor = opened(small, folder, at_once=True)
    assert QUESTION in processor.process(frame(), make_request(state)).answers
    assert len(kept(tmp_path)) == 1
