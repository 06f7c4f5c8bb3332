"""Writes requirements*.lock: every package that requirements*.txt bring, for every platform, with its files' hashes.

    pip install uv && python scripts/lock_requirements.py

`torch` has a lock of its own, with the CUDA packages that PyPI's build of it brings: other builds of the same version
(for the CPU alone, for ROCm) have other hashes and need none of these.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OLDEST_PYTHON = "3.11"
OF_TORCH = re.compile(r"(torch|triton|nvidia-.*|cuda-.*)==")
HEAD = "# Written by scripts/lock_requirements.py; {}\n"


def locked(source: str) -> list[str]:
    """Return what a file of requirements brings, one text a package: its version, its platforms and its hashes."""
    command = ["uv", "pip", "compile", "--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--quiet", "--default-index", "https://pypi.org/simple", source]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    return re.split(r"\n(?=\S)", done.stdout.strip())


def write(name: str, packages: list[str], meaning: str) -> None:
    """Write one lock."""
    (ROOT / name).write_text(HEAD.format(meaning) + "\n".join(packages) + "\n", "utf-8")


def main() -> None:
    """Write all three."""
    argparse.ArgumentParser(description="Writes requirements*.lock; needs uv.").parse_args()
    run, test = locked("requirements.txt"), locked("requirements-dev.txt")
    write(
        "requirements.lock", [one for one in run if not OF_TORCH.match(one)], "what the toolbox needs, but for torch."
    )
    write(
        "requirements-dev.lock",
        [one for one in test if not OF_TORCH.match(one)],
        "what the checks need, but for torch.",
    )
    write("requirements-torch.lock", [one for one in run if OF_TORCH.match(one)], "PyPI's torch, and what it brings.")


if __name__ == "__main__":
    main()
