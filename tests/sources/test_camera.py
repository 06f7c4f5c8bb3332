"""Cameras, on one whose cable can be pulled: mirrored, lost, picked up again, never in anybody's way."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources import live_source
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.sources.kinds import camera as camera_module
from deepvis_toolbox.sources.kinds.camera import CameraSource, first_camera
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from tests.sources.real_parts import FakeCamera, read_until


def plugged_in(camera: FakeCamera, **settings: bool) -> CameraSource:
    return CameraSource("camera 0", camera.open, SourceOptions(**settings), mirror=True, retry_seconds=0.05)


def hang_until(released: threading.Event) -> None:
    """As a driver that does not come back; the camera then turns out not to be there."""
    released.wait(30)


def left_of(frame: SourceFrame | None) -> list[int]:
    assert frame is not None
    return list(frame.image[3, 1])


@pytest.mark.parametrize("mirror", [True, False])
def test_pictures_are_rgb_and_mirrored_unless_told_otherwise(camera: FakeCamera, monkeypatch, mirror: bool) -> None:
    monkeypatch.setattr(camera_module, "open_camera", camera.open)
    options = SourceOptions(mirror=mirror)
    assert SourceOptions().mirror
    with open_source("camera:0", options) as source:
        frame = source.read()
    # The left half is blue in front of the camera.
    assert left_of(frame) == ([0, 0, 0] if mirror else [0, 0, 255])


def test_size_and_rate_are_asked_of_the_camera_by_number_or_path(camera: FakeCamera, monkeypatch, tmp_path) -> None:
    asked: list[tuple[object, ...]] = []

    def opened(*arguments: object) -> FakeCamera:
        asked.append(arguments)
        return camera

    monkeypatch.setattr(camera_module, "open_camera", opened)
    device = tmp_path / "video1"
    device.touch()
    options = SourceOptions(camera_width=1280, camera_height=720, camera_fps=60.0)
    for text in ("camera:3", f"camera:{device}", "camera"):
        open_source(text, options).close()
    assert asked == [(3, 1280, 720, 60.0), (str(device), 1280, 720, 60.0), (0, 1280, 720, 60.0)]


def test_a_camera_that_vanishes_says_so_and_is_picked_up_again(camera: FakeCamera) -> None:
    with plugged_in(camera) as source:
        assert source.read() is not None
        camera.plugged = False
        read_until(source.read, lambda: source.note == "camera lost, retrying")
        assert source.read() is None
        assert not source.ended
        camera.plugged = True
        frames: list[SourceFrame | None] = []
        read_until(lambda: frames.append(source.read()), lambda: bool(frames) and frames[-1] is not None)
        assert source.note == ""
        assert camera.opened == 2
        assert camera.released == 1


def test_reading_a_lost_camera_takes_a_moment_not_longer(camera: FakeCamera) -> None:
    with plugged_in(camera) as source:
        source.read()
        camera.plugged = False
        read_until(source.read, lambda: bool(source.note))
        begin = time.monotonic()
        assert source.read() is None
        assert time.monotonic() - begin < 1.5


def test_a_camera_that_hangs_holds_nobody_up(camera: FakeCamera) -> None:
    with plugged_in(camera) as source:
        source.read()
        camera.hanging = threading.Event()
        began = time.monotonic()
        read_until(source.read, lambda: source.note == "waiting for camera 0")
        threading.Timer(0.1, source.interrupt).start()
        source.read()
        source.close()
        assert time.monotonic() - began < 4


def test_a_driver_that_raises_counts_as_a_lost_camera() -> None:
    class Raising(FakeCamera):
        def read(self) -> tuple[bool, np.ndarray | None]:
            if not self.plugged:
                raise RuntimeError("USB")
            return super().read()

    raising = Raising()
    with plugged_in(raising) as source:
        source.read()
        raising.plugged = False
        read_until(source.read, lambda: source.note == "camera lost, retrying")
        raising.plugged = True
        read_until(source.read, lambda: source.note == "")


def test_the_newest_picture_is_delivered_not_an_old_one() -> None:
    class Counting(FakeCamera):
        count = 0

        def read(self) -> tuple[bool, np.ndarray | None]:
            ok, image = super().read()
            self.count += 1
            return ok, np.full_like(image, min(self.count, 255))

    counting = Counting()
    with plugged_in(counting) as source:
        source.read()
        time.sleep(0.3)
        before = counting.count
        frame = source.read()
    assert frame is not None
    assert frame.image[0, 0, 0] >= before
    assert before > 10


def test_a_grey_camera_is_shown_as_rgb() -> None:
    class Grey(FakeCamera):
        def read(self) -> tuple[bool, np.ndarray | None]:
            super().read()
            return True, np.full((6, 8), 77, np.uint8)

    with plugged_in(Grey()) as source:
        frame = source.read()
    assert frame is not None
    np.testing.assert_array_equal(frame.image, np.full((6, 8, 3), 77))


def test_headless_a_camera_that_vanishes_ends_the_run(camera: FakeCamera) -> None:
    with plugged_in(camera, realtime=False) as source:
        assert source.read() is not None
        camera.plugged = False
        read_until(source.read, lambda: source.ended)
        assert source.note == "camera lost"


def test_a_camera_that_does_not_open_is_an_error_with_advice(monkeypatch) -> None:
    monkeypatch.setattr(camera_module, "open_camera", lambda *_: None)
    with pytest.raises(ToolboxError, match=r'camera 7 does not open.*"demo"'):
        open_source("camera:7")


def test_a_camera_whose_opening_hangs_is_given_up(monkeypatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(camera_module, "open_camera", lambda *_: hang_until(released))
    monkeypatch.setattr(live_source, "OPEN_SECONDS", 0.2)
    begin = time.monotonic()
    with pytest.raises(ToolboxError, match="does not open"):
        open_source("camera:0")
    assert time.monotonic() - begin < 2
    released.set()


def test_the_first_camera_is_found_and_let_go(camera: FakeCamera, monkeypatch) -> None:
    monkeypatch.setattr(camera_module, "_numbers_here", lambda: [1, 2])
    monkeypatch.setattr(camera_module, "open_camera", lambda number, *_: camera.open() if number == 2 else None)
    assert first_camera() == 2
    assert (camera.opened, camera.released) == (1, 1)


def test_without_a_camera_the_search_is_quick_and_quiet(monkeypatch, capfd) -> None:
    monkeypatch.setattr(camera_module, "_numbers_here", lambda: [63])
    begin = time.monotonic()
    assert first_camera() is None
    assert time.monotonic() - begin < 1
    assert capfd.readouterr() == ("", "")


def test_a_driver_that_hangs_does_not_hold_up_the_search(monkeypatch) -> None:
    released = threading.Event()
    monkeypatch.setattr(camera_module, "_numbers_here", lambda: [0])
    monkeypatch.setattr(camera_module, "open_camera", lambda *_: hang_until(released))
    monkeypatch.setattr(camera_module, "_PROBE_SECONDS", 0.2)
    assert first_camera() is None
    released.set()
