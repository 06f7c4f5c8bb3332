"""A workplace with all that the programs are given, and commands that run there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT

from .programs import JOBS, Job

PICTURES = 24
FETCHED = bytes(range(256)) * 400


@dataclass
class Ended:
    """How a command ended: below zero, the signal that killed it."""

    status: int
    out: str
    err: str


class Workplace:
    """What jobs are given, and a folder for each of them. `environment`: for processes that run there."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder, self._address, self._count = folder, address, 0
        models = folder / "given"
        (models / "model").mkdir(parents=True)
        (models / "model" / "model.yaml").write_text(
            "name: small\nframework: torch\nfactory: pipeline_convnet:make\ninput: {size: 16, mean: 127, std: 64}\n"
            "presets: {default: {max_iter: 8, lr_policy: constant, lr_params: {lr: 10.0}}}\n"
        )
        (models / "images").mkdir()
        random = np.random.default_rng(0)
        for number in range(PICTURES):
            picture = random.integers(0, 256, (20, 20, 3)).astype(np.uint8)
            cv2.imwrite(str(models / "images" / f"{number:02d}.png"), picture)
        self.environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "pipeline")]),
            "DEEPVIS_MODELS": str(models),  # the user's own models, which may name code
            "XDG_CONFIG_HOME": str(folder / "configuration"),
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def words(self, job: Job, out: Path) -> list[str]:
        """The command line that does the job into a folder."""
        return [self._placed(word, out) for word in job.words]

    def _placed(self, word: str, out: Path) -> str:
        first = word.split("/")[0]
        if first == "given":
            return str(self.folder / word)
        if first == "out":
            return str(out / word.removeprefix("out").removeprefix("/"))
        return str(ROOT / word) if word.endswith(".py") else word

    def place(self, job: Job) -> Path:
        """A new folder for the job's results, with what must lie in it before."""
        self._count += 1
        out = self.folder / f"{job.name} {self._count}"
        self.prepare(job, out)
        return out

    def prepare(self, job: Job, out: Path) -> None:
        """Make what must lie in the folder before."""
        if job.name in ("fetch", "window"):
            out.mkdir()
        if job.name == "fetch":
            items = f"[{{url: '{self._address}/weights.pt', file: weights.pt}}]"
            (out / "model.yaml").write_text(
                f"name: fetched\nframework: caffe\nprototxt: deploy.prototxt\nfetch: {items}\n"
            )


HANGS_AFTER = 300.0
"""Seconds."""


class Warm:
    """Runs commands in processes that are forked from one that has imported all they need."""

    def __init__(self, workplace: Workplace) -> None:
        self.workplace = workplace
        self._server = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("warm.py"))],
            env=workplace.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def start(
        self, job: Job, out: Path, limit: int | None = None, closed: Sequence[int] = (), said: str | None = None
    ) -> None:
        """Begin. `limit`: of a file's size in bytes; `closed`: descriptors below 3; `said`: a device to speak to."""
        self._said = said or str(self.workplace.folder / "said")
        record = {
            "words": self.workplace.words(job, out),
            "folder": str(self.workplace.folder),
            "said": [said, said] if said else [f"{self._said}.out", f"{self._said}.err"],
            "limit": limit,
            "closed": list(closed),
        }
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(record) + "\n")
        self._server.stdin.flush()
        self._process = int(self._line())

    def signal(self, number: int) -> None:
        """Send a signal to what was started, if it has not ended."""
        assert self._process > 1
        with suppress(ProcessLookupError):
            os.kill(self._process, number)

    def wait(self) -> Ended:
        """Wait for the end of what was started; what hangs is killed, which no test takes for a good end."""
        hanging = threading.Timer(HANGS_AFTER, self.signal, (signal.SIGKILL,))
        hanging.start()
        status = int(self._line())
        hanging.cancel()
        if self._said.startswith("/dev/"):
            return Ended(status, "", "")
        return Ended(status, *(Path(f"{self._said}.{name}").read_text(errors="replace") for name in ("out", "err")))

    def run(self, job: Job, out: Path, **faults: Any) -> Ended:
        """Run to the end; `faults` as for `start`."""
        self.start(job, out, **faults)
        return self.wait()

    def _line(self) -> str:
        assert self._server.stdout is not None
        line = self._server.stdout.readline()
        assert line, "the process that forks has ended"
        return line

    def close(self) -> None:
        """End it."""
        self._server.communicate(timeout=60)


class Undisturbed(dict[str, "Whole"]):
    """Every job by name, done once without a fault."""


@dataclass
class Whole:
    """How a job ended, what it left, and how many seconds it took."""

    ended: Ended
    files: dict[str, bytes]
    seconds: float


def left_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path there."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def unlike(left: dict[str, bytes], whole: dict[str, bytes]) -> set[str]:
    """The files that are not the same in both: in bytes, or in lines of numbers up to a float's noise.

    What a unit is computed together with changes its numbers in the last places.
    """
    return {name for name in left.keys() | whole.keys() if not _alike(left.get(name, b""), whole.get(name, b""), name)}


def _alike(one: bytes, other: bytes, name: str) -> bool:
    if one == other or not name.endswith(".jsonl"):
        return one == other
    lines, others = (data.decode().splitlines() for data in (one, other))
    return len(lines) == len(others) and all(
        json.loads(line) == {key: _about(value) for key, value in json.loads(like).items()}
        for line, like in zip(lines, others, strict=True)
    )


def _about(value: object) -> object:
    return pytest.approx(value, rel=1e-5) if isinstance(value, float) else value


class _Weights(BaseHTTPRequestHandler):
    """Sends a file slowly enough to be interrupted."""

    def do_GET(self) -> None:
        start = int((self.headers.get("Range") or "bytes=0-")[6:-1])
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(FETCHED) - start))
        self.send_header("ETag", '"1"')
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(FETCHED) - 1}/{len(FETCHED)}")
        self.end_headers()
        for offset in range(start, len(FETCHED), len(FETCHED) // 10):
            try:
                self.wfile.write(FETCHED[offset : min(offset + len(FETCHED) // 10, len(FETCHED))])
            except OSError:
                return
            Event().wait(0.02)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Of a server that has weights to fetch."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Weights)
    server.daemon_threads = True
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory, address: str) -> Iterator[Warm]:
    """Commands that start at once, in a workplace with all that they are given."""
    workplace = Workplace(tmp_path_factory.mktemp("faults"), address)
    warm = Warm(workplace)
    given = workplace.folder / "given"
    scan = JOBS["scan"]
    parts = [Job("part", (*scan.words, "--shard", f"{number}/2")) for number in (0, 1)]
    made = [(scan, "maxes"), (parts[0], "part0"), (parts[1], "part1"), (JOBS["optimize"], "store")]
    for job, name in made:
        ended = warm.run(job, given / name)
        assert ended.status == 0, ended.err
    yield warm
    warm.close()
    shutil.rmtree(workplace.folder, ignore_errors=True)


@pytest.fixture(scope="session")
def undisturbed(warm: Warm) -> Undisturbed:
    done = Undisturbed()
    for name, job in JOBS.items():
        out = warm.workplace.place(job)
        began = time.monotonic()
        ended = warm.run(job, out)
        assert ended.status == 0, (name, ended)
        done[name] = Whole(ended, left_in(out) if out.exists() else {}, time.monotonic() - began)
    return done


@pytest.fixture(autouse=True)
def hangup_ends_programs() -> Iterator[None]:
    """What is started here is ended by SIGHUP, also where the tests themselves run under nohup."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)
