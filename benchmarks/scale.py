"""How a scan's rate grows with the processes that share it, on this machine.

    python benchmarks/scale.py --images ../shared/images [--processes 1 2 4]

Each process is `find_max_acts --shard i/n` with one thread for the network and one that decodes. What a process does
once (loading, filling its tables from empty) is left out: the rate is that of the pictures by which a long list is
longer than a short one.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SUFFIXES = {".jpg", ".jpeg", ".png"}


def seconds(images: Path, names: list[str], processes: int, model: str) -> float:
    """How long that many processes take for a list together."""
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "list.txt"
        listed.write_text("\n".join(names) + "\n")
        command = [sys.executable, str(ROOT / "find_maxes" / "find_max_acts.py"), "--model", model]
        command += ["--images", str(images), "--list", str(listed), "--workers", "1"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
        began = time.perf_counter()
        running = [
            subprocess.Popen(
                [*command, "--shard", f"{number}/{processes}", "--out", str(Path(folder) / f"part{number}")],
                env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            )
            for number in range(processes)
        ]  # fmt: skip
        for process in running:
            _, problems = process.communicate()
            if process.returncode:
                sys.exit(problems.decode())
        return time.perf_counter() - began


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--processes", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--model", default="efficientnet-lite0")
    given = parser.parse_args()
    names = sorted(
        str(path.relative_to(given.images)) for path in given.images.rglob("*") if path.suffix.lower() in SUFFIXES
    )
    few = len(names) // 4
    print(f"{os.cpu_count()} processors; load {os.getloadavg()[0]:.1f}; {len(names)} pictures less {few}")
    print("| processes | pictures a second | of one process | efficiency |\n|---|---|---|---|")
    one = 0.0
    for processes in given.processes:
        longer = seconds(given.images, names, processes, given.model)
        shorter = seconds(given.images, names[:few], processes, given.model)
        rate = (len(names) - few) / (longer - shorter)
        one = one or rate / processes
        used = min(processes, os.cpu_count() or 1)
        print(f"| {processes} | {rate:.1f} | {rate / one:.2f} | {rate / one / used:.2f} |", flush=True)


if __name__ == "__main__":
    main()
