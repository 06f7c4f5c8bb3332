"""Real Caffe in a process of its own: found, started, spoken to, and what it printed when it died."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

from deepvis_toolbox.errors import ToolboxError, os_reason_of, user_path
from deepvis_toolbox.words.images import Floats

Step = tuple[Any, ...]
"""One step of a `run`: the name of a `Worker.step_…` and its arguments."""

WHERE = "DEEPVIS_CAFFE"
"""The environment variable that names the folder of a build, or a Python that can import caffe."""

_WORKER = Path(__file__).with_name("process_worker.py")
_FATAL = re.compile(r"^F\d{4,8} [^\]]*\] (.*)$", re.MULTILINE)
_CPU_ONLY = "CPU-only Caffe"
_SILENT_END = "its process ended with status"
_WHAT_IT_NAMES = f"{WHERE} must name a folder that scripts/build_caffe.sh made, or a Python that can import caffe"


@dataclass(frozen=True)
class Installation:
    """A Python, and the folders where it finds caffe."""

    python: str
    folders: tuple[Path, ...] = ()


def find_caffe(where: str | None = None) -> Installation:
    """Return the Caffe at `where`, else where DEEPVIS_CAFFE says, else in the build script's usual folder, else this
    Python's.

    Raises `ToolboxError` that says how to get it where there is none.
    """
    named = where or os.environ.get(WHERE)
    if named:
        return _installation_at(user_path(named))
    usual = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share").expanduser() / "deepvis-toolbox" / "caffe"
    if (usual / "complete").exists():
        return _installation_at(usual)
    importable = importlib.util.find_spec("caffe")
    if importable is not None and (importable.origin or "").endswith("__init__.py"):
        return Installation(sys.executable)
    raise ToolboxError(
        "real Caffe is not here: scripts/build_caffe.sh builds it in a few minutes (Debian), or set DEEPVIS_CAFFE to "
        "the folder of such a build or a Python that can import caffe; without it, the engine torch runs the same files"
    )


def _installation_at(place: Path) -> Installation:
    if (place / "python" / "caffe").is_dir():
        return Installation(sys.executable, (place / "python", place / "site"))
    if place.is_file() and os.access(place, os.X_OK):
        return Installation(str(place))
    raise ToolboxError(f'there is no Caffe at "{place}"; {_WHAT_IT_NAMES}')


class CaffeProcess:
    """One running worker. It is dead after a failed check of Caffe's; the error says what Caffe printed.

    `gpu`: the number of a GPU, or None for the CPU. Raises `ToolboxError` where Caffe cannot be imported or has no GPU.
    """

    def __init__(self, installation: Installation, gpu: int | None = None) -> None:
        self._printed: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `close`)
        self._process = _started(installation, self._printed)
        try:
            known = self.call("setup", gpu=gpu)[0]
        except ToolboxError as error:
            self.close()
            if _CPU_ONLY in str(error):
                raise ToolboxError(
                    "this Caffe was built for the CPU only; ask for the device cpu, or build Caffe with CUDA"
                ) from None
            if any(sign in str(error) for sign in (_SILENT_END, "ImportError", "ModuleNotFoundError")):
                reason = str(error).removeprefix("Caffe stopped: ")
                raise ToolboxError(f"{installation.python} cannot import caffe ({reason}); {_WHAT_IT_NAMES}") from None
            raise

        self.version = str(known["version"])
        self.pooling_fields = frozenset(known["pooling_fields"])
        """What a pooling_param may hold; forks differ in how they write rounding down."""

    @property
    def is_alive(self) -> bool:
        """Whether it can still answer."""
        return self._process.poll() is None

    def run(self, steps: Sequence[Step], arrays: Sequence[Floats] = ()) -> list[Floats]:
        """Carry out steps in the worker; give what its `get_…` steps copied, in order: float32, shaped as the blobs."""
        return self.call("run", arrays, steps=[list(step) for step in steps])[1]

    def call(self, command: str, arrays: Sequence[Floats] = (), **header: Any) -> tuple[dict[str, Any], list[Floats]]:
        """Send one command and wait for its answer; arrays are float32, of any shape.

        `ToolboxError` where Caffe refused it or died of it.
        """
        try:
            self._send({"command": command, **header}, arrays)
            answer, results = self._receive()
        except (OSError, EOFError, struct.error):
            raise ToolboxError(f"Caffe stopped: {self._last_words()}") from None
        except BaseException:  # an answer half read: nothing that comes later could be understood
            self.close()
            raise
        if "error" in answer:
            raise ToolboxError(f"Caffe refused: {answer['error']}")
        return answer, results

    def close(self) -> None:
        """End the process, at once."""
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):  # what was left to send has nowhere to go
                    stream.close()
        self._process.wait()
        self._printed.close()

    def _send(self, header: dict[str, Any], arrays: Sequence[Floats]) -> None:
        stream = self._process.stdin
        assert stream is not None
        text = json.dumps({**header, "arrays": [array.shape for array in arrays]}).encode()
        stream.write(struct.pack("<I", len(text)) + text)
        for array in arrays:
            stream.write(np.ascontiguousarray(array, "<f4").tobytes())
        stream.flush()

    def _receive(self) -> tuple[dict[str, Any], list[Floats]]:
        (length,) = struct.unpack("<I", self._read(4))
        header = json.loads(self._read(length))
        return header, [self._read_array(shape) for shape in header["arrays"]]

    def _read(self, count: int) -> bytes:
        stream = self._process.stdout
        assert stream is not None
        data = stream.read(count)
        if len(data) < count:
            raise EOFError
        return data

    def _read_array(self, shape: Sequence[int]) -> Floats:
        stream = self._process.stdout
        assert stream is not None
        array = np.empty(shape, "<f4")
        buffer = array.reshape(-1).view(np.uint8)
        if array.size and stream.readinto(buffer) < array.nbytes:  # type: ignore[attr-defined]
            raise EOFError
        return array

    def _last_words(self) -> str:
        """Return what Caffe printed last: its failed check, or else its last line, or how the process ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=10)
        self._printed.seek(0)
        printed = self._printed.read().decode(errors="replace")
        fatal = _FATAL.findall(printed)
        if fatal:
            return str(fatal[-1]).strip()
        lines = [line.strip() for line in printed.splitlines() if line.strip()]
        return lines[-1] if lines else f"{_SILENT_END} {self._process.poll()}"


def _started(installation: Installation, printed: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            [installation.python, str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=printed,
            env=_environment(installation),
        )
    except OSError as error:
        printed.close()
        raise ToolboxError(f"{installation.python} cannot be run ({os_reason_of(error)}); {_WHAT_IT_NAMES}") from None


def _environment(installation: Installation) -> dict[str, str]:
    folders = [str(folder) for folder in installation.folders]
    inherited = [os.environ["PYTHONPATH"]] if os.environ.get("PYTHONPATH") else []
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([*folders, *inherited]),
        "GLOG_minloglevel": "2",  # errors and failed checks only
        "GLOG_logtostderr": "1",
    }
