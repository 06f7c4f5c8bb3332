"""One process that decodes pictures beside the network; and whose fault it is when it dies, a picture's or not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO

from deepvis_toolbox import installation
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.scan.pictures import decode_worker

ENDED_IT = "it ended the process that decodes pictures"
"""How the reason of such a picture begins: of one that ended a process which had decoded nothing else before."""
_FROM_OUTSIDE = {
    getattr(signal, name) for name in ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT") if hasattr(signal, name)
}
"""What others send: the system when memory is short (SIGKILL), a scheduler, a person. No picture causes them."""
_OUT_OF_TIME = {getattr(signal, name) for name in ("SIGPROF", "SIGXCPU") if hasattr(signal, name)}
"""What ends a process whose picture takes more processor time than it may: no second try would be quicker."""
_STARTS = 3
"""So often is a process started that is killed before it is ready."""
_SECONDS_TO_END = 10


class DecoderKilledError(ToolboxError):
    """The process that decodes pictures was killed from outside, also when it had one picture alone."""


class DecodeProcess:
    """Decodes into a shared memory. Started again when it dies; see `decode`."""

    def __init__(self, descriptor: int, size: int, picture_bytes: int, first_line: str) -> None:
        self._descriptor, self._size = descriptor, size
        self._picture_bytes, self._first_line = picture_bytes, first_line
        self._closed = self._is_ready = False
        self._process = self._start()

    def decode(self, offset: int, paths: list[str]) -> list[str | None]:
        """Decode into the shared memory from `offset` on; a reason for each picture that cannot be read.

        Pictures whose process dies are tried again one by one. One that ends a process in which it is alone is to
        blame, and has a reason. `DecoderKilledError` where that process is killed from outside, which is no picture's
        fault; `ToolboxError` where no process can be started.
        """
        answer = self._ask(offset, paths)
        if not isinstance(answer, int):
            return answer
        return [self._alone(offset + index * self._picture_bytes, path) for index, path in enumerate(paths)]

    def close(self) -> None:
        """End the process."""
        self._closed = True
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # there was something in it for the dead
                _open(pipe).close()

    def _alone(self, offset: int, path: str) -> str | None:
        answer = self._ask(offset, [path])
        if isinstance(answer, int) and -answer not in _OUT_OF_TIME:  # what came before may have spoilt the process
            answer = self._ask(offset, [path])
        if not isinstance(answer, int):
            return answer[0]
        if -answer in _FROM_OUTSIDE:
            raise _killed(answer, f'while it had "{path}" alone')
        return f"{ENDED_IT} ({_how(answer)})"

    def _ask(self, offset: int, paths: list[str]) -> list[str | None] | int:
        """Return the worker's answer; or the exit status of one that died on the way (then there is a new one)."""
        self._await_start()
        with suppress(OSError, ValueError):  # it is dead, or this end is closed
            _open(self._process.stdin).write(json.dumps({"offset": offset, "paths": paths}) + "\n")
            _open(self._process.stdin).flush()
            reasons = self._answer()
            if isinstance(reasons, list):
                return reasons
        status = self._status_of_the_dead()
        self._process = self._start()
        return status

    def _await_start(self) -> None:
        """Wait until the process can decode. `ToolboxError` where it cannot be started."""
        for _ in range(_STARTS):
            if self._is_ready:
                return
            said = None
            with suppress(OSError, ValueError):
                said = self._answer()
            if said == decode_worker.READY:
                self._is_ready = True
                return
            status = self._status_of_the_dead()
            if -status not in _FROM_OUTSIDE:
                reason = said if isinstance(said, str) else _how(status)
                raise ToolboxError(f"the processes that decode pictures cannot be started: {reason}")
            self._process = self._start()
        raise _killed(status, "before it was ready")

    def _answer(self) -> object:
        """Return what the process says next; None where it dies before it has said it."""
        line = _open(self._process.stdout).readline()
        return json.loads(line) if line.endswith("\n") else None

    def _status_of_the_dead(self) -> int:
        """Return how the process has ended, which has just failed to answer."""
        if self._closed:
            raise ToolboxError("decoding was ended")
        try:
            return self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _start(self) -> subprocess.Popen[str]:
        self._is_ready = False
        program = [sys.executable, "-I", "-c", _START, json.dumps(_own_search_path()), decode_worker.__name__]
        try:
            process = subprocess.Popen(
                [*program, str(self._descriptor), str(self._size)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                errors="surrogateescape",
                pass_fds=(self._descriptor,),
                start_new_session=True,  # Ctrl-C is for this process alone; the other ends with its stdin
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        except OSError as error:
            raise ToolboxError(
                f"the processes that decode pictures cannot be started: {error.strerror}; use fewer --workers"
            ) from error
        with suppress(OSError):  # it died at once: the first question notices
            _open(process.stdin).write(self._first_line + "\n")
            _open(process.stdin).flush()
        return process


_START = """
import json, runpy, sys
for stream in (sys.stdin, sys.stdout):
    stream.reconfigure(encoding="utf-8", errors="surrogateescape")
try:
    sys.path[:], module = json.loads(sys.argv[1]), sys.argv[2]
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
except Exception as error:
    print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
    sys.exit(1)
"""
"""Python in isolation, with our own search path: beside pictures may lie a file called `cv2.py`."""


def _own_search_path() -> list[str]:
    """Return where this process finds modules, the program first; the working directory only where it lies there."""
    root, here = str(installation.PACKAGE.parent), str(Path.cwd())
    return [root, *(place for place in sys.path if place not in ("", here, root))]


def _killed(status: int, when: str) -> DecoderKilledError:
    return DecoderKilledError(
        f"the process that decodes pictures was killed twice ({_how(status)}), at last {when}; memory may be short: "
        "free some or use fewer --workers, and run it again, it goes on where it was"
    )


def _how(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f"exit status {status}"
    if -status in _OUT_OF_TIME:
        return "out of time"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"


def _open(stream: IO[str] | None) -> IO[str]:
    assert stream is not None  # Popen was asked for pipes
    return stream
