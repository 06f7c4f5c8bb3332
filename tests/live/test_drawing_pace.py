"""When the window is drawn: never too often, and not at the network's cost."""

from __future__ import annotations

from deepvis_toolbox.live.window.drawing_pace import DrawingPace


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0
        self.used = 5.0

    def pace(self, max_fps: float, share: float) -> DrawingPace:
        pace = DrawingPace(max_fps, lambda: self.now, lambda: self.used)
        pace.share = share
        return pace


def test_cheap_drawing_is_limited_by_the_rate() -> None:
    time = Time()
    pace = time.pace(20, 1.0)
    assert pace.seconds_left == 0
    pace.drawing()
    time.used += 0.001
    pace.painted()
    assert round(pace.seconds_left, 6) == 0.05
    time.now += 0.06
    assert pace.seconds_left == 0


def test_costly_drawing_keeps_to_its_share_whatever_the_clock_on_the_wall_said() -> None:
    time = Time()
    pace = time.pace(20, 0.1)
    pace.drawing()
    time.used += 0.02
    time.now += 0.05  # others had the processor, too
    pace.painted()
    assert round(pace.seconds_left, 6) == 0.15
    time.used += 1.0  # what this thread does later does not count
    pace.painted()
    assert round(pace.seconds_left, 6) == 0.15
