"""The window in a browser against the desktop's, in one run: frames shown, keys, and a camera's way to its answer.

    python benchmarks/web.py

The program runs in a process of its own, with the source of `shown.py`. On the desktop, a virtual display (Xvfb) is
looked at from outside. In the browser (headless Chromium, on the same machine, with its own made-up camera) the page
notes when it has drawn which frame. All sizes are equal: the page's window has as many pixels as the desktop's.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.shown import BITS, COLUMNS, SIZE, SOURCE, UNIT, Seen, measure  # noqa: E402

HEADER = 41
"""Pixels of the page above its window."""
FLAGS = ["--no-sandbox", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
NOTES = """
window.notes = {frames: [], taken: {}, units: [], keys: []};
document.addEventListener("deepvis-frame", (e) => notes.frames.push([performance.now(), e.detail.source]));
document.addEventListener("deepvis-camera", (e) => { notes.taken[e.detail.number] = e.detail.sentAt; });
document.addEventListener("DOMContentLoaded", () => {
  const told = new MutationObserver(() => notes.units.push(performance.now()));
  told.observe(document.getElementById("unit"), {childList: true, characterData: true, subtree: true});
  document.addEventListener("keydown", () => notes.keys.push(performance.now()), true);
});
"""


@contextmanager
def program(*arguments: str) -> Iterator[str]:
    """The program as a user starts it; its address."""
    command = [sys.executable, str(ROOT / "run_toolbox.py"), *arguments, "--web", "0", "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http\S+", process.stdout.readline())
            assert found is not None, "the program did not start"
            yield found[0]
        finally:
            process.terminate()


@contextmanager
def numbered(rate: float) -> Iterator[list[str]]:
    """The flags that name `shown.py`'s source."""
    with tempfile.TemporaryDirectory() as name:
        times = Path(name) / "times"
        np.memmap(times, np.float64, "w+", shape=(1 << 16,))
        source = Path(name) / "numbered.py"
        source.write_text(SOURCE.format(times=str(times), bits=BITS, columns=COLUMNS))
        yield ["--extend", str(source), "--input", f"numbered:{rate:g}", "--goto", UNIT]


def opened(browser: Any, address: str) -> Any:
    """A page that shows the unit."""
    page = browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1] + HEADER}).new_page()
    page.add_init_script(NOTES)
    page.goto(address)
    page.locator("#unit", has_text=":").wait_for(timeout=120_000)
    return page


def in_order(times: list[float], starts: list[float]) -> np.ndarray:
    """Milliseconds from each start to the first of `times` behind it; those without one are left out."""
    found = [next((when - start for when in times if when > start), None) for start in starts]
    return np.array([each for each in found if each is not None])


def told(values: np.ndarray) -> str:
    """Median and 95th percentile."""
    if not len(values):
        return "nothing was seen"
    return f"median {np.median(values):5.0f} ms, 95 % {np.percentile(values, 95):5.0f} ms ({len(values)} seen)"


