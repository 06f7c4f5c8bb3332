"""Every program with a small job, and what it leaves: the same jobs for signals, closed streams and full disks."""

from __future__ import annotations

from dataclasses import dataclass

IMAGES, MAXES, PARTS, STORE = "given/images", "given/maxes", ("given/part0", "given/part1"), "given/store"
"""What jobs are given, relative to the workplace."""


@dataclass(frozen=True)
class Job:
    """A command line in the workplace; a word that begins with `given/` is a path there, `out` is its own folder."""

    name: str
    words: tuple[str, ...]
    is_repeatable: bool = True
    """Whether two runs leave the same bytes; a picture of the window tells frames a second."""
    is_asking: bool = False
    """Whether it writes nothing but stdout."""


NETWORK = ("--model", "given/model", "--device", "cpu")
STEPS = ("--max-iter", "12", "--lr-params", "{'lr': 10.0}")

JOBS = {
    job.name: job
    for job in (
        Job("window", ("run_toolbox.py", *NETWORK, "--headless", "--input", IMAGES, "--frames", "12",
                       "--script", "down right b e e e", "--snapshot", "out/window.png"), is_repeatable=False),
        Job("optimize", ("optimize_image.py", *NETWORK, *STEPS, "--units", "6:0-2", "0:1", "--seeds", "0,1",
                         "--batch-size", "1", "--store", "out", "-q")),
        Job("scan", ("find_maxes/find_max_acts.py", *NETWORK, "--images", IMAGES, "--out", "out", "--batch-size", "4",
                     "--checkpoint-every", "4", "--workers", "0", "-q")),
        Job("scan with workers", ("find_maxes/find_max_acts.py", *NETWORK, "--images", IMAGES, "--out", "out",
                                  "--batch-size", "4", "--checkpoint-every", "4", "--workers", "1", "-q")),
        Job("crop", ("find_maxes/crop_max_patches.py", *NETWORK, "--maxes", MAXES, "--units", "3:0-2", "--store", "out",
                     "-q")),
        Job("merge", ("find_maxes/merge.py", *PARTS, "--out", "out")),
        Job("pipeline", ("-m", "deepvis_toolbox.pipeline", *NETWORK, "--images", IMAGES, "--units", "3:0-1", "6:0",
                         "--maxes", "out/maxes", "--store", "out/store", "--workers", "0", "-q")),
        Job("search", ("-m", "deepvis_toolbox.optimize.search", *NETWORK, "--units", "6:0", "--count", "4",
                       "--max-iter", "6", "--out", "out", "-q")),
        Job("pack", ("-m", "deepvis_toolbox.pipeline.pack", STORE, "out")),
        Job("atlas", ("-m", "deepvis_toolbox.atlas", *NETWORK, "--store", STORE, "--out", "out", "-q")),
        Job("factorize", ("-m", "deepvis_toolbox.factorize", *NETWORK, "--layer", "3", "--images", IMAGES, "--method",
                          "topk-sae", "--components", "6", "--steps", "20", "--out", "out/parts.npz", "--workers", "0",
                          "-q")),
        Job("paper", ("-m", "deepvis_toolbox.paper", *NETWORK, "--quick", "--max-iter", "3", "--trials", "2",
                      "--figure", "table1", "claims", "--images", IMAGES, "--out", "out", "-q")),
        Job("fetch", ("run_toolbox.py", "--fetch", "out/model.yaml")),
        Job("settings", ("settings.py", "--set", "window.width=1280"), is_asking=True),
    )
}  # fmt: skip
