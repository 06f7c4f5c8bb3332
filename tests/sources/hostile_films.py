"""Films and decoders that do what a stranger's may do, for the tests of films."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest

from deepvis_toolbox.sources import isolated_process
from deepvis_toolbox.sources.film_process import FilmProcess, pool
from tests.sources.real_parts import write_video


def spoil(monkeypatch: pytest.MonkeyPatch, ending: str, frame: int = 5) -> None:
    """Have each process that decodes a film do this at its frame `frame`, counted from 0; -1: when it opens it."""
    own = f"""
import deepvis_toolbox.sources.film_worker as _worker, os, sys, time
_real = _worker.FilmDecoder._decoded
_opened = _worker.FilmDecoder._opened
_seen = -1
def _spoilt(self, slot):
    global _seen
    _seen += 1
    if _seen == {frame}:
        {ending}
    return _real(self, slot)
def _opens(self, job):
    global _seen
    _seen = job["skip"] - 1
    if {frame} < 0:
        {ending}
    return _opened(self, job)
_worker.FilmDecoder._decoded = _spoilt
_worker.FilmDecoder._opened = _opens
_worker.main()
raise SystemExit
"""
    own = own.strip().replace("\n", "\n    ")
    start = isolated_process._START.replace("    runpy.run_module", f"    {own}\n    runpy.run_module")
    monkeypatch.setattr(isolated_process, "_START", start)


def film_process() -> FilmProcess:
    """The only process that decodes a film."""
    (process,) = pool.living
    return process


def film_pid() -> int:
    """The number of the only process that decodes a film."""
    return film_process()._process._process.pid


def write_bomb(path: Path, width: int, height: int) -> Path:
    """A film of some kilobytes whose frames have so many pixels: run-length coded, all black."""
    data = bytearray(write_video(path).read_bytes().replace(b"MJPG", b"mrle"))
    struct.pack_into("<II", data, data.index(b"avih") + 40, width, height)
    head = data.index(b"strf") + 8
    struct.pack_into("<IIIHH4s", data, head, 40, width, height, 1, 8, b"\x01\0\0\0")
    for frame in re.finditer(rb"00dc....", bytes(data[: data.index(b"idx1")]), re.DOTALL):
        data[frame.end() : frame.end() + 2] = b"\0\1"  # the end of a picture
    path.write_bytes(data)
    return path
