"""The source thread: the newest frame, errors that it survives, and an end within a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import numpy as np
import pytest

from deepvis_toolbox.mailbox import Mailbox
from deepvis_toolbox.sources.frame import FrameInfo, SourceFrame
from deepvis_toolbox.sources.kinds.camera import CameraSource
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.reader import FrameReader
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.sources.switch import SourceSwitch
from tests.sources.real_parts import FakeCamera, Server, write_video


class Scripted(Source):
    """Brings numbered frames at some rate, or does what the test puts in the way."""

    form = "scripted"
    meaning = "for tests"

    def __init__(self, name: str = "scripted", period: float = 0.005) -> None:
        self.name = name
        self.period = period
        self.reads = 0
        self.closed = 0
        self.obstacle: Callable[[], SourceFrame | None] | None = None
        self.readers: set[int] = set()

    @classmethod
    def claims(cls, text: str) -> bool:
        return text == "scripted"

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:  # noqa: ARG003
        return cls()

    def read(self) -> SourceFrame | None:
        self.readers.add(threading.get_ident())
        self.reads += 1
        if self.obstacle is not None:
            return self.obstacle()
        time.sleep(self.period)
        image = np.full((4, 4, 3), self.reads % 256, np.uint8)
        return SourceFrame(image, FrameInfo(self.name, self.reads - 1))

    def close(self) -> None:
        self.readers.add(threading.get_ident())
        self.closed += 1


@pytest.fixture
def running() -> Iterator[Callable[..., FrameReader]]:
    readers: list[FrameReader] = []

    def start(*sources: Source) -> FrameReader:
        readers.append(FrameReader(sources))
        readers[-1].start()
        return readers[-1]

    yield start
    for reader in readers:
        assert reader.close()


def frame_of(reader: FrameReader, timeout: float = 5.0) -> SourceFrame:
    frame = reader.frames.get(timeout)
    assert frame is not None
    return frame


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def is_closed(box: Mailbox[SourceFrame]) -> bool:
    """Only a closed mailbox refuses what is left in it."""
    return not box.put(SourceFrame(np.zeros((1, 1, 3), np.uint8), FrameInfo("nobody", 0)))


def test_the_newest_frame_waits_and_the_dropped_ones_are_counted(running) -> None:
    source = Scripted()
    reader = running(source)
    frame_of(reader)
    eventually(lambda: source.reads > 30)
    newest = frame_of(reader)
    assert newest.info.number >= 25
    assert reader.frames.dropped >= 20
    assert frame_of(reader).info.number > newest.info.number


def test_a_still_picture_is_delivered_once_and_again_after_a_move(running, pictures: Path) -> None:
    source = open_source(str(pictures))
    reads = []
    original = source.read
    source.read = lambda: (reads.append(1), original())[1]  # type: ignore[method-assign]
    reader = running(source)
    assert frame_of(reader).info.source == "img1.png (1 of 4)"
    assert reader.frames.get(0.3) is None
    assert len(reads) == 1
    reader.next_picture()
    assert frame_of(reader).info.source == "img2.png (2 of 4)"
    reader.previous_picture()
    assert frame_of(reader).info.source == "img1.png (1 of 4)"
    assert len(reads) == 3


def test_pictures_that_cannot_be_read_do_not_keep_the_thread_busy(running, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"broken")
    reader = running(open_source(str(tmp_path)))
    eventually(lambda: "none of the 1 pictures" in reader.status.note)
    before = time.process_time()
    time.sleep(0.3)
    assert time.process_time() - before < 0.1
    (tmp_path / "b.png").write_bytes(b"broken too")
    reader.next_picture()
    eventually(lambda: "none of the 2 pictures" in reader.status.note)


def test_an_ended_video_leaves_the_thread_at_rest_and_its_last_frame_in_the_mailbox(running, video: Path) -> None:
    source = open_source(str(video), SourceOptions(loop=False))
    reader = running(source)
    eventually(lambda: source.ended)
    assert frame_of(reader).info.number == 11
    assert reader.frames.get(0.2) is None
    assert reader.status.note == "clip.avi has ended"


def test_switching_goes_round_all_sources(running, pictures: Path) -> None:
    a, b = Scripted("a"), Scripted("b")
    reader = running(a, b, open_source(str(pictures)))

    def shown() -> str:
        return frame_of(reader).info.source

    eventually(lambda: shown() == "a")
    reader.toggle_source()
    eventually(lambda: shown() == "b")
    reads_of_a = a.reads
    frame_of(reader)
    assert a.reads == reads_of_a
    reader.toggle_source()
    eventually(lambda: shown() == "img1.png (1 of 4)")
    assert reader.frames.get(0.2) is None
    reader.toggle_source()
    eventually(lambda: shown() == "a")


def test_switching_with_one_source_changes_nothing(running, pictures: Path) -> None:
    reader = running(open_source(str(pictures)))
    frame_of(reader)
    reader.toggle_source()
    assert reader.frames.get(0.2) is None


def test_switching_away_from_a_slow_video_is_quick(running, tmp_path: Path) -> None:
    slow = open_source(str(write_video(tmp_path / "slow.avi", frames=3, rate=0.2)))
    reader = running(slow, Scripted("quick"))
    frame_of(reader)
    begin = time.monotonic()
    reader.toggle_source()
    eventually(lambda: frame_of(reader).info.source == "quick")
    assert time.monotonic() - begin < 1


def test_freezing_stops_reading_and_unfreezing_goes_on(running) -> None:
    source = Scripted()
    reader = running(source)
    frame_of(reader)
    reader.freeze(True)
    reader.frames.get(0.05)
    assert reader.frames.get(0.3) is None
    reads = source.reads
    reader.freeze(False)
    assert frame_of(reader).info.number >= reads


def test_while_frozen_another_source_still_brings_one_frame(running) -> None:
    a, b = Scripted("a"), Scripted("b")
    reader = running(a, b)
    frame_of(reader)
    reader.freeze(True)
    eventually(lambda: reader.frames.get(0.1) is None)
    reader.toggle_source()
    assert frame_of(reader).info.source == "b"
    assert reader.frames.get(0.2) is None
    assert b.reads == 1


def test_a_source_that_raises_is_shown_and_read_again(running, monkeypatch, caplog) -> None:
    monkeypatch.setattr("deepvis_toolbox.sources.reader.RETRY_SECONDS", 0.05)
    source = Scripted()

    def fail() -> SourceFrame | None:
        raise RuntimeError("the cable is hot")

    source.obstacle = fail
    reader = running(source)
    eventually(lambda: reader.status.error == "the cable is hot")
    eventually(lambda: source.reads > 3)
    assert [record.getMessage() for record in caplog.records] == ["reading from scripted failed: the cable is hot"]
    source.obstacle = None
    frame_of(reader)
    eventually(lambda: reader.status.error == "")


def test_a_source_that_raises_does_not_keep_the_user_from_another(running) -> None:
    source = Scripted()

    def fail() -> SourceFrame | None:
        raise ValueError("broken")

    source.obstacle = fail
    reader = running(source, Scripted("other"))
    eventually(lambda: reader.status.error == "broken")
    begin = time.monotonic()
    reader.toggle_source()
    assert frame_of(reader).info.source == "other"
    assert time.monotonic() - begin < 0.5  # the wait before the next attempt is cut short
    assert reader.status.error == ""


def test_a_move_that_raises_is_shown_too(running) -> None:
    source = Scripted()

    def fail() -> bool:
        raise ValueError("no next")

    source.next = fail  # type: ignore[method-assign]
    source.is_still = True  # so that no successful read wipes the error out
    reader = running(source)
    frame_of(reader)
    reader.next_picture()
    eventually(lambda: reader.status.error == "no next")
    source.is_still = False
    reader.freeze(False)
    eventually(lambda: reader.status.error == "")


def test_a_source_that_forgets_to_wait_does_not_spin(running) -> None:
    source = Scripted()
    source.obstacle = lambda: None
    running(source)
    time.sleep(0.3)
    assert source.reads < 40


def test_a_camera_that_vanishes_is_noted_and_comes_back(running, camera: FakeCamera) -> None:
    reader = running(CameraSource("camera 0", camera.open, SourceOptions(), retry_seconds=0.05))
    frame_of(reader)
    camera.plugged = False
    eventually(lambda: reader.status.note == "camera lost, retrying")
    assert reader.status.error == ""
    camera.plugged = True
    eventually(lambda: reader.status.note == "")
    frame_of(reader)


def test_sources_are_touched_by_the_reading_thread_alone(running) -> None:
    source = Scripted()
    reader = running(source)
    frame_of(reader)
    reader.next_picture()
    reader.freeze(True)
    assert reader.close()
    assert len(source.readers) == 1
    assert threading.get_ident() not in source.readers
    assert source.closed == 1


@pytest.mark.parametrize("state", ["playing", "still", "frozen", "slow video", "lost", "hanging", "failing", "stream"])
def test_it_ends_within_a_second_from_any_state(
    state: str, running, pictures: Path, tmp_path: Path, camera: FakeCamera, motion_jpeg: Server
) -> None:
    source: Source
    if state == "still":
        source = open_source(str(pictures))
    elif state == "slow video":
        source = open_source(str(write_video(tmp_path / "slow.avi", frames=3, rate=0.2)))
    elif state in ("lost", "hanging"):
        source = CameraSource("camera 0", camera.open, SourceOptions(), retry_seconds=0.2)
    elif state == "stream":
        source = open_source(motion_jpeg.url)
    else:
        source = Scripted()
    reader = running(source)
    frame_of(reader)
    if state == "frozen":
        reader.freeze(True)
    elif state == "lost":
        camera.plugged = False
        eventually(lambda: "lost" in reader.status.note)
    elif state == "hanging":
        camera.hanging = threading.Event()
    elif state == "failing":
        assert isinstance(source, Scripted)
        source.obstacle = lambda: 1 / 0  # type: ignore[assignment, return-value]
        eventually(lambda: "division" in reader.status.error)
    time.sleep(0.05)
    begin = time.monotonic()
    assert reader.close()
    assert time.monotonic() - begin < 1
    assert is_closed(reader.frames)


def test_whoever_waits_for_a_frame_is_woken_by_the_end(running, pictures: Path) -> None:
    reader = running(open_source(str(pictures)))
    frame_of(reader)
    answers: list[object] = []
    waiting = threading.Thread(target=lambda: answers.append(reader.frames.get()))
    waiting.start()
    reader.close()
    waiting.join(2)
    assert answers == [None]


def test_a_reader_that_was_never_started_closes_its_sources() -> None:
    source = Scripted()
    box: Mailbox[SourceFrame] = Mailbox()
    assert FrameReader([source], box).close()
    assert source.closed == 1
    assert is_closed(box)


def test_headless_the_switch_repeats_a_frozen_frame_and_a_still_picture(pictures: Path) -> None:
    switch = SourceSwitch([Scripted("a"), open_source(str(pictures))])
    first = switch.read()
    assert switch.read() is not first
    switch.freeze(True)
    last = switch.read()
    assert switch.read() is last
    assert switch.frozen
    switch.toggle_source()
    still = switch.read()
    assert still is not None
    assert still.info.source == "img1.png (1 of 4)"
    switch.freeze(False)
    assert switch.read() is still
    switch.next_picture()
    moved = switch.read()
    assert moved is not None
    assert moved.info.source == "img2.png (2 of 4)"
    switch.close()


def test_a_switch_without_sources_is_a_mistake_of_the_program() -> None:
    with pytest.raises(ValueError, match="at least one"):
        SourceSwitch([])
