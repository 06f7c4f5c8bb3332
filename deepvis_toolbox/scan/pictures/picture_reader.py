"""One picture of a list as the network's input, or the reason why it cannot be read."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError, sentence_of
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.scan.pictures.archives import ArchiveReader, split_member
from deepvis_toolbox.scan.pictures.remote_files import is_url, read_url
from deepvis_toolbox.sources.decode import Bands, UnreadablePicture
from deepvis_toolbox.sources.isolated_process import DecoderKilledError
from deepvis_toolbox.sources.pairs import PAIR, joined
from deepvis_toolbox.sources.picture_process import PictureNotDecoded, decode_apart, decode_bands_apart
from deepvis_toolbox.words.images import Frame

Decode = Callable[[str | bytes], NDArray[np.uint8]]
DecodeBands = Callable[[str | bytes], Bands]


class PictureReader:
    """Reads and preprocesses pictures by path, archive members and URLs among them. No two threads at a time."""

    def __init__(
        self, preprocessing: Preprocessing, decode: Decode = decode_apart, decode_all: DecodeBands = decode_bands_apart
    ) -> None:
        """`decode`, and `decode_all` for all bands: for processes that hold themselves to a picture's budget."""
        self._preprocessing = preprocessing
        self._decode, self._decode_all = decode, decode_all
        self._takes_bands = preprocessing.channel_count not in (1, 3)
        self._archives = ArchiveReader()

    def read_into(self, slot: NDArray[np.float32], path: str) -> str | None:
        """Fill `slot` (C, H, W) with the network's input; or with zeros, and return why, as a few words.

        `DecoderKilledError` where that says nothing of the picture, which would be missing for good.
        """
        try:
            slot[...] = self._preprocessing.to_input(self.frame(path))
        except PictureNotDecoded as error:
            raise DecoderKilledError(f"{error}; run it again, it goes on where it was") from error
        except UnreadablePicture as error:
            reason = error.reason
        except ToolboxError as error:
            reason = str(error)
        except MemoryError:
            reason = "no memory to decode it"
        except Exception as error:  # whatever a file has in store, the next picture is read all the same
            reason = sentence_of(error)
        else:
            return None
        slot[...] = 0
        return reason

    def frame(self, path: str) -> Frame:
        """Return the picture, RGB uint8 H×W×3; a pair, H×W×6; or its bands, where the network takes these.
        `ToolboxError` with the reason where it cannot be read."""
        if PAIR in path and not os.path.exists(path):  # noqa: PTH110 - it may look like a pair's
            first, _, second = path.partition(PAIR)
            return joined(self._decode(self._found(first)), self._decode(self._found(second)))
        picture = self._found(path)
        if self._takes_bands:
            bands = self._decode_all(picture)
            if self._preprocessing.takes(bands.shape[2]):
                return bands
        return self._decode(picture)

    def _found(self, path: str) -> str | bytes:
        """Return the path of a file, or what is in an archive or at an address."""
        picture: str | bytes = path
        if is_url(path):
            picture = read_url(path)
        elif not os.path.exists(path) and (inside := split_member(path)):  # noqa: PTH110 - it may look like a member's
            picture = self._archives.read(*inside)
        return picture
