"""What the commands set for their whole process, and a library must not: the allocator, and warnings nobody needs.

The system's allocator on Linux (glibc's) gives large blocks back to the kernel as soon as they are free, and the kernel
must clear every page of them again when the next pass asks for the same: a forward and backward pass of the default
network over eight pictures took more than twice as long for it. GPU memory is kept by PyTorch itself.
"""

from __future__ import annotations

import ctypes
import sys
import warnings

_M_TRIM_THRESHOLD, _M_MMAP_MAX, _M_ARENA_MAX = -1, -4, -8  # from malloc.h
_NEVER = -1


def tune_process() -> None:
    """Set up this process as the toolbox's commands do. For programs that use the library: call it first, once.

    Memory that a pass over the network has freed stays with the process, for the next pass to take (glibc only), and
    Pillow's remarks about picture files are not printed. Importing the package and opening a network change nothing of
    the kind.
    """
    keep_freed_memory()
    ignore_remarks_about_pictures()


def ignore_remarks_about_pictures() -> None:
    """Add warning filters for what Pillow says of sizes, which `decode_picture` checks, and of broken metadata."""
    # Both are told by where they come from or what they say, since importing Pillow for their classes takes its time.
    warnings.filterwarnings("ignore", r"Image size .* could be decompression bomb", RuntimeWarning)
    # Thousands of them in a scan of a data set.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")


def keep_freed_memory() -> bool:
    """Make the allocator of this process keep what is freed; True where it could be told so.

    To be called before threads start: each one would otherwise be given a heap of its own, which is given back as soon
    as it is empty. What the process takes from the system is then the largest that it ever used at once.
    """
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:  # another C library than glibc
        return False
    asked = ((_M_ARENA_MAX, 1), (_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER))
    answers = [mallopt(parameter, value) for parameter, value in asked]
    return all(answer == 1 for answer in answers)
