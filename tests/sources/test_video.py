"""Video files: every frame in order when headless, at their own rate when live."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from tests.sources.real_parts import VIDEO_FRAMES, VIDEO_RATE, frame_number, write_video


def test_headless_brings_every_frame_once_in_order_and_then_ends(video: Path) -> None:
    with open_source(str(video), SourceOptions(realtime=False, loop=False)) as source:
        frames = [source.read() for _ in range(VIDEO_FRAMES)]
        assert not source.ended
        assert source.read() is None
        assert source.ended
        assert (source.note, source.gone) == ("clip.avi has ended", True)
    assert [frame_number(frame.image) for frame in frames if frame] == list(range(VIDEO_FRAMES))
    assert [frame.info.number for frame in frames if frame] == list(range(VIDEO_FRAMES))


def test_colours_are_rgb_and_nothing_is_mirrored(video: Path) -> None:
    frame = open_source(str(video), SourceOptions(realtime=False)).read()
    assert frame is not None
    assert frame.image.shape == (48, 64, 3)
    red, green, blue = frame.image[:, 40:].reshape(-1, 3).mean(axis=0)
    assert red > 230
    assert max(green, blue) < 30


def test_a_looped_video_starts_again_and_goes_on_counting(video: Path) -> None:
    with open_source(str(video), SourceOptions(realtime=False)) as source:
        frames = [source.read() for _ in range(2 * VIDEO_FRAMES + 3)]
    assert [frame_number(frame.image) for frame in frames if frame] == [n % VIDEO_FRAMES for n in range(27)]
    assert [frame.info.number for frame in frames if frame] == list(range(27))


def test_live_a_video_keeps_its_own_rate(video: Path) -> None:
    with open_source(str(video)) as source:
        source.read()
        begin = time.monotonic()
        for _ in range(15):
            assert source.read() is not None
        took = time.monotonic() - begin
    assert 15 / VIDEO_RATE * 0.95 <= took < 15 / VIDEO_RATE * 1.5


def test_after_a_pause_a_live_video_does_not_hurry(video: Path) -> None:
    with open_source(str(video)) as source:
        source.read()
        time.sleep(0.4)
        source.read()
        begin = time.monotonic()
        for _ in range(4):
            source.read()
        assert time.monotonic() - begin >= 4 / VIDEO_RATE * 0.9


def test_waiting_for_a_slow_video_can_be_interrupted(tmp_path: Path) -> None:
    slow = write_video(tmp_path / "slow.avi", frames=3, rate=0.2)
    with open_source(str(slow)) as source:
        source.read()
        threading.Timer(0.1, source.interrupt).start()
        begin = time.monotonic()
        source.read()
        assert time.monotonic() - begin < 2


def test_a_video_damaged_in_the_middle_ends_instead_of_raising(video: Path) -> None:
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = np.random.default_rng(0).bytes(3000)
    video.write_bytes(data)
    with open_source(str(video), SourceOptions(realtime=False, loop=False)) as source:
        count = 0
        while source.read() is not None:
            count += 1
        assert 0 < count < VIDEO_FRAMES
        assert source.ended


def test_a_looped_video_whose_file_vanishes_ends(video: Path) -> None:
    with open_source(str(video), SourceOptions(realtime=False)) as source:
        video.unlink()
        for _ in range(VIDEO_FRAMES):
            assert source.read() is not None
        assert source.read() is None
        assert source.ended


@pytest.mark.parametrize("name", ["concat:a|b.avi", "100%d.avi", "-i.avi", "a b ü.avi"])
def test_odd_file_names_are_only_names(video: Path, name: str, monkeypatch) -> None:
    monkeypatch.chdir(video.parent)
    video.rename(video.parent / name)
    assert open_source(name, SourceOptions(realtime=False)).read() is not None
