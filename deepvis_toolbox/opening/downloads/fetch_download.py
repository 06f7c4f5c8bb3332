"""One download over http or https, with a bar, going on where an earlier try was broken off."""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import shutil
import ssl
import stat
import time
import urllib.error
from collections.abc import Callable
from pathlib import Path
from typing import IO, Annotated, Any

from pydantic import BaseModel, Field, TypeAdapter

from deepvis_toolbox.atomic_files import cannot_write, check_writable, give_name, write_json
from deepvis_toolbox.checked_json import read_checked
from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of
from deepvis_toolbox.opening.downloads import fetch_connection as connection
from deepvis_toolbox.progress import Silence, show_progress
from deepvis_toolbox.shown_text import shown

TRIES = 4
"""How often one address is tried; a try that brought something on does not count."""
MOST_TRIES = 100
SECONDS_BETWEEN_TRIES = 1.0
SLOWEST = (20_000, 60.0)
"""Bytes and seconds: a server that sends less in this time might as well have stalled."""
SECONDS_IN_ALL = 24 * 3600.0
"""For all tries of one address."""
LARGEST_BYTES = 8 << 30
_BLOCK = 1 << 18
_NO_SUCH_RANGE = 416
_LONGEST_VALIDATOR = 200
_LARGEST_NOTE = 1 << 16


class _Note(BaseModel):
    """What is written beside a partial file."""

    address: str
    """SHA-256 of it, in hexadecimal."""
    validator: Annotated[str, Field(max_length=_LONGEST_VALIDATOR, pattern=r"\A[ -~]*\z")]
    """By what the server knows the file again; empty where it does not."""


_NOTE = TypeAdapter(_Note)
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)", re.ASCII)
_BROKEN_OFF = (OSError, http.client.HTTPException, ValueError)
_WRITE_OWN = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)


