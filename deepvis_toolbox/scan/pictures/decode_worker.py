"""The program that decodes pictures beside the network: one job a line on stdin, one answer a line on stdout.

Started by `decode_process` as a module with FD BYTES: a memory shared through an inherited file descriptor takes the
pictures. The first line tells the preprocessing, the first answer is that it is ready. It ends with its stdin, so it
outlives no scan.
"""

from __future__ import annotations

import json
import mmap
import sys
from contextlib import suppress
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.process_tuning import ignore_remarks_about_pictures
from deepvis_toolbox.scan.pictures.picture_reader import PictureReader
from deepvis_toolbox.sources.decode import Bands, decode_bands, decode_picture
from deepvis_toolbox.sources.isolated_process import READY
from deepvis_toolbox.sources.picture_budget import limit_memory, within_seconds


def preprocessing_record(preprocessing: Preprocessing) -> dict[str, Any]:
    """Return the preprocessing as plain data, every float exact."""
    arrays = {name: np.asarray(getattr(preprocessing, name), np.float32).tolist() for name in ("mean", "scale", "std")}
    others = {name: getattr(preprocessing, name) for name in ("size", "channels", "crop", "white")}
    return {**others, **arrays}


def preprocessing_from(record: dict[str, Any]) -> Preprocessing:
    """Return the preprocessing that `preprocessing_record` wrote down."""
    return Preprocessing(**{**record, "size": tuple(record["size"])})


def _decoded_in_time(picture: str | bytes) -> NDArray[np.uint8]:
    with within_seconds():
        return decode_picture(picture)


def _bands_in_time(picture: str | bytes) -> Bands:
    with within_seconds():
        return decode_bands(picture)


def main() -> None:
    """Serve until stdin ends."""
    descriptor, size = int(sys.argv[1]), int(sys.argv[2])
    ignore_remarks_about_pictures()
    cv2.setNumThreads(1)  # the processes share the cores among themselves
    preprocessing = preprocessing_from(json.loads(sys.stdin.readline()))
    limit_memory()
    reader = PictureReader(preprocessing, _decoded_in_time, _bands_in_time)
    shape = preprocessing.input_shape
    with mmap.mmap(descriptor, size) as memory:
        print(json.dumps(READY), flush=True)
        for line in sys.stdin:
            job = json.loads(line)
            slots = np.ndarray((len(job["paths"]), *shape), np.float32, memory, job["offset"])
            reasons = [reader.read_into(slot, path) for slot, path in zip(slots, job["paths"], strict=True)]
            del slots
            print(json.dumps(reasons), flush=True)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):
        main()
