"""The program that decodes one picture at a time for another: one job a line on stdin, one answer a line on stdout.

Started by `picture_process` as a module with FD: a memory shared through an inherited file descriptor brings the bytes
of a picture that is no file, and takes the pixels. It holds itself to `picture_budget`, and ends with its stdin.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import cv2

from deepvis_toolbox.errors import sentence_of
from deepvis_toolbox.process_tuning import ignore_remarks_about_pictures
from deepvis_toolbox.sources.decode import UnreadablePicture, decode_bands, decode_picture
from deepvis_toolbox.sources.isolated_process import READY
from deepvis_toolbox.sources.picture_budget import limit_memory, within_seconds
from deepvis_toolbox.sources.shared_memory import write_all


def main() -> None:
    """Serve until stdin ends."""
    descriptor = int(sys.argv[1])
    ignore_remarks_about_pictures()
    cv2.setNumThreads(1)
    sys.stdin.readline()  # the first line tells nothing
    limit_memory()
    print(json.dumps(READY), flush=True)
    for line in sys.stdin:
        print(json.dumps(_answer(json.loads(line), descriptor)), flush=True)


def _answer(job: dict[str, Any], descriptor: int) -> dict[str, Any]:
    """Return the `size` (H, W, C) and `type` of the pixels, which lie in the shared memory then; or the `reason` why
    there are none."""
    try:
        with within_seconds():
            source = Path(job["path"]) if "path" in job else os.pread(descriptor, job["bytes"], 0)
            image = decode_bands(source) if job.get("bands") else decode_picture(source)
            write_all(descriptor, image.data.cast("B"))
        return {"size": image.shape, "type": image.dtype.name}
    except UnreadablePicture as error:
        return {"reason": error.reason}
    except MemoryError:
        return {"reason": "it takes more memory to decode than a picture may, or than is free"}
    except Exception as error:  # whatever a file has in store, the next picture is read all the same
        return {"reason": sentence_of(error)}


if __name__ == "__main__":
    with suppress(KeyboardInterrupt, BrokenPipeError):
        main()