class Download:
    """A download of `address` to `target`, kept in a partial file beside it until `finish`.

    `length`: the published length in bytes, where one is known. `is_published`: its hash is, so that a file put
    together from two versions of it would be found out.
    """

    def __init__(self, address: str, target: Path, length: int | None = None, is_published: bool = False) -> None:
        connection.check_address(address)
        self._address = address
        self._target = target
        self._partial = target.with_name(f".{target.name}.partial")
        self._source = target.with_name(f".{target.name}.partial.json")
        self._noted_address = hashlib.sha256(address.encode()).hexdigest()  # it may hold a password
        self._length = length
        self._is_published = is_published

    def run(self, say: Callable[[str], None]) -> Path:
        """Download; give the partial file, now whole. `ToolboxError` with the reason where that is not possible."""
        check_writable(self._target.parent)
        self._check_own()
        limit = connection.TimeLimit(SECONDS_IN_ALL)
        left = TRIES
        for _ in range(MOST_TRIES):
            before = self._have()
            try:
                self._try(limit, say)
                return self._partial
            except _BROKEN_OFF as error:
                cause = _cause(error)
            is_final = _is_final(cause, before)
            if isinstance(cause, urllib.error.HTTPError):
                cause.close()
            if getattr(cause, "code", None) == _NO_SUCH_RANGE or isinstance(cause, _WrongLengthError):
                self.forget()  # it is not a part of the server's file, or no use
            if isinstance(cause, connection.TooSlowError):
                before = self._have()  # what it brought does not count
            left = TRIES if self._have() > before else left - 1
            if is_final or left == 0:
                raise ToolboxError(_reason(cause))
            say(f"{self._target.name}: {_reason(cause)}; trying again")
            time.sleep(SECONDS_BETWEEN_TRIES)
        raise ToolboxError(f"the connection was broken off {MOST_TRIES} times")

    def finish(self) -> None:
        """Finish a file that was found to be right: give it its name, where nothing has it."""
        try:
            give_name(self._partial, self._target)
        except FileExistsError:
            raise ToolboxError(f'"{self._target}" is there by now, and was left as it is; move it away') from None
        except OSError as error:
            raise cannot_write(self._target, error) from None
        self._source.unlink(missing_ok=True)

    def forget(self) -> None:
        """Forget a file that was found to be wrong: the next try starts anew."""
        self._partial.unlink(missing_ok=True)
        self._source.unlink(missing_ok=True)

    def _check_own(self) -> None:
        """Refuse what is in the place of the partial file and is none: it is the user's, or leads elsewhere."""
        for path in (self._partial, self._source):
            if not os.path.lexists(path):
                continue
            status = path.lstat()
            is_plain = stat.S_ISREG(status.st_mode) and status.st_nlink == 1
            if not is_plain or not self._source.is_file():  # which is written first
                raise ToolboxError(f'"{path}" is in the way, and is no broken-off download; move it away')

    def _try(self, limit: connection.TimeLimit, say: Callable[[str], None]) -> None:
        start, validator = self._resumable()
        headers = {"Range": f"bytes={start}-"} if start else {}
        if start and validator:
            headers["If-Range"] = validator
        with connection.open_url(self._address, headers, limit) as response:
            start, total = self._extent(response, start)
            self._check_is_bare(response)
            self._check_total(start, total)
            self._note_source(response, validator if start else "")
            self._receive(response, start, total if total is not None else self._length, limit, say)

    def _extent(self, response: Any, start: int) -> tuple[int, int | None]:
        """Return where in the file the answer begins, and the whole file's length where the server tells it."""
        if response.status == 200:
            return 0, response.length
        told = _RANGE.fullmatch(response.headers.get("Content-Range") or "")
        if response.status != 206 or told is None or int(told[1]) != start or not start:
            raise OSError(f"the server's answer ({response.status}) is not the file that was asked for")
        if told[3] != "*":
            return start, int(told[3])
        return start, None if response.length is None else start + response.length

    def _check_is_bare(self, response: Any) -> None:
        """Refuse what is packed for the way alone. Some servers say so of each .gz, and send it as it is."""
        coding = (response.headers.get("Content-Encoding") or "identity").lower()
        if coding != "identity" and not self._target.name.lower().endswith((".gz", ".tgz")):
            raise connection.RefusedError(f"the server sends it packed ({coding[:40]}), which was not asked for")

    def _check_total(self, start: int, total: int | None) -> None:
        """Compare the length that the server tells with the published one, the limit and the free disk."""
        if total is None:
            return
        if self._length is not None and total != self._length:
            raise _WrongLengthError(f"the server's file has {total} bytes, the published one {self._length}")
        if total > LARGEST_BYTES:
            raise _WrongLengthError(f"the server's file has {total} bytes; more than {LARGEST_BYTES} are not fetched")
        missing = (total - start - shutil.disk_usage(self._target.parent).free) / 1e6
        if missing > 0:
            raise ToolboxError(f"the disk of {self._target.parent} lacks {missing:.0f} MB; free some space")

    def _receive(
        self, response: Any, start: int, total: int | None, limit: connection.TimeLimit, say: Callable[[str], None]
    ) -> None:
        if total is None:
            say(f"{self._target.name}: downloading, the server does not tell how much")
        have, most, pace = start, LARGEST_BYTES if total is None else total, _Pace()
        with (
            show_progress(total / 1e6, self._target.name, "MB") if total else Silence() as progress,
            self._opened(start) as file,
        ):
            progress.advance(start / 1e6)
            while block := self._next_block(response, limit):
                have += len(block)
                if have > most:
                    raise _WrongLengthError(f"the server sends more than {most} bytes")
                try:
                    file.write(block)
                except OSError as error:
                    if total is None:  # nobody could know that the disk is too small
                        self.forget()
                    raise cannot_write(self._partial, error) from None
                progress.advance(len(block) / 1e6)
                pace.count(len(block))
        if total is not None and have < total:
            raise OSError(f"the connection broke off after {have} of {total} bytes")

    def _next_block(self, response: Any, limit: connection.TimeLimit) -> bytes:
        """Return what has come; `read` would wait for the whole block, and may lose it."""
        limit.begin("a piece of the file", connection.SECONDS_FOR_A_PIECE)
        return bytes(response.read1(_BLOCK))

    def _opened(self, start: int) -> IO[bytes]:
        """Open the partial file to go on at its end, or a new one; never what a link of that name leads to."""
        try:
            if not start:
                self._partial.unlink(missing_ok=True)
            flags = _WRITE_OWN | (os.O_APPEND if start else os.O_CREAT | os.O_EXCL)
            return os.fdopen(os.open(self._partial, flags, 0o666), "wb")
        except OSError as error:
            raise cannot_write(self._partial, error) from None

    def _have(self) -> int:
        return self._partial.stat().st_size if self._partial.is_file() else 0

    def _resumable(self) -> tuple[int, str]:
        """Return how much is there of a file from the same address, and by what the server knows it again."""
        try:
            known = read_checked(self._source, _LARGEST_NOTE, _NOTE)
        except (OSError, ValueError):
            return 0, ""
        is_same = known.address == self._noted_address and (known.validator or self._is_published)
        return (self._have(), known.validator) if is_same else (0, "")

    def _note_source(self, response: Any, before: str) -> None:
        """Write down by what the server knows the file again; `before`: that of the part which it goes on with."""
        etag = response.headers.get("ETag") or ""
        validator = etag if etag.startswith('"') else response.headers.get("Last-Modified") or before
        if not (validator.isascii() and validator.isprintable() and len(validator) <= _LONGEST_VALIDATOR):
            validator = ""
        write_json(self._source, {"address": self._noted_address, "validator": validator})


