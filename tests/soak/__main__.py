"""Drives the real window for hours with random keys, clicks and sources that vanish, and says whether it stood it.

make soak HOURS=24
python -m tests.soak --hours 2 --out soak --seed 7
python -m tests.soak --plot soak chart.png          (draws a run's samples again)
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from .chart import save_chart
from .samples import read_samples
from .soaking import Plan, Soak, SoakError
from .trend import ALLOWED, trend_of


def main() -> int:
    """Run, draw, and tell; return 0 where nothing is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=float, default=5 / 60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--out", type=Path, default=Path("soak"), help="folder for samples, events, output and chart")
    parser.add_argument("--plot", nargs=2, type=Path, metavar=("RUN", "FILE.png"), help="only draw a run's samples")
    given = parser.parse_args()
    if given.plot:
        samples = read_samples(given.plot[0] / "samples.jsonl")
        save_chart(samples, _title(samples[-1].seconds), given.plot[1])
        return 0
    for program in ("Xvfb", "xdotool"):
        if shutil.which(program) is None:
            print(f"{program} is missing; scripts/system_packages.sh test installs it")
            return 2
    return _soak(Plan(given.hours * 3600, given.seed, given.out.resolve()))


def _soak(plan: Plan) -> int:
    print(f"soak of {plan.seconds / 60:.1f} minutes, seed {plan.seed}, since {time.strftime('%H:%M:%S')}", flush=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # the program and the display end, too
    failure: SoakError | None = None
    with Soak(plan) as soak:
        try:
            soak.run()
        except SoakError as problem:
            failure = problem
        except subprocess.SubprocessError as problem:  # the display or its hands, not the program
            failure = SoakError(f"the window could not be driven: {problem}")
    if len(soak.samples) > 2:
        save_chart(soak.samples, _title(soak.samples[-1].seconds), plan.folder / "soak.png")
        for name in ALLOWED:
            trend = trend_of(soak.samples, name)
            change = trend.last - trend.first
            print(f"{name}: {trend.medians[0]:.1f}, later {trend.medians[1]:.1f}; {change:+.1f} along the line")
        print(f"slowest answer to a key: {max(sample.answer for sample in soak.samples):.2f} s")
    if failure is None:
        print("the window stood it")
        return 0
    print(f"FAILED: {failure}\nagain with: python -m tests.soak --hours {plan.seconds / 3600:g} --seed {plan.seed}")
    print("last events:", *soak.events, sep="\n  ")
    return 1


def _title(seconds: float) -> str:
    length = f"{seconds / 3600:.1f} hours" if seconds > 3600 else f"{seconds / 60:.1f} minutes"
    return f"The live window in a soak of {length}: random keys, clicks, sizes, sources that vanish"


if __name__ == "__main__":
    sys.exit(main())
