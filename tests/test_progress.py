"""Progress: a bar on a terminal, plain lines elsewhere."""

import io
import warnings

from deepvis_toolbox import progress
from deepvis_toolbox.progress import show_progress


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_it_is_a_bar_with_rate_and_time_left():
    stream = Terminal()
    with show_progress(20, "pictures", "picture", stream) as shown:
        for _ in range(20):
            shown.note("fc:9 at 3.5")
            shown.advance()
            progress.time.sleep(0.02)
    text = stream.getvalue()
    assert "\r" in text
    assert "100%" in text
    assert "20/20" in text
    assert "left" in text
    assert "picture/s" in text
    assert "fc:9 at 3.5" in text


def test_parts_of_pictures_are_not_counted_as_finished_and_never_make_more_than_all(monkeypatch):
    for stream in (Terminal(), io.StringIO()):
        monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # tqdm warns where it is told of more than all
            with show_progress(3, "pictures", "picture", stream) as shown:
                for _ in range(29):
                    shown.advance(0.1)
                    progress.time.sleep(0.004)
                shown.advance(-1)  # a batch that is done again
                shown.advance(1)
                shown.say("nearly")
                before = stream.getvalue()
                for _ in range(12):
                    shown.advance(0.1)
        assert "2/3" in before
        assert "3/3" not in before
        assert "3/3" in stream.getvalue()


def test_the_time_left_is_the_whole_runs_pace_on_a_terminal_as_elsewhere():
    told = progress._told(done=2.5, total=10, elapsed=50, unit="picture")
    assert told == {"done": "2/10", "pace": "0.05 picture/s", "left": "2:30 left"}
    stream = Terminal()
    with show_progress(10, "pictures", "picture", stream) as shown:
        shown._bar.start_t -= 50  # as if it had begun then
        shown.advance(2.5)
        shown._bar.refresh()
    assert "| 2/10 [00:50, 2:30 left, 0.05 picture/s]" in stream.getvalue()


def test_elsewhere_it_is_a_line_now_and_then_and_one_at_the_end(monkeypatch):
    clock = iter(range(0, 10_000, 3))
    monkeypatch.setattr(progress.time, "monotonic", lambda: float(next(clock)))
    stream = io.StringIO()
    with show_progress(20, "pictures", "picture", stream) as shown:
        for _ in range(20):
            shown.note("fc:9")
            shown.advance()
        shown.say("one failed")
    lines = stream.getvalue().splitlines()
    assert 3 <= len(lines) <= 10
    assert "one failed" in lines
    assert "left" in lines[0]
    assert lines[-1].startswith("pictures: 20/20")
    assert "took" in lines[-1]
    assert "fc:9" in lines[-1]
    assert "\r" not in stream.getvalue()