class _WrongLengthError(OSError):
    """The server's file cannot be the right one; trying again is no use."""


class _Pace:
    """Counts what a server sends; `TooSlowError` where it is less than `SLOWEST`."""

    def __init__(self) -> None:
        self._since, self._bytes = time.monotonic(), 0

    def count(self, received: int) -> None:
        """Note that so many bytes have come."""
        self._bytes += received
        fewest, seconds = SLOWEST
        if time.monotonic() - self._since < seconds:
            return
        if self._bytes < fewest:
            raise connection.TooSlowError(f"the server sent {self._bytes} bytes in {seconds:.0f} seconds")
        self._since, self._bytes = time.monotonic(), 0


def _cause(error: Exception) -> BaseException:
    """Return what urllib has wrapped; an answer of the server's is its own cause."""
    inner = getattr(error, "reason", None)
    is_wrapped = isinstance(error, urllib.error.URLError) and not isinstance(error, urllib.error.HTTPError)
    return inner if is_wrapped and isinstance(inner, BaseException) else error


def _is_final(cause: BaseException, before: int) -> bool:
    """Return whether trying again can change nothing; `before`: so much of the file was there."""
    if isinstance(cause, urllib.error.HTTPError):
        return 300 <= cause.code < 500 and not (cause.code == _NO_SUCH_RANGE and before)
    return isinstance(cause, _WrongLengthError | connection.RefusedError | ssl.SSLCertVerificationError | ValueError)


def _reason(cause: BaseException) -> str:
    if isinstance(cause, urllib.error.HTTPError):
        return _short(f"the server answers {cause.code} {cause.reason}")
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the server's certificate is not valid ({cause.verify_message})"
    if isinstance(cause, TimeoutError):
        return f"the server sent nothing for {connection.SECONDS_WITHOUT_DATA:.0f} seconds"
    if isinstance(cause, http.client.IncompleteRead):
        return "the connection broke off"
    if isinstance(cause, OSError) and cause.errno is not None:
        return _short(f"the address cannot be reached ({os_reason_of(cause)})")
    return _short(reason_of(cause))


def _short(text: str) -> str:
    """Return what a server said, as a part of a sentence."""
    return shown(" ".join(text.split())[:200])
