"""Pages without a browser: what they are told, what their keys, clicks and cameras do, how many there may be."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
import torch
from PIL import Image
from websockets.exceptions import ConnectionClosed

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.window.interface import MouseEvent
from deepvis_toolbox.live.work.checkpoints import Checkpoint
from deepvis_toolbox.live.work.training import Training
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.web.link import NO_NUMBER
from deepvis_toolbox.web.server_sources import ServerSource
from deepvis_toolbox.words.unit import Unit
from tests.nets import opened
from tests.sources.hostile_films import spoil, write_bomb
from tests.sources.real_parts import write_video

from .conftest import LABELS, Page, Served, SmallNet, jpeg, serving


def colour_of_input(page: Page) -> str:
    """Which of red, green and blue is most of the input picture."""
    assert page.frame is not None
    corner = page.frame[40:110, 20:90].reshape(-1, 3).astype(int).mean(0)
    return ("red", "green", "blue")[int(corner.argmax())]


def test_a_page_sees_the_window_in_its_own_size_and_text_beside_it(served: Served) -> None:
    with served.page((900, 600)) as page:
        assert page.hello["sources"][0] == served.server.viewers.stage.sources[0].name
        page.until(lambda: page.frame is not None and page.frame.shape == (600, 900, 3))
        page.until(lambda: page.unit() == "conv1:0")
        page.until(lambda: bool(page.told.get("status", {}).get("classes")))
        names = [name for name, _ in page.told["status"]["classes"]]
        assert len(names) == 5
        assert set(names) <= set(LABELS)
        labels = [label for label, _ in page.told["status"]["status"]]
        assert labels[:2] == ["unit", "class or channel"]


def test_keys_do_what_they_do_on_the_desktop(served: Served) -> None:
    with served.page() as page:
        page.until(lambda: page.unit() == "conv1:0")
        page.say("key", key="ArrowRight", code="ArrowRight", shift=False)
        page.until(lambda: page.unit() == "relu:0")
        page.press("down")
        page.press("right")
        page.until(lambda: page.unit() == "relu:1")
        page.say("key", key="о", code="KeyJ", shift=False)  # the key j of a Russian keyboard: to the left
        page.until(lambda: page.unit() == "relu:0")
        page.say("key", key="ArrowRight", code="ArrowRight", shift=True)
        page.until(lambda: page.unit() == "relu:3")
        page.press("%")
        page.until(lambda: "does nothing" in page.told["text"]["message"])


def test_next_picture_is_each_viewers_own(served: Served) -> None:
    with served.page() as one, served.page() as other:
        for page in (one, other):
            page.until(lambda page=page: page.frame is not None and colour_of_input(page) == "red")
        one.press("e")
        one.until(lambda: colour_of_input(one) == "green")
        other.press("down")
        other.until("frame")
        assert colour_of_input(other) == "red"


def test_a_click_selects_the_unit_under_it(served: Served) -> None:
    with served.page((900, 600)) as page:
        page.until(lambda: page.unit() == "conv1:0" and page.frame is not None and colour_of_input(page) == "red")
        viewing = max(served.viewings, key=lambda each: each.window.size)
        x, y = place_of(served, page, 3)
        page.say("pointer", what="move", x=x, y=y)
        page.say("pointer", what="click", x=x, y=y)
        page.say("pointer", what="release", x=x, y=y)
        page.until(lambda: page.unit() == "conv1:3")
        assert viewing.is_alive()


def place_of(served: Served, page: Page, unit: int) -> tuple[int, int]:
    """The middle of a unit's tile in the page's window."""
    assert page.frame is not None
    name = page.hello["viewer"]
    viewer = served.server.viewers.by_name(name)
    assert viewer is not None
    painter = viewer.viewing.painter
    assert painter is not None
    assert viewer.viewing.state is not None
    for y in range(0, page.frame.shape[0], 6):
        for x in range(page.frame.shape[1] // 3, page.frame.shape[1], 6):
            under = painter.hit(viewer.viewing.state, x, y)
            if under and isinstance(under[1].what, Unit) and under[1].what.channel == unit:
                return x + 8, y + 8
    raise AssertionError(f"no tile of unit {unit}")


def test_pictures_of_the_pages_camera_reach_the_network_one_at_a_time(served: Served) -> None:
    with served.page() as page:
        page.until("frame")
        for colour, name in (((0, 0, 255), "blue"), ((255, 0, 0), "red"), ((0, 255, 0), "green")):
            page.socket.send(jpeg(colour))
            page.until("camera")
            number = page.told["camera"]["number"]
            page.until(lambda number=number: page.source == number)
            assert colour_of_input(page) == name
        page.until(lambda: "camera of the page" in str(page.told.get("status")))


def test_a_file_that_is_sent_becomes_the_source_and_nothing_of_it_stays(served: Served, tmp_path: Path) -> None:
    path = tmp_path / "b.png"
    Image.new("RGB", (40, 40), (0, 0, 255)).save(path)
    with served.page() as page:
        page.until("frame")
        headers = {"Cookie": served.cookie, "Origin": served.origin, "x_viewer": page.hello["viewer"]}
        status, body, _ = served.ask("upload", path.read_bytes(), x_name=quote("über/../b.png"), **headers)
        assert (status, body) == (200, b"taken")
        page.until(lambda: page.frame is not None and colour_of_input(page) == "blue")
        page.until(lambda: "über/../b.png" in str(page.told.get("status")))
        page.say("source", place=0)
        page.until(lambda: colour_of_input(page) == "red")
        status, body, _ = served.ask("upload", b"no picture at all", x_name="x", **headers)
        page.until(lambda: "what was sent cannot be read: no picture format" in str(page.told.get("status")))
        kept = served.server.viewers.by_name(page.hello["viewer"])
        assert kept is not None
        upload = kept.viewing.page_source._upload
        assert upload is not None
    wait_for(lambda: not upload.path.exists())


def wait_for(holds, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_video_that_is_sent_runs(served: Served, tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "steps.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 64))
    for number in range(20):
        writer.write(np.full((64, 64, 3), (0, 255, 0) if number % 2 else (255, 0, 0), np.uint8))
    writer.release()
    with served.page() as page:
        page.until("frame")
        headers = {"Cookie": served.cookie, "Origin": served.origin, "x_viewer": page.hello["viewer"]}
        assert served.ask("upload", path.read_bytes(), x_name="steps.avi", **headers)[0] == 200
        seen = set()

        def both() -> bool:
            seen.add(colour_of_input(page))
            return {"green", "blue"} <= seen

        page.until(both)


def test_hostile_films_that_are_sent_are_told_and_the_page_goes_on(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = write_bomb(tmp_path / "bomb.avi", 12000, 12000).read_bytes()
    crashing = write_video(tmp_path / "crash.avi").read_bytes()
    with served.page() as page:
        page.until("frame")
        headers = {"Cookie": served.cookie, "Origin": served.origin, "x_viewer": page.hello["viewer"]}
        served.ask("upload", bomb, x_name="bomb.avi", **headers)
        page.until(lambda: "bomb.avi cannot be decoded: its frames have 12000×12000" in str(page.told.get("status")))
        with monkeypatch.context() as spoilt:
            spoil(spoilt, "os.abort()")
            served.ask("upload", crashing, x_name="crash.avi", **headers)
            page.until(lambda: "crash.avi cannot be decoded any more: it ended" in str(page.told.get("status")))
        page.say("source", place=0)
        page.until(lambda: colour_of_input(page) == "red")


@pytest.mark.parametrize(
    "content", [b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", b"ffconcat version 1.0\nfile '/etc/hosts'\n"]
)
def test_a_playlist_that_is_sent_as_a_video_is_refused(served: Served, content: bytes) -> None:
    with served.page() as page:
        page.until("frame")
        headers = {"Cookie": served.cookie, "Origin": served.origin, "x_viewer": page.hello["viewer"]}
        served.ask("upload", content, x_name="x.mp4", **headers)
        page.until(lambda: "no picture format that is known here" in str(page.told.get("status")))


def test_a_slow_page_gets_the_newest_frame_and_never_two(served: Served) -> None:
    with served.page() as page:
        page.until("frame")
        page.say("source", place=1)  # the demo, which moves
        page.acknowledges = False
        page.until("frame")
        held = page.number
        deadline = time.monotonic() + 1.0
        while time.monotonic() < deadline:
            try:
                assert page.take(0.2) != "frame", "a second frame came before the first was shown"
            except TimeoutError:
                continue
        page.acknowledges = True
        source = page.source
        page.say("shown", frame=held)
        page.until("frame")
        assert page.source > source + 10, "what it gets then is new: of thirty frames in that second"


def test_a_source_that_is_chosen_before_the_window_is_there_is_shown(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()
    lend = ServerSource.lend

    def lend_late(self: ServerSource) -> Source:
        assert go_on.wait(20)
        return lend(self)

    monkeypatch.setattr(ServerSource, "lend", lend_late)
    with serving(str(photos), "demo") as served, served.page() as page:
        page.say("source", place=1)
        wait_for(lambda: any(viewing._place == 1 for viewing in served.viewings))
        go_on.set()
        page.until(lambda: 2 < page.source < NO_NUMBER)  # frames that come by themselves


def test_a_slow_page_slows_nobody(served: Served) -> None:
    with served.page() as slow, served.page() as quick:
        for page in (slow, quick):
            page.say("source", place=1)
            page.until("frame")
        slow.acknowledges = False
        slow.until("frame")
        began = time.monotonic()
        for _ in range(10):
            quick.until("frame")
        assert time.monotonic() - began < 10


def test_two_viewers_who_see_the_same_share_the_answer() -> None:
    with serving("demo") as served, served.page() as one, served.page() as other:
        for page in (one, other):
            page.until("frame")
        deadline = time.monotonic() + 20
        while served.network.shared_answers == 0 and time.monotonic() < deadline:
            one.take()
            other.take()
        assert served.network.shared_answers > 0


def test_a_screenshot_and_values_are_sent_to_the_browser_and_tell_no_settings(served: Served) -> None:
    with served.page() as page:
        page.until(lambda: page.unit() == "conv1:0" and page.frame is not None and colour_of_input(page) == "red")
        page.press("p")
        page.until("file")
        name, content = next(iter(page.files.items()))
        assert name.endswith(".png")
        from io import BytesIO

        picture = Image.open(BytesIO(content))
        assert picture.size == (640, 480)
        assert '"settings": {}' in picture.text["deepvis_toolbox"]  # type: ignore[attr-defined]
        page.press("D")
        page.until(lambda: len(page.files) == 3)
        assert {Path(each).suffix for each in page.files} == {".png", ".npz", ".json"}


def test_films_and_pictures_on_demand_are_refused_with_a_sentence(served: Served) -> None:
    with served.page() as page:
        page.until(lambda: page.unit() == "conv1:0")
        page.press("P")
        page.until(lambda: "films are made on the server's own machine" in page.told["text"]["message"])
        assert not any(viewing.state.facts.makes_pictures for viewing in served.viewings if viewing.state)


def test_the_key_q_ends_ones_own_window_alone(served: Served) -> None:
    with served.page() as one, served.page() as other:
        one.until("frame")
        other.until("frame")
        one.press("q")
        one.until("end")
        assert "reload the page" in one.told["end"]["why"]
        other.press("o")
        other.until(lambda: other.unit() == "relu:0")


def test_more_viewers_than_may_are_told_so(photos: Path) -> None:
    with serving(str(photos), settings={"web": {"viewers": 2}}) as served:
        with served.page() as one, served.page():
            one.until("frame")
            with served.connect() as third:
                late = Page(third)
                assert late.take() == "end"
                assert late.told["end"]["why"].startswith("2 are watching already")
                with pytest.raises(ConnectionClosed):
                    late.take()
        wait_for(lambda: len(served.server.viewers) == 0)
        with served.page() as again:
            again.until("frame")


def test_a_training_is_watched_in_the_shared_window_and_anew_after_it_was_left(photos: Path, tmp_path: Path) -> None:
    def with_weights(checkpoint: Checkpoint) -> TorchNetwork:
        module = SmallNet()
        module.load_state_dict(torch.load(checkpoint.path, weights_only=True))
        return opened(module, labels=LABELS)

    def write(number: int, likes: str) -> None:
        module = SmallNet()
        module.fc.bias.data[LABELS.index(likes)] += 50
        torch.save(module.state_dict(), tmp_path / "partial")
        (tmp_path / "partial").rename(tmp_path / f"{number}.pt")

    def first_class(page: Page) -> str:
        classes = page.told.get("status", {}).get("classes")
        return classes[0][0] if classes else ""

    with serving(str(photos), training=Training(tmp_path, with_weights), shared=True) as served:
        with served.page() as page, served.page() as other:
            write(1, "goat")
            page.until(lambda: first_class(page) == "goat")
            write(2, "jug")
            for each in (page, other):
                each.until(lambda each=each: first_class(each) == "jug")
            page.press("q")
            page.until("end")
        with served.page() as page:
            page.until(lambda: first_class(page) == "jug")
            write(3, "egg")
            page.until(lambda: first_class(page) == "egg")


def test_weights_that_do_not_fit_are_told_to_the_page(photos: Path, tmp_path: Path) -> None:
    def refuse(_: Checkpoint) -> TorchNetwork:
        raise ToolboxError("these weights are of another network")

    (tmp_path / "1.pt").write_bytes(b"any")
    with serving(str(photos), training=Training(tmp_path, refuse), shared=True) as served, served.page() as page:
        page.until("end")
        assert page.told["end"]["why"] == "these weights are of another network"


def test_a_shared_window_is_used_by_whom_has_its_token_and_watched_by_the_rest(photos: Path) -> None:
    with serving(str(photos), shared=True) as served:
        watching = {"Cookie": f"{served.access.cookie}={served.access.session_of('watch')}"}
        with served.page((800, 600)) as lecturer, served.page((400, 300), headers=watching) as student:
            lecturer.until(lambda: lecturer.unit() == "conv1:0")
            student.until(lambda: student.frame is not None and student.frame.shape == (600, 800, 3))
            student.press("o")
            student.socket.send(jpeg((0, 0, 255)))
            lecturer.press("down")
            lecturer.press("right")
            student.until(lambda: student.unit() == "conv1:1")
            assert not student.hello["control"]
            assert len(served.viewings) == 1
        with served.page((800, 600)) as back:  # a lecturer who reloads the page finds the window as it was
            back.until(lambda: back.unit() == "conv1:1" and back.frame is not None)  # in whichever order they come


def test_a_viewer_that_vanishes_leaves_no_thread_behind(served: Served) -> None:
    wait_for(lambda: not served.viewings)
    before = threading.active_count()
    for _ in range(3):
        with served.page() as page:
            page.acknowledges = False
            page.until("frame")
            page.socket.socket.close()
    wait_for(lambda: not served.viewings and threading.active_count() <= before, 30)


def test_a_window_that_fails_says_so_without_a_traceback(photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from deepvis_toolbox.web import viewing

    def fail(*_: object) -> None:
        raise ValueError("/secret/path")

    with serving(str(photos)) as served, served.page() as page:
        page.until("frame")
        monkeypatch.setattr(viewing, "told", fail)
        page.until("end")
        assert page.told["end"]["why"] == viewing.FAILED


def test_mouse_events_that_pile_up_are_one_move() -> None:
    from deepvis_toolbox.web.browser_window import BrowserWindow
    from deepvis_toolbox.web.messages import Pointer

    window = BrowserWindow(85, lambda: None)
    for x in range(100):
        window.take(Pointer(kind="pointer", what="move", x=x, y=0))
    assert window.mouse_events() == [MouseEvent("move", 99, 0)]