def processor_seconds() -> dict[str, float]:
    """Processor seconds so far of this process's offspring: of the program, and of Chromium by the kind of process."""
    parents, found = {}, Counter[str]()
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it may have ended
            fields = (place / "stat").read_text().rpartition(")")[2].split()
            parents[int(place.name)] = (int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"))
    for number, (parent, spent) in parents.items():
        while parent not in (os.getpid(), 0, 1):
            parent = parents.get(parent, (0, 0.0))[0]
        if parent == os.getpid():
            with suppress(OSError):
                command = (Path("/proc") / str(number) / "cmdline").read_text()
                kind = re.search(r"--type=([a-z-]+)", command)
                known = "program" if "run_toolbox" in command else "browser" if "chrom" in command else "else"
                found[kind[1] if kind else known] += spent
    return dict(found)


def frame_costs(browser: Any, seconds: float) -> dict[str, float]:
    """Processor milliseconds that each kind of process takes for a frame that one page has drawn."""
    with numbered(30) as flags, program(*flags) as address:
        page = opened(browser, address)
        page.wait_for_timeout(4000)
        before = processor_seconds()
        page.evaluate("() => { notes.frames = []; }")
        page.wait_for_timeout(1000 * seconds)
        shown = len({source for _, source in page.evaluate("() => notes.frames")})
        after = processor_seconds()
        page.context.close()
    return {kind: 1000 * (spent - before.get(kind, 0.0)) / max(1, shown) for kind, spent in after.items()}


def shown_rates(browser: Any, viewers: int, seconds: float) -> list[float]:
    """Frames of the source that each of some pages has drawn, a second."""
    with numbered(30) as flags, program(*flags) as address:
        pages = [opened(browser, address) for _ in range(viewers)]
        pages[0].wait_for_timeout(4000)
        for page in pages:
            page.evaluate("() => { notes.frames = []; notes.began = performance.now(); }")
        pages[0].wait_for_timeout(1000 * seconds)
        rates = []
        for page in pages:
            frames, passed = page.evaluate("() => [notes.frames, performance.now() - notes.began]")
            rates.append(1000 * len({source for _, source in frames}) / passed)
            page.context.close()
        return rates


def key_times(browser: Any, source: list[str], presses: int) -> tuple[np.ndarray, np.ndarray]:
    """Milliseconds from keys to the next frame drawn, and to the unit's new name beside it."""
    with program(*source, "--goto", UNIT) as address:
        page = opened(browser, address)
        page.wait_for_timeout(3000)
        for number in range(presses):
            page.keyboard.press("ArrowRight" if number // 10 % 2 == 0 else "ArrowLeft")
            page.wait_for_timeout(350)
        notes = page.evaluate("() => notes")
        page.context.close()
    frames = [when for when, _ in notes["frames"]]
    return in_order(frames, notes["keys"]), in_order(notes["units"], notes["keys"])


def camera_times(browser: Any, viewers: int, seconds: float) -> np.ndarray:
    """Milliseconds from a camera's picture, sent by the page, to the drawn window that shows its answer."""
    with program("demo", "--goto", UNIT) as address:
        pages = [opened(browser, address) for _ in range(viewers)]
        for page in pages:
            page.locator("#camera").click()
        pages[0].wait_for_timeout(4000)
        for page in pages:
            page.evaluate("() => { notes.frames = []; }")
        pages[0].wait_for_timeout(1000 * seconds)
        found = []
        for page in pages:
            notes = page.evaluate("() => notes")
            sent = {int(number): when for number, when in notes["taken"].items()}
            found += list(
                {source: when - sent[source] for when, source in notes["frames"][::-1] if source in sent}.values()
            )
            page.context.close()
    return np.array(found)


def rate_of(seen: Seen) -> float:
    """Frames a second that were seen on the display."""
    return (len(seen.appeared) - 1) / (seen.appeared[-1] - seen.appeared[0]) if len(seen.appeared) > 1 else 0.0


def main() -> None:
    """Measure and print."""
    from playwright.sync_api import sync_playwright

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each run")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f} (goals: 0.8 of the desktop's; a key 100 ms)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        for _ in range(given.rounds):
            desktop = rate_of(measure(30.0, "off", given.seconds, ROOT))
            (one,) = shown_rates(browser, 1, given.seconds)
            five = shown_rates(browser, 5, given.seconds)
            share = f"{one / desktop:.2f} of it" if desktop else "nothing was seen there"
            print(f"  shown a second: desktop {desktop:4.1f}; browser {one:4.1f} ({share}); "
                  f"five viewers {sum(five) / 5:4.1f} each; load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
        costs = ", ".join(
            f"{kind} {cost:.1f}" for kind, cost in frame_costs(browser, given.seconds).items() if cost > 0.5
        )
        print(f"  processor time of a shown frame, ms: {costs}", flush=True)
        still = str(ROOT / "docs" / "pictures" / "preferred-like.jpg")
        for what, source in (("still picture", [still]), ("running demo", ["demo"])):
            frames, units = key_times(browser, source, 40)
            print(f"  key, {what}: next frame {told(frames)}; unit named {told(units)}", flush=True)
        for viewers in (1, 5):
            times = camera_times(browser, viewers, given.seconds)
            print(
                f"  camera to answer, {viewers} with a camera: {told(times)}; load {os.getloadavg()[0]:.1f}", flush=True
            )
        time.sleep(0.1)
        browser.close()


if __name__ == "__main__":
    main()
