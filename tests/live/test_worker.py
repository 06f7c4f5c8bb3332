"""The worker: what it computes for a frame and a request, and how it lives through failures."""

from __future__ import annotations

import sys
import threading
import time
import types
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox.live.work.frame_processor import FrameProcessor, channels_first
from deepvis_toolbox.live.work.inbox import Inbox
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.worker import Worker
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.words.layer import Layer


def frame(number: int = 0, is_still: bool = False, size: tuple[int, int] = (40, 60)) -> SourceFrame:
    random = np.random.default_rng(number)
    picture = random.integers(0, 255, (*size, 3)).astype(np.uint8)
    return SourceFrame(picture, FrameInfo("test", number, is_still))


class Counting:
    """A network that counts its forward passes."""

    def __init__(self, network: Any) -> None:
        self.network, self.passes = network, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)

    def forward(self, *arguments: Any) -> Any:
        self.passes += 1
        return self.network.forward(*arguments)

    def record(self, *arguments: Any) -> Any:
        self.passes += 1
        return self.network.record(*arguments)

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture
def network(load_small: Callable[[], object]) -> Counting:
    return Counting(load_small())


def test_maps_probabilities_and_picture_are_what_the_network_says(network: Counting) -> None:
    shot = frame()
    snapshot = FrameProcessor(network).process(shot, Request("conv2", 3))  # type: ignore[arg-type]
    x = network.preprocess(shot.image)
    expected = network.network.forward(x, ["conv2", "prob"])
    assert snapshot.maps is not None
    assert snapshot.probabilities is not None
    np.testing.assert_array_equal(snapshot.maps, expected["conv2"][0].numpy())
    np.testing.assert_array_equal(snapshot.probabilities, expected["prob"][0].numpy())
    assert np.abs(snapshot.input_image.astype(int) - network.deprocess(x)[0]).max() <= 1
    assert snapshot.maps.flags.c_contiguous
    assert snapshot.backward_note == "the backward pass is off: press b"


@pytest.mark.parametrize("mode", ["grad", "deconv", "guided"])
@pytest.mark.parametrize(("layer", "unit"), [("conv2", 5), ("fc", 2)])
def test_live_diff_is_the_unit_s_own_activation_map(network: Counting, layer: str, unit: int, mode: Any) -> None:
    shot = frame(1)
    request = Request("conv1", 0, mode, layer, unit, show_gradients=True)
    snapshot = FrameProcessor(network).process(shot, request)  # type: ignore[arg-type]
    x = network.preprocess(shot.image)
    value = network.network.forward(x, [layer])[layer]
    diff = torch.zeros(value.shape)
    diff[:, unit] = value[:, unit]
    expected = network.network.backward(x, layer, diff, mode, ["data" if "data" in network.layers else "x", "conv1"])
    at_input, at_conv1 = expected.values()
    assert snapshot.backward_image is not None
    assert snapshot.maps is not None
    np.testing.assert_allclose(snapshot.backward_image, at_input[0].permute(1, 2, 0).numpy(), atol=1e-6)
    np.testing.assert_allclose(snapshot.maps, at_conv1[0].numpy(), atol=1e-6)


def test_still_picture_runs_one_forward_pass_for_all_units_layers_and_modes(network: Counting) -> None:
    processor, shot = FrameProcessor(network), frame(is_still=True)  # type: ignore[arg-type]
    for layer, unit, mode in (("conv1", 0, "off"), ("conv2", 4, "grad"), ("fc", 1, "deconv"), ("pool", 2, "guided")):
        processor.process(shot, Request(layer, unit, mode, layer, unit))  # type: ignore[arg-type]
    assert network.passes == 1


def test_frozen_camera_runs_one_more_pass_and_then_none(network: Counting) -> None:
    processor, shot = FrameProcessor(network), frame()  # type: ignore[arg-type]
    for unit in range(5):
        processor.process(shot, Request("conv2", unit, "grad" if unit else "off", "conv2", unit))
    assert network.passes == 2


def test_moving_pictures_run_one_pass_each(network: Counting) -> None:
    processor = FrameProcessor(network)  # type: ignore[arg-type]
    for number in range(4):
        processor.process(frame(number), Request("conv1", 0, "grad", "conv2", 1))
    assert network.passes == 4


def test_notes_say_why_there_is_nothing(network: Counting) -> None:
    processor, shot = FrameProcessor(network), frame(is_still=True)  # type: ignore[arg-type]
    no_backward = processor.process(shot, Request("conv1", 0, show_gradients=True))
    assert no_backward.maps is None
    assert "press b" in no_backward.maps_note
    above = processor.process(shot, Request("fc", 0, "grad", "conv1", 0, show_gradients=True))
    assert above.maps is not None
    assert not above.maps.any()
    assert "above the origin" in above.maps_note
    value = network.network.forward(network.preprocess(shot.image), ["prob"])["prob"]
    network.network.forward = lambda _, layers: {name: torch.zeros_like(value) for name in layers}
    off = FrameProcessor(network).process(frame(2), Request("prob", 0))  # type: ignore[arg-type]
    assert "exactly zero" in off.maps_note


