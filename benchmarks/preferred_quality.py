"""How recognisable preferred images of classes are: what other networks say of them, and how natural they look.

    python benchmarks/preferred_quality.py --presets default best --classes 60 --judge efficientnet-lite1

Classes are drawn by `--seed` from those that no preset was tuned on. Every picture is of seed 0 and is kept in
`--store`, so that a run that was stopped goes on. Tells seconds of processor time a picture (one thread unless
`--threads`).
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deepvis_toolbox import Network, Unit, load_network
from deepvis_toolbox.optimize.files.naturalness import PHOTOGRAPHS, mean_of, naturalness
from deepvis_toolbox.optimize.files.presets import preset
from deepvis_toolbox.optimize.files.transfer import first_pictures, transfer
from deepvis_toolbox.optimize.production import make_unit_images
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.unit_images import UnitImageStore

TUNED_ON = (9, 174, 324, 366, 483, 579, 779, 849)
"""Classes that were looked at while the presets were chosen."""


def held_out(count: int, seed: int, classes: int) -> list[int]:
    """Return so many classes, in order, that no preset was tuned on: the first ones of a random order, so that a larger
    count only adds some."""
    order = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(classes), TUNED_ON))
    return sorted(order[:count].tolist())


def made(net: Network, name: str, units: list[Unit], folder: Path) -> tuple[UnitImageStore, float]:
    """Make what is not there yet of a preset's pictures. -> their store, and seconds of processor time a picture."""
    store, settings, began, count = UnitImageStore(folder / name), preset(net, name), time.process_time(), 0
    for unit in units:
        count += make_unit_images(net, [unit], [0], settings, store, Silence()).made
        print(f"\r{name}: {unit}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return store, (time.process_time() - began) / count if count else float("nan")


def main() -> None:
    """Make the pictures and print a table, a line a preset and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["default", "best"])
    parser.add_argument("--classes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="which classes are drawn")
    parser.add_argument("--judge", nargs="+", default=["efficientnet-lite1"])
    parser.add_argument("--store", type=Path, default=Path("preferred_quality"))
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    net = load_network(device="cpu")
    judges = [load_network(name, device="cpu") for name in given.judge]
    layer = net.label_layers[0]
    units = [Unit(layer, index) for index in held_out(given.classes, given.seed, net.layers[layer].channels)]
    print(f"{len(units)} classes\n| preset | judge | top-1 | top-5 | probability | colour | contrast | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for name in given.presets:
        store, seconds = made(net, name, units, given.store)
        natural = [naturalness(picture) for picture in first_pictures(store, units)]
        looks = " | ".join(
            f"{mean:.0f}, {share:.0%} natural"
            for mean, share in zip(mean_of(natural), PHOTOGRAPHS.shares_inside(natural), strict=True)
        )
        for judge in judges:
            found = transfer(net, store, units, judge)
            shares = f"{found.top(1):.0%} | {found.top(5):.0%} | {found.probability:.2f}"
            print(f"| {name} | {judge.name} | {shares} | {looks} | {seconds:.1f} |", flush=True)


if __name__ == "__main__":
    main()
