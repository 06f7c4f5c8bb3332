"""How far presets' pictures of classes are from photographs: the Fréchet distance of a judge's features.

    python benchmarks/preferred_frechet.py --images PHOTOGRAPHS/ --presets default paper3 --classes 20

The distance of few pictures is large for that alone, so all presets have the same classes, and beside their distances
stands that of as many photographs, drawn by lot, to the others. Classes, pictures and store are those of
`preferred_quality.py`; a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from preferred_quality import held_out, made

from deepvis_toolbox import Unit, load_network
from deepvis_toolbox.judging.features import feature_layer, features_of_photographs, features_of_pictures
from deepvis_toolbox.judging.frechet import Features, distance_of_halves, frechet_distance
from deepvis_toolbox.progress import Silence
from deepvis_toolbox.scan.pictures.picture_list import list_pictures

DRAWS = 20
"""Of photographs by lot."""


def of_as_many(photographs: Features, count: int) -> tuple[float, float]:
    """Return the mean and the deviation of the distances of `count` photographs, drawn by lot, to the others."""
    found = []
    for seed in range(DRAWS):
        order = np.random.default_rng(seed).permutation(len(photographs))
        found.append(frechet_distance(photographs[order[:count]], photographs[order[count:]]))
    return float(np.mean(found)), float(np.std(found))


def main() -> None:
    """Make the pictures and print a table, a line a preset."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True, help="a folder of photographs")
    parser.add_argument("--presets", nargs="+", default=["default", "paper3"])
    parser.add_argument("--classes", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="which classes are drawn")
    parser.add_argument("--judge", default="efficientnet-lite1")
    parser.add_argument("--store", type=Path, default=Path("preferred_quality"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    net, judge = load_network(device="cpu"), load_network(given.judge, device="cpu")
    layer = net.label_layers[0]
    units = [Unit(layer, index) for index in held_out(given.classes, given.seed, net.layers[layer].channels)]
    stores = {name: made(net, name, units, given.store)[0] for name in given.presets}
    features = feature_layer(judge)
    photographs = features_of_photographs(judge, features, list_pictures(given.images), Silence())
    halves, (mean, deviation) = distance_of_halves(photographs), of_as_many(photographs, len(units))
    print(f"{len(units)} classes, {len(photographs)} photographs, {features} of {judge.name}; halves: {halves:.4g}")
    print("| pictures | Fréchet distance | over that of the halves | over that of as many photographs |")
    print("|---|---|---|---|")
    print(f"| as many photographs ({DRAWS} draws) | {mean:.4g} ± {deviation:.2g} | {mean / halves:.2f} | 1 |")
    for name, store in stores.items():
        found = frechet_distance(features_of_pictures(judge, features, store, units), photographs)
        print(f"| {name} | {found:.4g} | {found / halves:.2f} | {found / mean:.2f} |", flush=True)


if __name__ == "__main__":
    main()
