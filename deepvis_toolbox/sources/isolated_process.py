"""A Python of its own for what strangers' files are done with: isolated, asked in lines of JSON, started again when it
dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, ClassVar

from deepvis_toolbox import installation
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.pipe_lines import LineReader

READY = "ready"
"""What such a program says first, once it has started."""
ENDED_IT = "it ended the process that decodes pictures"
"""How the reason of such a picture begins: of one that ended a process which had decoded nothing else before."""
FROM_OUTSIDE = {
    getattr(signal, name) for name in ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT", "SIGQUIT") if hasattr(signal, name)
}
"""What others send: the system when memory is short (SIGKILL), a scheduler, a person. No picture causes them."""
OUT_OF_TIME = {getattr(signal, name) for name in ("SIGPROF", "SIGXCPU") if hasattr(signal, name)}
"""What ends a process whose picture takes more processor time than it may: no second try would be quicker."""
_STARTS = 3
"""So often is a process started that is killed before it is ready."""
_SECONDS_TO_END = 10
_SETTINGS = {"OMP_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(32 << 20), "MALLOC_TRIM_THRESHOLD_": str(64 << 20)}
"""The latter two for glibc's allocator: of what a picture took, so much is kept for the next, and not cleared again."""


class DecoderKilledError(ToolboxError):
    """The process that decodes pictures was killed from outside, also when it had one picture alone."""


class SilentProcessError(ToolboxError):
    """The process gave no answer in the time that it had, and was ended."""


class IsolatedProcess:
    """Answers questions, one line of JSON each. No two threads at a time."""

    answers: ClassVar[type] = dict
    """What an answer is, `dict` or `list`; anything else makes no sense. A text is why it ends."""

    def __init__(
        self, program: str, arguments: Sequence[str], descriptors: Sequence[int], first_line: str = "", advice: str = ""
    ) -> None:
        """`program`: the module that is run, with `arguments`; `descriptors`: the open files that it gets, beside its
        streams. `first_line` is told to it at each start; `advice` ends the error where none can be started."""
        self._program = [program, *arguments]
        self._descriptors, self._first_line, self._advice = tuple(descriptors), first_line, advice
        self._closed = self._is_ready = False
        self._process = self._start()

    def close(self) -> None:
        """End the process."""
        self._closed = True
        self._process.kill()
        self._process.wait()
        self._close_pipes()

    def forget(self) -> None:
        """Close this process's copies of the pipes: in a fork, whose parent goes on with the process."""
        self._closed = True
        self._process.returncode = 0  # it is no child of this one
        self._close_pipes()

    def _close_pipes(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):  # there was something in it for the dead
                _open(pipe).close()

    def ask(self, job: dict[str, Any], seconds: float | None = None) -> Any:
        """Return the answer to `job`; or, an int, the exit status of a process that died on the way (then there is a
        new one).

        `SilentProcessError` where it takes more than `seconds`; `ToolboxError` where no process can be started.
        """
        self.tell(job)
        if seconds is not None:
            self._await_answer(seconds)
        return self._answer_or_status()

    def tell(self, job: dict[str, Any]) -> None:
        """Ask without waiting for the answer; several jobs are answered in their order. `ToolboxError` as `ask`."""
        self._await_start()
        with suppress(OSError, ValueError):  # it is dead, or this end is closed: whoever waits for the answer is told
            _write(self._process, json.dumps(job))

    def next_answer(self, seconds: float) -> Any:
        """Return the next answer as `ask` does; None where it takes more than `seconds`: it may still come."""
        with suppress(OSError, ValueError):
            if not self._lines.wait(seconds):
                return None
        return self._answer_or_status()

    def restart(self) -> None:
        """End the process, whatever it does, and start a new one."""
        self._process.kill()
        self._process.wait()
        self._start_again()

    def _answer_or_status(self) -> Any:
        try:
            answer = self._answer()
            if isinstance(answer, self.answers):
                return answer
            if answer is not None and not isinstance(answer, str):
                self._process.kill()
        except OSError:  # it is dead
            pass
        except (ValueError, RecursionError):  # what it says makes no sense, or this end is closed
            self._process.kill()
        status = self._status_of_the_dead()
        self._start_again()
        return status

    def _await_answer(self, seconds: float) -> None:
        with suppress(OSError, ValueError):
            if not self._lines.wait(seconds):
                self.restart()
                raise SilentProcessError(f"it took more than {seconds:.0f} s")

    def _await_start(self) -> None:
        """Wait until the process can answer. `ToolboxError` where it cannot be started."""
        for _ in range(_STARTS):
            if self._is_ready:
                return
            said = None
            with suppress(OSError, ValueError):
                said = self._answer()
            if said == READY:
                self._is_ready = True
                return
            status = self._status_of_the_dead()
            if -status not in FROM_OUTSIDE:
                reason = said if isinstance(said, str) else how_it_ended(status)
                raise ToolboxError(f"the processes that decode pictures and films cannot be started: {reason}")
            self._start_again()
        raise killed_twice(status, "before it was ready")

    def _answer(self) -> object:
        """Return what the process says next; None where it dies before it has said it."""
        line = self._lines.line()
        return json.loads(line) if line.endswith(b"\n") else None

    def _status_of_the_dead(self) -> int:
        """Return how the process has ended, which has just failed to answer."""
        if self._closed:
            raise ToolboxError("decoding was ended")
        try:
            return self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _start_again(self) -> None:
        self._close_pipes()
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        self._is_ready = False
        try:
            process = subprocess.Popen(
                [sys.executable, "-I", "-c", _START, json.dumps(_own_search_path()), *self._program],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=self._descriptors,
                start_new_session=True,  # Ctrl-C is for this process alone; the other ends with its stdin
                env={**os.environ, **_SETTINGS},
            )
        except OSError as error:
            raise ToolboxError(
                f"the processes that decode pictures and films cannot be started: {error.strerror}{self._advice}"
            ) from error
        self._lines = LineReader(_open(process.stdout))
        with suppress(OSError):  # it died at once: the first question notices
            _write(process, self._first_line)
        return process


