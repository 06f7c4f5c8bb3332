"""How recognisable preferred images of classes are: what other networks say of them, and how natural they look.

    python benchmarks/preferred_quality.py --presets default best --classes 60 --judge efficientnet-lite1
    python benchmarks/preferred_quality.py --nine models/efficientnet-lite0/unit_images

Classes are drawn by `--seed` from those that no preset was tuned on. Every picture is kept in `--store`, so that a run
that was stopped goes on. With several `--seeds` the picture that the montage shows first is judged, the one that
reaches most. Tells seconds of processor time a picture (one thread unless `--threads`). `--nine` makes none, and asks
of every picture in the montages of a store's classes instead.
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
from deepvis_toolbox.optimize.files.presets import preset
from deepvis_toolbox.optimize.files.transfer import (
    Transfer,
    Verdict,
    class_units,
    first_pictures,
    transfer,
    transfer_of_one,
    whole_picture_input,
)
from deepvis_toolbox.optimize.production import make_unit_images
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.unit_images import UnitImageStore
from deepvis_toolbox.unit_images.montage import tiles_of_3x3
from deepvis_toolbox.unit_images.naturalness import PHOTOGRAPHS, mean_of, naturalness
from deepvis_toolbox.words.images import RGBImage

TUNED_ON = (9, 174, 324, 366, 483, 579, 779, 849)
"""Classes that were looked at while the presets were chosen."""


def held_out(count: int, seed: int, classes: int) -> list[int]:
    """Return so many classes, in order, that no preset was tuned on: the first ones of a random order, so that a larger
    count only adds some."""
    order = np.random.default_rng(seed).permutation(np.setdiff1d(np.arange(classes), TUNED_ON))
    return sorted(order[:count].tolist())


def made(net: Network, name: str, units: list[Unit], folder: Path, seeds: int = 1) -> tuple[UnitImageStore, float]:
    """Make what is not there yet of a preset's pictures, from so many seeds. -> their store, and seconds of processor
    time a picture."""
    store, settings, began, count = UnitImageStore(folder / name), preset(net, name), time.process_time(), 0
    for unit in units:
        count += make_unit_images(net, [unit], range(seeds), settings, store, Silence()).made
        print(f"\r{name}: {unit}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return store, (time.process_time() - began) / count if count else float("nan")


def surest(net: Network, unit: Unit, pictures: list[RGBImage]) -> int:
    """Return which of a class's pictures, RGB uint8 (H, W, 3) each, activates the class's own unit most, seen whole."""
    seen = torch.cat([whole_picture_input(picture, net) for picture in pictures])
    return int(net.forward(seen, [unit.layer])[unit.layer][:, unit.channel].argmax())


def of_all_nine(net: Network, folder: Path, judge: Network) -> str:
    """Return a line of a table: what a judge says of all nine pictures of each of a store's classes, of the first of
    each, and of the one that the network itself is surest of."""
    store = UnitImageStore(folder)
    each: list[tuple[Verdict, ...]] = []
    best: list[Verdict] = []
    for unit in class_units(net, store):
        montage = store.read("regularized_opt", unit)
        if montage is None:
            continue
        pictures = tiles_of_3x3(montage)
        each.append(transfer_of_one(net, unit, pictures, judge).verdicts)
        best.append(each[-1][surest(net, unit, pictures)])
    right = [sum(verdict.rank == 0 for verdict in own) for own in each]
    sets = (tuple(verdict for own in each for verdict in own), tuple(own[0] for own in each), tuple(best))
    shares = " | ".join(f"{Transfer(own).top(1):.1%}, {Transfer(own).top(5):.1%}" for own in sets)
    return f"{judge.name} | {len(each)} | {shares} | {sum(n >= 5 for n in right)} | {right.count(0)}"


def main() -> None:
    """Make the pictures and print a table, a line a preset and judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", nargs="+", default=["default", "best"])
    parser.add_argument("--classes", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0, help="which classes are drawn")
    parser.add_argument("--seeds", type=int, default=1, help="how many pictures of each class are made")
    parser.add_argument("--judge", nargs="+", default=["efficientnet-lite1"])
    parser.add_argument("--store", type=Path, default=Path("preferred_quality"))
    parser.add_argument("--nine", type=Path, nargs="+", help="stores whose montages are judged; nothing is made")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    net = load_network(device="cpu")
    judges = [load_network(name, device="cpu") for name in given.judge]
    if given.nine:
        print("| store | judge | classes | all nine: top-1, top-5 | first | surest | five or more right | none |")
        print("|---|---|---|---|---|---|---|---|")
        for folder in given.nine:
            for judge in judges:
                print(f"| {folder.name} | {of_all_nine(net, folder, judge)} |", flush=True)
        return
    layer = net.label_layers[0]
    units = [Unit(layer, index) for index in held_out(given.classes, given.seed, net.layers[layer].channels)]
    print(f"{len(units)} classes\n| preset | judge | top-1 | top-5 | probability | colour | contrast | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    for name in given.presets:
        store, seconds = made(net, name, units, given.store, given.seeds)
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
