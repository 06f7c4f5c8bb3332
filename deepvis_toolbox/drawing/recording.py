"""A video file that can be played up to where it ends, whatever ends it: a full disk, or a killed process."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from deepvis_toolbox.drawing import matroska
from deepvis_toolbox.words.images import RGBImage

MOST_FRAMES, MOST_SECONDS = 24, 1.0
"""A process that is killed loses no more than that, where files are opened as fast as usual."""
_SHARE = 0.1
"""Of the time, at most, that goes into opening files: they are larger where that takes long, as it does while OpenCV
opens a stream that does not answer."""


class Packet(NamedTuple):
    """A frame as the codec wrote it."""

    data: bytes
    is_key: bool


class Recording:
    """A Matroska file to which whole frames are added, a few at a time.

    OpenCV encodes these few into a file beside it, from where they are taken. All methods raise `OSError` where
    something cannot be written.
    """

    def __init__(self, path: Path, codec: str, rate: float, size: tuple[int, int]) -> None:
        """Begin an empty file. `codec`: a key of `matroska.CODEC_IDS`; `rate`: frames a second; `size`: width and
        height. `ValueError` where no codec takes them."""
        self._codec, self._rate, self._size = codec, rate, size
        self._part = path.with_name(f".{path.name}.partial.mkv")
        self._waiting, self.frames, self._since = 0, 0, 0.0
        self._opening, self._times_longer = 0.0, 1.0
        self._writer: cv2.VideoWriter | None = self._begun()
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
        self._file = os.fdopen(os.open(path, flags, 0o666), "wb", buffering=0)

    def write(self, frame: RGBImage) -> None:
        """Write one frame, RGB uint8 H×W×3."""
        if self._writer is None:
            began = time.monotonic()
            self._writer = self._begun()
            self._opening = time.monotonic() - began
        self._writer.write(np.ascontiguousarray(frame[..., ::-1]))
        self._waiting += 1
        is_long = time.monotonic() - self._since > MOST_SECONDS * self._times_longer
        if is_long or self._waiting >= MOST_FRAMES * self._times_longer:
            began = time.monotonic()
            self._keep()
            self._times_longer = max(1.0, (self._opening + time.monotonic() - began) / _SHARE / MOST_SECONDS)

    def finish(self) -> None:
        """Write what waits, and close the file."""
        try:
            self._keep()
        finally:
            self.release()

    def release(self) -> None:
        """Close the file as it is; a second call does nothing."""
        if self._writer is not None:
            self._writer.release()
        self._writer = None
        self._file.close()
        with suppress(OSError):  # it was never made, or its folder is gone
            self._part.unlink()

    def _begun(self) -> cv2.VideoWriter:
        with suppress(FileNotFoundError):  # of a run that was killed
            self._part.unlink()
        writer = cv2.VideoWriter(str(self._part), cv2.VideoWriter.fourcc(*self._codec), self._rate, self._size)
        self._since = time.monotonic()
        if not writer.isOpened():
            if not self._part.parent.is_dir():
                raise _gone()
            raise ValueError(f"no film of {self._size[0]}×{self._size[1]} pixels")
        return writer

    def _keep(self) -> None:
        """Add the frames that wait to the file."""
        if self._writer is None:
            return
        self._writer.release()
        self._writer, wanted, self._waiting = None, self._waiting, 0
        if not self._part.is_file() or os.fstat(self._file.fileno()).st_nlink == 0:
            raise _gone()
        head, packets = read_packets(self._part)
        found = list(packets)
        if found and not self.frames:
            self._add(matroska.head(self._codec, head, self._rate, self._size))
        for packet in found:
            self._add(matroska.frame(packet.data, round(self.frames * 1000 / self._rate), packet.is_key))
            self.frames += 1
        self._part.unlink()
        if len(found) != wanted:  # OpenCV tells no error
            raise OSError(errno.ENOSPC, f"{len(found)} of {wanted} frames were written")

    def _add(self, data: bytes) -> None:
        """Write all of the bytes; the system may take a part of them before it fails."""
        while data:
            data = data[self._file.write(data) :]


def _gone() -> OSError:
    return FileNotFoundError(errno.ENOENT, "it was removed while it was written")


def read_packets(path: Path) -> tuple[bytes, Iterator[Packet]]:
    """Return what a video file's decoder has to know, and its frames as they are stored: nothing is decoded."""
    reader = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_FORMAT, -1])
    _, head = reader.retrieve(None, int(reader.get(cv2.CAP_PROP_CODEC_EXTRADATA_INDEX)))
    return b"" if head is None else head.tobytes(), _packets(reader)


def _packets(reader: cv2.VideoCapture) -> Iterator[Packet]:
    try:
        while (read := reader.read())[0]:
            yield Packet(read[1].tobytes(), bool(reader.get(cv2.CAP_PROP_LRF_HAS_KEY_FRAME)))
    finally:
        reader.release()


def copy_frames(recording: Path, path: Path, codec: str, rate: float, size: tuple[int, int]) -> None:
    """Copy the frames of a recording, as they are, to a file of the kind that its name says. `OSError` where it is not
    whole; OpenCV tells no error, but after one it writes no number of frames either."""
    raw = [cv2.VIDEOWRITER_PROP_RAW_VIDEO, 1]
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), rate, size, raw)
    head, packets = read_packets(recording)
    frames = 0
    with closing(packets):  # type: ignore[type-var]
        for packet in packets:
            data = packet.data if frames else head + packet.data
            writer.set(cv2.VIDEOWRITER_PROP_KEY_FLAG, float(packet.is_key))
            writer.write(np.frombuffer(data, np.uint8).reshape(1, -1))
            frames += 1
    writer.release()
    reader = cv2.VideoCapture(str(path))
    found = round(reader.get(cv2.CAP_PROP_FRAME_COUNT)) if reader.isOpened() else 0
    reader.release()
    if found != frames:
        raise OSError(errno.ENOSPC, f"{max(0, found)} of {frames} frames were copied")
