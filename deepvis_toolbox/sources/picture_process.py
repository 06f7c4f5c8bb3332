"""The door for pictures that may be anybody's: decoded in processes apart, which hold each to its budget."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.sources import picture_worker
from deepvis_toolbox.sources.decode import Bands, UnreadablePicture, decode_bands, decode_picture
from deepvis_toolbox.sources.isolated_process import (
    ENDED_IT,
    FROM_OUTSIDE,
    OUT_OF_TIME,
    IsolatedProcess,
    how_it_ended,
)
from deepvis_toolbox.sources.picture_budget import MAX_PIXELS, MAX_WAIT
from deepvis_toolbox.sources.shared_memory import read_into, shared_memory, write_all

IS_POSSIBLE = os.name == "posix"
"""Windows cannot hand a memory without a name to another process: there, pictures are decoded in this one."""
_TYPES = {"uint8": np.uint8, "uint16": np.uint16, "float32": np.float32}
_MOST = 4
"""So many pictures are decoded at a time, each by a process of its own; who comes then waits."""


def decode_apart(source: str | Path | bytes) -> NDArray[np.uint8]:
    """Return what `decode_picture` does, decoded in another process: RGB uint8 H×W×3.

    `UnreadablePicture` also for a picture that takes more memory or time than it may, or that ends the process twice;
    its kind `PictureNotDecoded` where that says nothing of the picture.
    May be called from any thread.
    """
    return cast(NDArray[np.uint8], _pool.decode(source)) if IS_POSSIBLE else decode_picture(source)


def decode_bands_apart(source: str | Path | bytes) -> Bands:
    """Return what `decode_bands` does, decoded in another process, as `decode_apart`: H×W×C."""
    return _pool.decode(source, bands=True) if IS_POSSIBLE else decode_bands(source)


def begin() -> None:
    """Start a process, without waiting for it, for whoever is going to decode soon."""
    if IS_POSSIBLE:
        with suppress(ToolboxError, OSError):  # the first picture tells
            _pool.begin()


def end() -> None:
    """End all processes: at the end of a program that does not wait for its threads."""
    _pool.close()


class PictureNotDecoded(UnreadablePicture):
    """A picture that is not to blame: its process was killed by others, or none could be started."""


class _PictureProcess:
    """One process with the memory that it shares. No two threads at a time."""

    def __init__(self) -> None:
        self._memory = shared_memory(0)
        try:
            self._process = IsolatedProcess(picture_worker.__name__, [str(self._memory)], [self._memory])
        except BaseException:
            os.close(self._memory)
            raise

    def decode(self, source: str | Path | bytes, bands: bool) -> Bands | str:
        """Return the pixels, or why there are none. `ToolboxError` or OSError where no process can do its work."""
        answer = self._ask(source, bands)
        if isinstance(answer, int) and -answer not in OUT_OF_TIME:  # what came before may have spoilt the process
            answer = self._ask(source, bands)
        if isinstance(answer, dict):
            return str(answer["reason"]) if "reason" in answer else self._pixels(answer, bands)
        if -answer in FROM_OUTSIDE:
            why = f"the process that decodes it was killed twice ({how_it_ended(answer)}); memory may be short"
            raise ToolboxError(why)
        return f"{ENDED_IT} ({how_it_ended(answer)})"

    def _ask(self, source: str | Path | bytes, bands: bool) -> dict[str, Any] | int:
        if isinstance(source, bytes):
            write_all(self._memory, memoryview(source))
            job: dict[str, Any] = {"bytes": len(source)}
        else:
            job = {"path": os.path.abspath(source)}  # noqa: PTH100 - it has the folder of its start, and follows no "~"
        answer: dict[str, Any] | int = self._process.ask(job | {"bands": bands}, MAX_WAIT)
        return answer

    def _pixels(self, answer: dict[str, Any], bands: bool) -> Bands:
        kind = _TYPES.get(str(answer.get("type")))
        match answer.get("size"):
            case [int(height), int(width), int(count)] if (
                kind is not None
                and min(height, width, count) > 0
                and height * width * count * np.dtype(kind).itemsize <= 3 * MAX_PIXELS
                and (bands or (count == 3 and kind is np.uint8))
            ):
                image = np.empty((height, width, count), kind)
            case _:
                raise ToolboxError("the answer of the process that decodes it makes no sense")
        read_into(self._memory, image.data.cast("B"))
        return image

    def end(self) -> None:
        """End it in the midst of a picture, too, which another thread waits for."""
        self._process.close()

    def close(self) -> None:
        self._process.close()
        os.close(self._memory)

    def forget(self) -> None:
        self._process.forget()
        os.close(self._memory)


class _Pool:
    """Starts processes as they are needed, and keeps one for the next picture."""

    def __init__(self) -> None:
        self._turns = threading.BoundedSemaphore(_MOST)
        self._kept: list[_PictureProcess] = []
        self._busy: list[_PictureProcess] = []

    def begin(self) -> None:
        if not self._kept:
            self._kept.append(_PictureProcess())

    def decode(self, source: str | Path | bytes, bands: bool = False) -> Bands:
        what = "the picture" if isinstance(source, bytes) else str(source)
        try:
            with self._turns:
                outcome = self._decoded(source, bands)
        except MemoryError:
            raise PictureNotDecoded(what, "there is no memory left for its pixels") from None
        except (ToolboxError, OSError) as error:
            reason = os_reason_of(error) if isinstance(error, OSError) else str(error)
            raise PictureNotDecoded(what, reason) from error
        if isinstance(outcome, str):
            raise UnreadablePicture(what, outcome)
        return outcome

    def _decoded(self, source: str | Path | bytes, bands: bool) -> Bands | str:
        try:
            process = self._kept.pop()
        except IndexError:
            process = _PictureProcess()
        self._busy.append(process)
        try:
            outcome = process.decode(source, bands)
        except BaseException:  # Ctrl-C among them: an answer may be on its way, and would be taken for the next one
            process.close()
            raise
        finally:
            self._busy.remove(process)
        if self._kept:
            process.close()
        else:
            self._kept.append(process)
        return outcome

    def close(self) -> None:
        for process in tuple(self._busy):
            process.end()
        while self._kept:
            self._kept.pop().close()

    def forget(self) -> None:
        """In a forked process: the parent goes on with what it has started."""
        while self._kept:
            self._kept.pop().forget()
        self.__init__()  # type: ignore[misc]


_pool = _Pool()
atexit.register(_pool.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.forget)