def test_gradient_of_a_unit_that_is_off_is_zero_and_says_so(network: Counting) -> None:
    black = SourceFrame(np.zeros((32, 32, 3), np.uint8), FrameInfo("black", 0))
    processor = FrameProcessor(network)  # type: ignore[arg-type]
    value = processor.process(black, Request("pool", 0)).maps
    assert value is not None
    dead = next((unit for unit in range(12) if not value[unit].any()), None)
    assert dead is not None, "this seed has a unit that is off for black"
    snapshot = processor.process(black, Request("pool", dead, "grad", "pool", dead))
    assert snapshot.backward_image is not None
    assert not snapshot.backward_image.any()
    assert f"unit pool:{dead} is off" in snapshot.backward_note


class RootNet(nn.Module):
    """The root of a square: where that is zero, its derivative is infinite, and infinite times zero is NaN."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3, padding=1)
        nn.init.zeros_(self.conv1.bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sqrt(torch.square(self.conv1(x)))


def test_a_gradient_that_is_not_finite_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    module = types.ModuleType("live_test_root")
    module.make = RootNet  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    from deepvis_toolbox import load_network

    network = load_network("live_test_root:make", device="cpu", input_size=8)
    root = list(network.layers)[-1]
    black = SourceFrame(np.zeros((8, 8, 3), np.uint8), FrameInfo("black", 0))
    snapshot = FrameProcessor(network).process(black, Request(root, 0, "grad", root, 0))
    assert snapshot.backward_image is not None
    assert np.isnan(snapshot.backward_image).all()
    assert snapshot.backward_note == "192 values are not finite"


def test_stretch_shows_the_whole_picture(network: Counting) -> None:
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, :30] = 255
    shot = SourceFrame(wide, FrameInfo("wide", 0))
    processor = FrameProcessor(network)  # type: ignore[arg-type]
    assert not processor.process(shot, Request("conv1", 0)).input_image.any()
    stretched = processor.process(shot, Request("conv1", 0, stretch=True)).input_image
    assert 0.2 < (stretched > 127).mean() < 0.3


def test_tokens_become_maps_over_their_grid() -> None:
    tokens = np.arange(17 * 3, dtype=np.float32).reshape(17, 3)  # a class token and a 4×4 grid
    maps = channels_first(Layer("t", "norm", (17, 3)), tokens)
    assert maps.shape == (3, 4, 4)
    np.testing.assert_array_equal(maps[1].ravel(), tokens[1:, 1])


class Running:
    """A worker thread with its mailboxes."""

    def __init__(self, load: Callable[[], Any], goto: str = "") -> None:
        self.inbox, self.snapshots = Inbox(), Mailbox[Snapshot]()
        self.worker = Worker(load, self.inbox, self.snapshots, goto)
        self.worker.start()

    def next(self) -> Snapshot:
        snapshot = self.snapshots.get(timeout=10)
        assert snapshot is not None
        return snapshot

    def close(self) -> None:
        self.inbox.close()
        self.worker.join(5)
        assert not self.worker.is_alive()


def test_worker_answers_the_newest_frame_and_a_new_request_without_a_new_frame(network: Counting) -> None:
    running = Running(lambda: network)
    running.inbox.ask(Request("conv1", 0))
    running.inbox.put(frame(1))
    assert running.next().frame.number == 1
    running.inbox.ask(Request("conv2", 0))
    answer = running.next()
    assert (answer.frame.number, answer.request.layer) == (1, "conv2")
    running.inbox.ask(Request("conv2", 0))  # the same: no work
    assert running.snapshots.get(timeout=0.3) is None
    running.close()


def test_worker_drops_and_counts_frames_that_come_too_fast(network: Counting) -> None:
    gate = threading.Semaphore(0)
    slow = Counting(network.network)

    def forward(*arguments: Any) -> Any:
        assert gate.acquire(timeout=10)
        return network.network.forward(*arguments)

    slow.forward = forward  # type: ignore[method-assign]
    running = Running(lambda: slow)
    running.inbox.ask(Request("conv1", 0))
    running.inbox.put(frame(0))
    deadline = time.monotonic() + 10
    while not running.inbox.is_idle:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    for number in range(1, 6):
        running.inbox.put(frame(number))
    gate.release()
    assert running.next().frame.number == 0
    gate.release()
    last = running.next()
    assert (last.frame.number, last.dropped_frames) == (5, 4)
    running.close()


def test_worker_that_raises_says_so_and_lives(network: Counting, caplog: pytest.LogCaptureFixture) -> None:
    fine = network.network.forward

    def moody(x: Any, layers: Any) -> Any:
        if "pool" in layers:
            raise ValueError("no such luck")
        return fine(x, layers)

    network.network.forward = moody
    running = Running(lambda: network)
    running.inbox.ask(Request("pool", 0))
    for number in range(3):
        running.inbox.put(frame(number))
        assert running.next().error == "ValueError: no such luck"
    assert caplog.text.count("Traceback") == 1
    running.inbox.ask(Request("conv1", 0))
    assert running.next().error == ""
    running.close()


def test_network_that_cannot_be_loaded_is_told_and_the_thread_ends() -> None:
    def load() -> Any:
        raise OSError("no weights here")

    running = Running(load)
    running.worker.join(5)
    assert "no weights here" in str(running.worker.failure)
    running.close()


def test_goto_that_does_not_exist_is_a_user_s_mistake(network: Counting) -> None:
    running = Running(lambda: network, goto="conv2:99")
    running.worker.join(5)
    assert "units 0 to 11" in str(running.worker.failure)
    running.close()
