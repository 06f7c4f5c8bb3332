"""The bytes of a Matroska file that only ever grows (RFC 9559): a head, then a cluster for every frame.

FFmpeg, through OpenCV, keeps up to 256 KiB to itself, seconds of film that a killed process would lose, and tells no
error. Here, what has been written is a whole file at every moment.
"""

from __future__ import annotations

_UNKNOWN_SIZE = b"\x01" + b"\xff" * 7
CODEC_IDS = {"mp4v": b"V_MPEG4/ISO/ASP", "MJPG": b"V_MJPEG"}


def head(codec: str, private: bytes, rate: float, size: tuple[int, int]) -> bytes:
    """Return what comes before the frames. `codec`: a key of `CODEC_IDS`; `private`: what its decoder has to know;
    `rate`: frames a second; `size`: width and height."""
    ebml = _element("1A45DFA3", _element("4282", b"matroska") + _number("4287", 4) + _number("4285", 2))
    info = _element(
        "1549A966", _number("2AD7B1", 1_000_000) + _element("4D80", b"deepvis") + _element("5741", b"deepvis")
    )
    video = _element("E0", _number("B0", size[0]) + _number("BA", size[1]))
    track = [
        _number("D7", 1),  # its number
        _number("73C5", 1),
        _number("83", 1),  # a video
        _number("9C", 0),
        _number("23E383", round(1e9 / rate)),
        _element("86", CODEC_IDS[codec]),
        _element("63A2", private) if private else b"",
        video,
    ]
    tracks = _element("1654AE6B", _element("AE", b"".join(track)))
    return ebml + bytes.fromhex("18538067") + _UNKNOWN_SIZE + info + tracks


def frame(data: bytes, milliseconds: int, is_key: bool) -> bytes:
    """Return a cluster of one frame, as the codec wrote it. `is_key`: it needs no frame before it."""
    block = b"\x81\x00\x00" + (b"\x80" if is_key else b"\x00") + data  # track 1, at the cluster's own time
    return _element("1F43B675", _number("E7", milliseconds) + _element("A3", block))


def _element(identity: str, data: bytes) -> bytes:
    return bytes.fromhex(identity) + b"\x01" + len(data).to_bytes(7, "big") + data


def _number(identity: str, value: int) -> bytes:
    return _element(identity, value.to_bytes(8, "big"))
