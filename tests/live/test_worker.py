"""The worker: what it computes for a frame and a request, and how it lives through failures."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from deepvis_toolbox.live.work.frame_processor import FrameProcessor
from deepvis_toolbox.live.work.inbox import Inbox
from deepvis_toolbox.live.work.network_threads import NetworkThreads
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.snapshot import Snapshot
from deepvis_toolbox.live.work.worker import Worker
from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.measure import BackwardImage, ClassProbabilities, LayerMaps, Question
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame


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


def asked(*questions: Question[Any], stretch: bool = False) -> Request:
    return Request(frozenset(questions), stretch)


def test_the_snapshot_holds_the_answers_and_the_picture_as_the_network_saw_it(network: Counting) -> None:
    shot = frame()
    snapshot = FrameProcessor(network).process(shot, asked(LayerMaps("conv2"), ClassProbabilities()))  # type: ignore[arg-type]
    x = network.preprocess(shot.image)
    expected = network.network.forward(x, ["conv2", "prob"])
    maps, classes = snapshot.answer(LayerMaps("conv2")), snapshot.answer(ClassProbabilities())
    assert maps is not None
    assert classes is not None
    np.testing.assert_array_equal(maps.maps, expected["conv2"][0].numpy())
    np.testing.assert_array_equal(classes.probabilities, expected["prob"][0].numpy())
    assert np.abs(snapshot.input_image.astype(int) - network.deprocess(x)[0]).max() <= 1
    assert snapshot.answer(LayerMaps("conv1")) is None
    assert set(snapshot.timings) == {"preprocess", "forward", "backward", "copy"}


def test_still_picture_runs_one_forward_pass_for_all_units_layers_and_modes(network: Counting) -> None:
    processor, shot = FrameProcessor(network), frame(is_still=True)  # type: ignore[arg-type]
    modes: tuple[Any, ...] = ("grad", "deconv", "guided")
    for layer, unit, mode in zip(("conv2", "fc", "pool"), (4, 1, 2), modes, strict=True):
        processor.process(shot, asked(LayerMaps("conv1")))
        processor.process(shot, asked(LayerMaps(layer), BackwardImage(layer, unit, mode)))
    assert network.passes == 1


def test_frozen_camera_runs_one_more_pass_and_then_none(network: Counting) -> None:
    processor, shot = FrameProcessor(network), frame()  # type: ignore[arg-type]
    processor.process(shot, asked(LayerMaps("conv2")))
    for unit in range(1, 5):
        processor.process(shot, asked(LayerMaps("conv2"), BackwardImage("conv2", unit)))
    assert network.passes == 2


def test_moving_pictures_run_one_pass_each(network: Counting) -> None:
    processor = FrameProcessor(network)  # type: ignore[arg-type]
    for number in range(4):
        processor.process(frame(number), asked(LayerMaps("conv1"), BackwardImage("conv2", 1)))
    assert network.passes == 4


def test_stretch_shows_the_whole_picture(network: Counting) -> None:
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, :30] = 255
    shot = SourceFrame(wide, FrameInfo("wide", 0))
    processor = FrameProcessor(network)  # type: ignore[arg-type]
    assert not processor.process(shot, asked(LayerMaps("conv1"))).input_image.any()
    stretched = processor.process(shot, asked(LayerMaps("conv1"), stretch=True)).input_image
    assert 0.2 < (stretched > 127).mean() < 0.3


class Running:
    """A worker thread with its mailboxes."""

    def __init__(self, load: Callable[[], Any], goto: str = "", grower: Any = None) -> None:
        self.inbox, self.snapshots = Inbox(), Mailbox[Snapshot]()
        self.worker = Worker(load, self.inbox, self.snapshots, goto, grower and (lambda _: grower))
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
    running.inbox.ask(asked(LayerMaps("conv1")))
    running.inbox.put(frame(1))
    assert running.next().frame.number == 1
    running.inbox.ask(asked(LayerMaps("conv2")))
    answer = running.next()
    assert (answer.frame.number, answer.request) == (1, asked(LayerMaps("conv2")))
    running.inbox.ask(asked(LayerMaps("conv2")))  # the same: no work
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
    running.inbox.ask(asked(LayerMaps("conv1")))
    running.inbox.put(frame(0))
    deadline = time.monotonic() + 10
    while running.inbox.has_work_within(0):
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


def test_a_paced_worker_computes_no_frame_that_the_window_is_not_ready_for() -> None:
    inbox = Inbox(paced=True)
    inbox.ask(asked(LayerMaps("conv1")))
    assert not inbox.has_work_within(0)
    for number in range(3):
        inbox.put(frame(number))
    work = inbox.next_work()
    assert work is not None
    assert work.frame.info.number == 2
    inbox.put(frame(3))
    assert not inbox.has_work_within(0), "the window has not shown the last one yet"
    inbox.ask(asked(LayerMaps("conv2")))
    assert inbox.has_work_within(0), "a key is answered at once, with the newest frame"
    work = inbox.next_work()
    assert work is not None
    assert (work.frame.info.number, work.request) == (3, asked(LayerMaps("conv2")))
    inbox.put(frame(4))
    assert not inbox.has_work_within(0)
    inbox.window_is_ready()
    assert inbox.has_work_within(0)


class CountingGrower:
    """Something that could go on for ever, and counts its steps."""

    is_wanted, growth = True, None

    def __init__(self) -> None:
        self.steps = 0

    def follow(self, unit: object) -> None: ...

    def after_frame(self) -> None: ...

    def step(self) -> bool:
        self.steps += 1
        time.sleep(0.001)
        return False


def test_pictures_grow_on_when_a_live_source_stops_although_nothing_else_happens(network: Counting) -> None:
    grower = CountingGrower()
    running = Running(lambda: network, grower=grower)
    running.inbox.ask(asked(LayerMaps("conv1")))
    for number in range(8):  # for long enough to have a rate
        running.inbox.put(frame(number))
        assert running.next().frame.number == number
        time.sleep(0.09)
    assert running.inbox.is_live
    before, deadline = grower.steps, time.monotonic() + 10
    while grower.steps < before + 20:
        assert time.monotonic() < deadline, "the worker waits for a frame that never comes"
        time.sleep(0.01)
    running.close()


def test_another_source_has_another_rate() -> None:
    inbox = Inbox()
    inbox.ask(asked(LayerMaps("conv1")))
    for number in range(8):
        inbox.put(frame(number))
        time.sleep(0.09)
    work = inbox.next_work()
    assert work is not None
    assert 4 < work.source_rate < 12, "one in 90 ms, on a machine that may be busy"
    other = frame(8)
    inbox.put(SourceFrame(other.image, FrameInfo("another", 0)))
    work = inbox.next_work()
    assert work is not None
    assert work.source_rate == 0


def test_paging_through_still_pictures_is_no_live_source() -> None:
    inbox = Inbox()
    inbox.ask(asked(LayerMaps("conv1")))
    for number in range(4):
        inbox.put(frame(number, is_still=True))
        time.sleep(0.2)
    work = inbox.next_work()
    assert work is not None
    assert work.source_rate == 0
    assert not inbox.is_live


def test_worker_that_raises_says_so_and_lives(network: Counting, caplog: pytest.LogCaptureFixture) -> None:
    fine = network.network.forward

    def moody(x: Any, layers: Any) -> Any:
        if "pool" in layers:
            raise ValueError("no such luck")
        return fine(x, layers)

    network.network.forward = moody
    running = Running(lambda: network)
    running.inbox.ask(asked(LayerMaps("pool")))
    for number in range(3):
        running.inbox.put(frame(number))
        assert running.next().error == "ValueError: no such luck"
    assert caplog.text.count("Traceback") == 1
    running.inbox.ask(asked(LayerMaps("conv1")))
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


def test_a_worker_that_has_ended_leaves_all_threads_to_who_computes_next(
    load_small: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[int] = []
    threads = NetworkThreads(2, 1, told.append)
    monkeypatch.setattr(Worker, "_threads_for", lambda *_: threads)
    inbox, snapshots = Inbox(), Mailbox[Snapshot]()
    worker = Worker(load_small, inbox, snapshots)
    inbox.ask(asked(ClassProbabilities()))
    worker.start()
    number = 0
    while 1 not in told:  # a trial: with two threads, then with one
        inbox.put(frame(number))
        assert snapshots.get(20) is not None
        number += 1
    inbox.close()
    worker.join(20)
    assert told[-1] == 2
