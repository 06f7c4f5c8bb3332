"""What one film or stream, which may be anybody's, may cost in memory and time, in the process that decodes it."""

from __future__ import annotations

from deepvis_toolbox.sources.picture_budget import MAX_PIXELS

MAX_MEMORY = 5 << 30
"""Bytes beyond what the process had at its start. HEVC with 10 bits of 7680×4320 took 3.6 GiB with 16 threads, H.264 of
that size 2.7, of 1920×1080 1.2."""
MAX_SECONDS = 20.0
"""Of processor time for one frame, all threads together; the costliest of those took 0.6."""
MAX_WAIT = 30.0
"""Seconds that whoever waits for a frame has patience, and for the opening: a disk may hang, a process may be
stopped."""
SECONDS_TO_SKIP = 0.1
"""More of patience, for each frame that is skipped by a process which goes on where another has died."""
SLOTS = 4
"""So many frames are decoded ahead at most."""
SLOT_BYTES = 3 * MAX_PIXELS // 4096 * 4096 + 4096
"""Of the shared memory, for one frame. What no frame has filled takes no room."""
BYTES_AHEAD = 128 << 20
"""Of frames larger than a part of this, fewer are decoded ahead; two at least."""
