"""What it costs to decode films in a process of their own, beside decoding them here.

    python benchmarks/films.py FILM…

Every frame in order as fast as it comes (frames a second), what one frame costs the thread that reads it while the film
runs at its own rate, how late frames are there, and how long the film takes to open. In turns, in this one run.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deepvis_toolbox.sources.capture import Capture, open_video
from deepvis_toolbox.sources.film_capture import open_file
from deepvis_toolbox.sources.kinds.video_file import VideoSource
from deepvis_toolbox.sources.options import SourceOptions


class Turn(NamedTuple):
    """One turn of one way."""

    rate: float
    """Frames a second, as fast as they come."""
    busy: float
    """Milliseconds of one frame, median, in the thread that reads, without the wait for its time."""
    shown: float
    """Frames a second, at the film's own rate."""
    late: float
    """95 % of the gaps between two frames, in milliseconds, at the film's own rate."""
    opened: float
    """Milliseconds until the first frame is there."""
    processor: float
    """Milliseconds of processor time of this process, of one frame at the film's own rate."""


def take_turn(path: str, opener: Callable[[str], Capture | None], seconds: float) -> Turn:
    """Play the film once as fast as it comes, and for so many seconds at its own rate."""
    began = time.perf_counter()
    source = opened(path, opener, realtime=False)
    source.read()
    first = time.perf_counter()
    count = 0
    while source.read() is not None:
        count += 1
    rate = count / (time.perf_counter() - first)
    source.close()
    source = opened(path, opener, realtime=True)
    source.read()
    assert source._pacer is not None
    waits: list[float] = []
    wait = source._pacer.wait
    source._pacer.wait = partial(timed, wait, waits)  # type: ignore[method-assign]
    times, busy, used = [time.perf_counter()], [], processor_time()
    while times[-1] - times[0] < seconds:
        assert source.read() is not None
        times.append(time.perf_counter())
        busy.append(times[-1] - times[-2] - waits[-1])
    used = processor_time() - used
    source.close()
    gaps = np.diff(times)
    shown, late = len(gaps) / (times[-1] - times[0]), float(np.percentile(gaps, 95))
    return Turn(rate, 1e3 * statistics.median(busy), shown, 1e3 * late, 1e3 * (first - began), 1e3 * used / len(gaps))


def opened(path: str, opener: Callable[[str], Capture | None], realtime: bool) -> VideoSource:
    """Return the film as the program plays it."""
    capture = opener(path)
    assert capture is not None, f"{path} does not open"
    return VideoSource("film", capture, partial(opener, path), SourceOptions(realtime=realtime, loop=realtime))


def timed(wait: Callable[[], bool], waits: list[float]) -> bool:
    """Wait, and note for how long."""
    began = time.perf_counter()
    outcome = wait()
    waits.append(time.perf_counter() - began)
    return outcome


def processor_time() -> float:
    """Return what this process has used, all its threads, in seconds."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("films", nargs="+", metavar="FILM")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each turn at the film's own rate")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    for film in given.films:
        path = str(Path(film).resolve())
        ways = (open_video, open_file)
        turns = [[take_turn(path, way, given.seconds) for way in ways] for _ in range(given.rounds)]
        for name, each in zip(("here", "apart"), zip(*turns, strict=True), strict=True):
            rate, busy, shown, late, first, used = (statistics.median(values) for values in zip(*each, strict=True))
            print(
                f"{Path(film).name:12} {name:5} {rate:7.1f} frames/s; at its rate {shown:5.2f} shown, 95 % of gaps "
                f"{late:5.1f} ms, {busy:5.2f} ms a frame in the reader, {used:5.2f} ms of processor here; "
                f"first frame after {first:5.0f} ms"
            )


if __name__ == "__main__":
    main()
