"""Text as it is shown: no name commands a terminal, no address tells its password, wherever it comes out."""

from __future__ import annotations

import json
import logging
import os
import pickle
import pty
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from deepvis_toolbox.atomic_files import DiskFullError
from deepvis_toolbox.command_line import talking
from deepvis_toolbox.drawing.text import Font, draw_text, text_width
from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.progress import show_progress
from deepvis_toolbox.settings import settings_command
from deepvis_toolbox.shown_text import escaped, settings_without_secrets, shown, without_secrets

ROOT = Path(__file__).resolve().parents[1]
EVIL = "a\x1b[31m\x9b1m\r\nb\u202ec\udce9"
TAME = r"a\x1b[31m\x9b1m\r\nb\u202ec\udce9"
SECRETS = ("geheim", "anna", "abc123")
URL = "rtsp://anna:geheim@cam.test:554/live?key=abc123#abc123"


def test_control_characters_are_written_as_python_writes_them_and_letters_are_left() -> None:
    assert escaped(EVIL) == TAME
    assert escaped(TAME) == TAME, "twice is once"
    assert escaped("\x00\x07\x7f\u2028\ufeff\U000e0041") == r"\x00\x07\x7f\u2028\ufeff\U000e0041"
    for text in ("Straße 日本語　→ 猫 é", "क्‍ष", "👩‍🔬", "a\\b", "no-break space"):
        assert escaped(text) == text
    assert escaped("a\nb\tc\x1b", keep="\n\t") == "a\nb\tc\\x1b"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (URL, "rtsp://cam.test:554/live"),
        ("http://host/a/b.jpg", "http://host/a/b.jpg"),
        ("https://anna:geheim@[::1]:8443/x", "https://[::1]:8443/x"),
        ("http://anna:geheim@[::1/x", "http://…"),
        ("rtsp://anna:ge/heim@cam/x", "rtsp://…"),
        ("rtsp://anna:12/geheim@cam/x", "rtsp://…"),
        ("rtsp://anna:12#geheim@cam/x", "rtsp://…"),
        ("rtsp://anna:12?geheim@cam/x", "rtsp://…"),
        ("rtsp://anna:ge@heim@cam/x", "rtsp://cam/x"),
        ("rtsp://anna:geheim@cam:port/x", "rtsp://…"),
        ("rtsp:/anna:geheim@cam/x", "rtsp://…"),
        ("http://[::1/x", "http://[::1/x"),
        ("http://", "http://"),
        ("https://host/@cats/film.mp4", "https://host/@cats/film.mp4"),
        ("http://cam/\x1b[31m", r"http://cam/\x1b[31m"),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, told: str) -> None:
    assert without_secrets(url) == told
    assert shown(f'it is "{url}"; try again') == f'it is "{told}"; try again'
    assert without_secrets(told) == told, "twice is once"


def test_what_only_looks_like_an_address_is_left() -> None:
    for text in (
        "conv5:151@6,6",
        r"C:\pictures\cat@home.jpg",
        "C:/pictures/cat@home.jpg",
        "a: /home/anna@firm/x",
        "://",
    ):
        assert shown(text) == text


def test_settings_are_given_away_without_secrets() -> None:
    told = settings_without_secrets({"sources": {"input": (URL, "demo"), "mirror": True}, "list": [URL]})
    assert told == {
        "sources": {"input": ("rtsp://cam.test:554/live", "demo"), "mirror": True},
        "list": ["rtsp://cam.test:554/live"],
    }


def test_every_error_of_the_toolbox_is_fit_to_be_shown() -> None:
    error = DiskFullError(f"{EVIL} of {URL}")
    assert str(error) == f"{TAME} of rtsp://cam.test:554/live"
    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - as between processes
    assert sentence_of(ValueError("a\x1b[31m")) == r"ValueError: a\x1b[31m"
    assert str(ToolboxError()) == ""


def test_lines_of_the_log_are_fit_to_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    talking.log_to(str(tmp_path / "log"), "debug")
    log = logging.getLogger("deepvis_toolbox.test")
    log.info("%s from %s", EVIL, URL)
    try:
        raise OSError(f"{EVIL} {URL}")
    except OSError:
        log.exception("reading failed")
    for handler in logging.getLogger().handlers:
        handler.close()
    lines = (tmp_path / "log").read_text("utf-8").splitlines()
    assert lines[0] == f"INFO deepvis_toolbox.test: {TAME} from rtsp://cam.test:554/live"
    assert len(lines) > 4, "where it came from stays on lines of its own"
    assert all(line.isprintable() for line in lines)
    assert not any(secret in line for line in lines for secret in ("geheim@", "abc123#"))


def test_lines_of_a_progress_display_are_one_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    with show_progress(2, EVIL) as progress:
        progress.say(f"{EVIL} {URL}")
        progress.note(EVIL)
        progress.advance(2)
    talking.note(EVIL)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    assert all(TAME in line and line.isprintable() for line in lines)


def test_what_is_drawn_shows_the_escapes() -> None:
    font = Font(14)
    assert text_width(EVIL, font) == text_width(TAME, font)
    evil, tame = np.zeros((2, 30, 400, 3), np.uint8)
    draw_text(evil, EVIL, 2, 20, font, (255, 255, 255))
    draw_text(tame, TAME, 2, 20, font, (255, 255, 255))
    assert np.array_equal(evil, tame)
    assert evil.any()


COMMAND = """
import sys
from deepvis_toolbox.command_line.ending import run_command

def main():
    print("out", sys.argv[1])
    print("err", sys.argv[1], file=sys.stderr)
    raise {error}

sys.exit(run_command(main))
"""


def _on_a_terminal(arguments: list[str]) -> str:
    """What a command writes to a terminal that is both its outputs."""
    own, its = pty.openpty()
    process = subprocess.Popen(arguments, stdout=its, stderr=its, cwd=ROOT, env={**os.environ, "PYTHONUTF8": "1"})
    os.close(its)
    written = b""
    try:
        while piece := os.read(own, 4096):
            written += piece
    except OSError:  # how a terminal ends
        pass
    process.wait(30)
    os.close(own)
    return written.decode(errors="surrogateescape").replace("\r\n", "\n")


@pytest.mark.parametrize("error", ["ToolboxError(sys.argv[1])", "RuntimeError(sys.argv[1])"])
def test_a_terminal_gets_no_command_and_no_password(error: str) -> None:
    code = COMMAND.format(error=error).replace(
        "import sys\n", "import sys\nfrom deepvis_toolbox import ToolboxError\n", 1
    )
    evil = "a\x1b]0;title\x07\x9b1m\u202e"
    written = _on_a_terminal([sys.executable, "-c", code, f"{evil} {URL}"])
    assert written.count(r"a\x1b]0;title\x07\x9b1m\u202e rtsp://cam.test:554/live") == 3
    assert re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", written) is None
    assert not any(secret in written for secret in SECRETS)


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_the_settings_command_tells_no_password(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    (tmp_path / "settings.yaml").write_text(json.dumps({"sources": {"input": [URL, "demo"]}}))
    assert settings_command.main(["--settings", str(tmp_path / "settings.yaml"), *flags]) == 0
    printed = capsys.readouterr().out
    assert "rtsp://cam.test:554/live" in printed
    assert not any(secret in printed for secret in SECRETS)
    assert bool(flags) or "what may be secret in the URL is left out" in printed
