"""Network streams, over loopback HTTP: live ones, videos on a web server, and servers that go away."""

from __future__ import annotations

import socket
import time
from functools import partial
from pathlib import Path

import pytest
from PIL import Image

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.shown_text import is_url, settings_without_secrets
from deepvis_toolbox.sources.capture import open_video
from deepvis_toolbox.sources.frame import SourceFrame
from deepvis_toolbox.sources.kinds.stream import StreamSource
from deepvis_toolbox.sources.opening import open_source
from deepvis_toolbox.sources.options import SourceOptions
from tests.sources.real_parts import VIDEO_FRAMES, VIDEO_RATE, MotionJpeg, Server, frame_number, read_until


def test_a_motion_jpeg_stream_is_read_live(motion_jpeg: Server) -> None:
    with open_source(motion_jpeg.url + "/stream") as source:
        frames = [frame for frame in (source.read() for _ in range(8)) if frame]
    assert len(frames) == 8
    numbers = [frame_number(frame.image) for frame in frames]
    assert all(0 <= number < VIDEO_FRAMES for number in numbers)
    assert len(set(numbers)) > 3
    assert frames[0].image[:, 40:, 0].mean() > 230  # red on the right: RGB, not mirrored
    assert frames[0].info.source == f"stream {motion_jpeg.url}/stream"


def test_headless_every_frame_of_a_stream_comes_in_order(motion_jpeg: Server) -> None:
    with open_source(motion_jpeg.url, SourceOptions(realtime=False)) as source:
        numbers = [frame_number(frame.image) for frame in (source.read() for _ in range(10)) if frame]
    assert numbers == [(numbers[0] + step) % VIDEO_FRAMES for step in range(10)]


def test_headless_a_video_on_a_web_server_comes_whole(file_server: Server, video: Path) -> None:
    options = SourceOptions(realtime=False, loop=False)
    with open_source(f"{file_server.url}/{video.name}", options) as source:
        frames = [source.read() for _ in range(VIDEO_FRAMES)]
        assert source.read() is None
        assert source.ended
    assert [frame_number(frame.image) for frame in frames if frame] == list(range(VIDEO_FRAMES))


def test_live_a_video_on_a_web_server_plays_at_its_own_rate_and_again(file_server: Server, video: Path) -> None:
    with open_source(f"{file_server.url}/{video.name}") as source:
        source.read()
        begin = time.monotonic()
        frames = [source.read() for _ in range(VIDEO_FRAMES + 5)]
        took = time.monotonic() - begin
        assert source.note == ""
    assert all(frames)
    assert took > (VIDEO_FRAMES + 3) / VIDEO_RATE * 0.9


def test_live_a_video_that_is_not_looped_ends(file_server: Server, video: Path) -> None:
    with open_source(f"{file_server.url}/{video.name}", SourceOptions(loop=False)) as source:
        read_until(source.read, lambda: source.ended)
        assert source.note.endswith("has ended")


def test_a_stream_that_breaks_is_lost_and_picked_up_again() -> None:
    server = Server(MotionJpeg)
    port = server.server_port
    source = open_source(server.url)
    seen: list[SourceFrame | None] = []
    try:
        assert source.read() is not None
        server.stop()
        read_until(source.read, lambda: source.note == "stream lost, retrying", seconds=8)
        server = Server(MotionJpeg, port)
        read_until(lambda: seen.append(source.read()), lambda: bool(seen) and seen[-1] is not None, seconds=8)
        assert source.note == ""
    finally:
        source.close()
        server.stop()


def test_a_web_address_of_one_picture_is_asked_again_and_not_called_lost(file_server: Server, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48), (200, 0, 0)).save(tmp_path / "now.jpg")
    url = f"{file_server.url}/now.jpg"
    with StreamSource("stream", partial(open_video, url), SourceOptions(), retry_seconds=0.1) as source:
        assert source.read() is not None
        Image.new("RGB", (64, 48), (20, 0, 0)).save(tmp_path / "now.jpg")
        reds: list[int] = []

        def read() -> None:
            frame = source.read()
            assert frame is not None
            assert source.note == ""
            reds.append(int(frame.image[0, 0, 0]))

        read_until(read, lambda: bool(reds) and reds[-1] < 30)


def test_a_server_that_accepts_and_never_answers_is_given_up_after_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        begin = time.monotonic()
        with pytest.raises(ToolboxError, match="cannot be opened"):
            open_source(f"http://127.0.0.1:{silent.getsockname()[1]}/stream")
        assert time.monotonic() - begin < 9


def test_nobody_listening_is_told_at_once() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    begin = time.monotonic()
    with pytest.raises(ToolboxError, match=rf"port {port}: .*refused"):
        open_source(f"http://127.0.0.1:{port}/stream")
    assert time.monotonic() - begin < 3


def test_a_page_that_is_no_video_is_refused(file_server: Server, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<html>hello</html>")
    with pytest.raises(ToolboxError, match="nothing that OpenCV can read"):
        open_source(f"{file_server.url}/page.html")


@pytest.mark.parametrize("realtime", [True, False])
def test_names_and_passwords_are_never_shown(motion_jpeg: Server, realtime: bool) -> None:
    secret = motion_jpeg.url.replace("http://", "http://anna:geheim@") + "/live?token=geheim"
    with open_source(secret, SourceOptions(realtime=realtime)) as source:
        frame = source.read()
        assert frame is not None
        assert "geheim" not in source.name + frame.info.source
    motion_jpeg.stop()
    with pytest.raises(ToolboxError) as caught:
        open_source(secret, SourceOptions(realtime=realtime))
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["anna:geheim@rtsp://host/x", "rtsp://anna:12/geheim@host/x", "rtsp:/anna:geheim@host/x"]
)
def test_a_password_in_the_wrong_place_is_not_shown(url: str) -> None:
    with pytest.raises(ToolboxError) as caught:
        open_source(url)
    assert "geheim" not in str(caught.value)
    assert "geheim" not in str(settings_without_secrets([url])) or not is_url(url)


def test_the_forms_name_the_schemes() -> None:
    assert "rtsp" in StreamSource.meaning
