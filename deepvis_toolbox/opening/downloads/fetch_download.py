"""One download: from http, https or file, with a bar, going on where an earlier try was broken off."""

from __future__ import annotations

import http.client
import json
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deepvis_toolbox.atomic_files import cannot_write, check_writable
from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.progress import Silence, show_progress

SECONDS_WITHOUT_DATA = 20.0
"""After which a server has stalled."""
TRIES = 4
"""How often one address is tried; a try that brought something on does not count."""
MOST_TRIES = 100
SECONDS_BETWEEN_TRIES = 1.0
SLOWEST = (20_000, 60.0)
"""Bytes and seconds: a server that sends less in this time might as well have stalled."""
LARGEST_BYTES = 8 << 30
_BLOCK = 1 << 18
_NO_SUCH_RANGE = 416
_BROKEN_OFF = (OSError, http.client.HTTPException, ValueError)


class Download:
    """A download of `address` to `target`, kept in a partial file beside it until `finish`.

    `length`: the published length in bytes, where one is known. `is_published`: its hash is, so that a file put
    together from two versions of it would be found out.
    """

    def __init__(self, address: str, target: Path, length: int | None = None, is_published: bool = False) -> None:
        if not address.startswith(("http://", "https://", "file://")):
            raise ToolboxError("the address does not begin with http://, https:// or file://")
        self._address = address
        self._target = target
        self._partial = target.with_name(f".{target.name}.partial")
        self._source = target.with_name(f".{target.name}.partial.json")
        self._length = length
        self._is_published = is_published

    def run(self, say: Callable[[str], None]) -> Path:
        """Download; give the partial file, now whole. `ToolboxError` with the reason where that is not possible."""
        check_writable(self._target.parent)
        left = TRIES
        for _ in range(MOST_TRIES):
            before = self._have()
            try:
                self._try(say)
                return self._partial
            except urllib.error.HTTPError as error:
                reason = _one_line(f"the server answers {error.code} {error.reason}")
                is_final = 400 <= error.code < 500
                if error.code == _NO_SUCH_RANGE and before:  # what is there is not a part of the server's file
                    self.forget()
                    is_final = False
            except _TooSlowError as error:
                reason, is_final, before = str(error), False, self._have()  # what it brought does not count
            except _BROKEN_OFF as error:
                reason, is_final = _reason(error), _is_final(error)
            left = TRIES if self._have() > before else left - 1
            if is_final or left == 0:
                raise ToolboxError(reason)
            say(f"{self._target.name}: {reason}; trying again")
            time.sleep(SECONDS_BETWEEN_TRIES)
        raise ToolboxError(f"the connection was broken off {MOST_TRIES} times")

    def finish(self) -> None:
        """Finish a file that was found to be right: give it its name."""
        self._partial.replace(self._target)
        self._source.unlink(missing_ok=True)

    def forget(self) -> None:
        """Forget a file that was found to be wrong: the next try starts anew."""
        self._partial.unlink(missing_ok=True)
        self._source.unlink(missing_ok=True)

    def _try(self, say: Callable[[str], None]) -> None:
        start, validator = self._resumable()
        request = urllib.request.Request(self._address, headers={"User-Agent": "deepvis-toolbox"})
        if start:
            request.add_header("Range", f"bytes={start}-")
            if validator:
                request.add_header("If-Range", validator)
        with urllib.request.urlopen(request, timeout=SECONDS_WITHOUT_DATA) as response:
            if start and not _continues(response, start):
                start = 0
            total = self._total(response, start)
            self._note_source(response)
            self._receive(response, start, total, say)

    def _receive(self, response: Any, start: int, total: int | None, say: Callable[[str], None]) -> None:
        if total is None:
            say(f"{self._target.name}: downloading, the server does not tell how much")
        have, pace = start, _Pace()
        with (
            show_progress(total / 1e6, self._target.name, "MB") if total else Silence() as progress,
            self._partial.open("ab" if start else "wb") as file,
        ):
            progress.advance(start / 1e6)
            while block := response.read1(_BLOCK):  # what has come; `read` waits for the whole block, and may lose it
                have += len(block)
                if have > (total or LARGEST_BYTES):
                    raise _WrongLengthError(f"the server sends more than {total or LARGEST_BYTES} bytes")
                try:
                    file.write(block)
                except OSError as error:
                    raise cannot_write(self._partial, error) from None
                progress.advance(len(block) / 1e6)
                pace.count(len(block))
        if total is not None and have < total:
            raise OSError(f"the connection broke off after {have} of {total} bytes")

    def _total(self, response: Any, start: int) -> int | None:
        """Return the whole file's length as the server tells; checked against the published one and the free disk."""
        told = response.headers.get("Content-Length", "")
        total = start + int(told) if told.isdigit() else None
        if total is not None and self._length is not None and total != self._length:
            raise _WrongLengthError(f"the server's file has {total} bytes, the published one {self._length}")
        if (total or 0) > LARGEST_BYTES:
            raise _WrongLengthError(f"the server's file has {total} bytes; more than {LARGEST_BYTES} are not fetched")
        free = shutil.disk_usage(self._target.parent).free
        if total is not None and total - start > free:
            missing = (total - start - free) / 1e6
            raise ToolboxError(f"the disk of {self._target.parent} lacks {missing:.0f} MB; free some space")
        return total if total is not None else self._length

    def _have(self) -> int:
        return self._partial.stat().st_size if self._partial.is_file() else 0

    def _resumable(self) -> tuple[int, str]:
        """Return how much is there of a file from the same address, and by what the server knows it again."""
        try:
            known = json.loads(self._source.read_text("utf-8"))
            validator = str(known["validator"])
            is_same = known["address"] == self._address and (validator or self._is_published)
            return (self._have(), validator) if is_same else (0, "")
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""

    def _note_source(self, response: Any) -> None:
        etag = response.headers.get("ETag") or ""
        validator = etag if etag.startswith('"') else response.headers.get("Last-Modified") or ""
        self._source.write_text(json.dumps({"address": self._address, "validator": validator}), "utf-8")