_START = """
import json, os, runpy, sys
status = 0
for stream in (sys.stdin, sys.stdout):
    stream.reconfigure(encoding="utf-8", errors="surrogateescape")
try:
    sys.path[:], module = json.loads(sys.argv[1]), sys.argv[2]
    del sys.argv[1:3]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
except Exception as error:
    status = 1
    try:
        print(json.dumps(f"{type(error).__name__}: {error}"), flush=True)
    except OSError:
        pass
os._exit(status)  # whoever asked may be gone: what was not said is not said to a closed pipe
"""
"""Python in isolation, with our own search path: beside pictures may lie a file called `cv2.py`."""


def _own_search_path() -> list[str]:
    """Return where this process finds modules, the program first; the working directory only where it lies there."""
    root, here = str(installation.PACKAGE.parent), str(Path.cwd())
    return [root, *(place for place in sys.path if place not in ("", here, root))]


def killed_twice(status: int, when: str) -> DecoderKilledError:
    """Return the error of a process that others have killed, twice: `when` says where it was."""
    return DecoderKilledError(
        f"the process that decodes pictures was killed twice ({how_it_ended(status)}), at last {when}; memory may be "
        "short: free some or use fewer --workers, and run it again, it goes on where it was"
    )


def how_it_ended(status: int) -> str:
    """Return how a process ended, in words."""
    if status >= 0:
        return f"exit status {status}"
    if -status in OUT_OF_TIME:
        return "out of time"
    with suppress(ValueError):
        return signal.Signals(-status).name
    return f"signal {-status}"


def _write(process: subprocess.Popen[bytes], line: str) -> None:
    """Say a line to the process. OSError where it is dead, ValueError where this end is closed."""
    pipe = _open(process.stdin)
    pipe.write(f"{line}\n".encode(errors="surrogateescape"))
    pipe.flush()


def _open(stream: IO[bytes] | None) -> IO[bytes]:
    assert stream is not None  # Popen was asked for pipes
    return stream
