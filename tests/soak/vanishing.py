"""Sources that vanish while they are shown, and come back: a folder of pictures, and a stream."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

import cv2
from skimage import data

NAMES = ("astronaut", "chelsea", "coffee", "rocket", "retina", "hubble_deep_field")
SECONDS_BETWEEN_FRAMES = 0.04


class Pictures:
    """A folder of photos from which some, or all, or the folder itself vanish."""

    def __init__(self, folder: Path, masters: Path) -> None:
        self.folder, self._masters, self._away = folder, masters, folder.with_name(f"{folder.name} away")
        self.is_whole = True
        masters.mkdir()
        for name in NAMES:
            photo = cv2.cvtColor(getattr(data, name)(), cv2.COLOR_RGB2BGR)
            cv2.imwrite(str(masters / f"{name}.jpg"), photo)
        folder.mkdir()
        self.come_back()

    def fault(self, random: Random) -> str:
        """Let something of it vanish; return what."""
        self.is_whole = False
        acts: list[Callable[[Path], str]] = [self._delete, self._rename, self._damage, self._empty, self._move]
        return random.choice(acts)(self.folder / f"{random.choice(NAMES)}.jpg")

    def come_back(self) -> str:
        """Put everything in its place again."""
        self.is_whole = True
        if self._away.is_dir():
            self._away.rename(self.folder)
        for path in self.folder.iterdir():
            path.unlink()
        for path in self._masters.iterdir():
            shutil.copy(path, self.folder)
        return "the pictures are back"

    def _delete(self, path: Path) -> str:
        path.unlink(missing_ok=True)
        return f"{path.name} is deleted"

    def _rename(self, path: Path) -> str:
        with suppress(FileNotFoundError):
            path.rename(path.with_name(f"renamed {path.name}"))
        return f"{path.name} is renamed"

    def _damage(self, path: Path) -> str:
        if path.parent.is_dir():
            path.write_bytes((self._masters / path.name).read_bytes()[:3000])
        return f"{path.name} is cut off"

    def _empty(self, path: Path) -> str:
        for each in [*path.parent.glob("*.jpg")]:
            each.unlink()
        return "the folder is emptied"

    def _move(self, path: Path) -> str:
        if not self._away.exists():
            path.parent.rename(self._away)
        return "the folder is renamed"


class _Sending(BaseHTTPRequestHandler):
    """Sends photos for ever, as network cameras do, until its server stops or stalls."""

    server: _Server

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        with suppress(OSError):
            number = 0
            while not self.server.stopped.wait(SECONDS_BETWEEN_FRAMES):
                if self.server.stalls:
                    continue
                picture = self.server.pictures[number % len(self.server.pictures)]
                picture = picture[: len(picture) // 3] + bytes(500) if self.server.sends_noise else picture
                header = b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
                self.wfile.write(header + picture + b"\r\n")
                number += 1

    def log_message(self, *_: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    stalls = sends_noise = False

    def __init__(self, port: int, pictures: list[bytes]) -> None:
        self.pictures, self.stopped = pictures, threading.Event()
        super().__init__(("127.0.0.1", port), _Sending)
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()

    def handle_error(self, *_: object) -> None:
        pass

    def stop(self) -> None:
        self.stopped.set()
        self.shutdown()
        self.server_close()


class Stream:
    """A network camera whose server goes away, stalls or sends what is no picture, and comes back on its port."""

    def __init__(self) -> None:
        photo = cv2.resize(cv2.cvtColor(data.astronaut(), cv2.COLOR_RGB2BGR), (480, 480))
        turned = [cv2.convertScaleAbs(photo, alpha=0.5 + 0.05 * step) for step in range(12)]
        self._pictures = [cv2.imencode(".jpg", each)[1].tobytes() for each in turned]
        self._server: _Server | None = _Server(0, self._pictures)
        self._port = self._server.server_port
        self.url = f"http://127.0.0.1:{self._port}/"
        self.is_whole = True

    def fault(self, random: Random) -> str:
        """Let it vanish in one of three ways; return which."""
        self.is_whole = False
        if self._server is None:
            return "the stream's server stays away"
        what = random.choice(["goes away", "stalls", "sends noise"])
        if what == "goes away":
            self.close()
        self._stalls(what == "stalls", what == "sends noise")
        return f"the stream's server {what}"

    def come_back(self) -> str:
        """Serve again."""
        self.is_whole = True
        if self._server is None:
            self._server = _Server(self._port, self._pictures)
        self._stalls(False, False)
        return "the stream's server is back"

    def close(self) -> None:
        """End the server, and every connection with it."""
        if self._server is not None:
            self._server.stop()
        self._server = None

    def _stalls(self, stalls: bool, noise: bool) -> None:
        if self._server is not None:
            self._server.stalls, self._server.sends_noise = stalls, noise
