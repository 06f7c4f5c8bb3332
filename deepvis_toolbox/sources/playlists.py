"""Playlists over https: FFmpeg fetches what they name without a look at certificates, so that they are not opened."""

from __future__ import annotations

import http.client
from contextlib import closing
from urllib.parse import urlsplit

from deepvis_toolbox.opening.downloads.fetch_connection import TimeLimit, open_url

FORMATS_OF_ONE_ADDRESS = ",".join((
    "asf", "avi", "av1", "dv", "flv", "live_flv", "gif", "gxf", "h263", "h264", "hevc", "ivf", "m4v", "matroska",
    "mjpeg", "mov", "mpeg", "mpegts", "mpegvideo", "mpjpeg", "mxf", "nut", "obu", "ogg", "rm", "vc1", "vvc", "webm",
    "wtv", "apng", "yuv4mpegpipe", "bmp_pipe", "gif_pipe", "j2k_pipe", "jpeg_pipe", "jpegxl_pipe", "png_pipe",
    "ppm_pipe", "tiff_pipe", "webp_pipe",
))  # fmt: skip
"""FFmpeg's names of what it reads from the address that it was given, and from no other: playlists (`hls`, `dash`,
`concat`) and numbered pictures (`image2`) are fetched anew, without being told that certificates are checked."""
_BEGINNINGS = (b"#EXTM3U", b"<MPD", b"<?xml")
_ENDINGS = (".m3u8", ".m3u", ".mpd")
_SECONDS_TO_ASK = 5.0


def is_playlist(url: str) -> bool:
    """Return whether an https address brings a list of other addresses, by its ending or by how it begins."""
    parts = urlsplit(url)
    return parts.scheme == "https" and (
        parts.path.lower().endswith(_ENDINGS) or _beginning(url).startswith(_BEGINNINGS)
    )


def _beginning(url: str) -> bytes:
    try:
        with closing(open_url(url, {}, TimeLimit(_SECONDS_TO_ASK))) as answer:
            return bytes(answer.read(64)).lstrip(b"\xef\xbb\xbf \t\r\n")
    except (OSError, ValueError, http.client.HTTPException):
        return b""