class _WrongLengthError(OSError):
    """The server's file cannot be the right one; trying again is no use."""


class _TooSlowError(OSError):
    """The server sends, but so little that the file would never be whole."""


class _Pace:
    """Counts what a server sends; `_TooSlowError` where it is less than `SLOWEST`."""

    def __init__(self) -> None:
        self._since, self._bytes = time.monotonic(), 0

    def count(self, received: int) -> None:
        """Note that so many bytes have come."""
        self._bytes += received
        fewest, seconds = SLOWEST
        if time.monotonic() - self._since < seconds:
            return
        if self._bytes < fewest:
            raise _TooSlowError(f"the server sent {self._bytes} bytes in {seconds:.0f} seconds")
        self._since, self._bytes = time.monotonic(), 0


def _continues(response: Any, start: int) -> bool:
    """Return whether the server goes on at `start`, and does not begin anew."""
    return response.status == 206 and str(response.headers.get("Content-Range", "")).startswith(f"bytes {start}-")


def _is_final(error: BaseException) -> bool:
    """Return whether trying again can change nothing: the wrong file, or a file:// address that is not there."""
    reason = getattr(error, "reason", error)
    return isinstance(error, _WrongLengthError | ValueError) or isinstance(
        reason, FileNotFoundError | IsADirectoryError | PermissionError
    )


def _reason(error: BaseException) -> str:
    inner = getattr(error, "reason", error)
    if isinstance(inner, TimeoutError):
        return f"the server sent nothing for {SECONDS_WITHOUT_DATA:.0f} seconds"
    if isinstance(error, http.client.IncompleteRead):
        return "the connection broke off"
    if isinstance(error, urllib.error.URLError):
        return _one_line(f"the address cannot be reached ({getattr(inner, 'strerror', None) or inner})")
    return _one_line(reason_of(error))


def _one_line(text: str) -> str:
    """Return what a server said, as a part of a sentence."""
    printable = "".join(character if character.isprintable() else " " for character in text)
    return " ".join(printable.split())[:200]
