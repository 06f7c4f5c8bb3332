"""Progress: a bar on a terminal, plain lines elsewhere."""

import io

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
