"""Can one tell from a hidden unit's preferred image which photographs excite it? A quiz, for a viewer.

    python find_maxes/find_max_acts.py --images PHOTOGRAPHS/ --layers block3.add block8.add head --out maxes
    python find_maxes/crop_max_patches.py --maxes maxes --units block3.add:0-15 … --store crops --singles
    python benchmarks/hidden_units.py --crops crops --out quiz
    python benchmarks/hidden_units.py --out quiz --answers CABDB…

The third command draws units by lot, evenly over the layers, from those that have both pictures, and writes a sheet for
each: its preferred image and four rows of nine crops, A to D, of which one is its own and three are of other units of
its layer. No names are shown; `key.json` keeps them. The fourth compares the viewer's letters with it. Who guesses is
right in 25 % of the cases.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deepvis_toolbox.drawing.text import Font, draw_text
from deepvis_toolbox.unit_images.montage import BACKGROUND, scaled_to

LETTERS = "ABCD"
CROPS = 9
TILE = 120
KEY = "key.json"
MAXIMA = "max_im"
MOST = 10_000
"""Units of a layer."""


@dataclass(frozen=True)
class Question:
    """The units of the four rows, and which of them the preferred image is of."""

    layer: str
    units: list[int]
    right: int


def drawn(preferred: Path, crops: Path, count: int, seed: int) -> list[Question]:
    """Draw units and rows; no unit is asked for twice, though it may be in several questions' rows."""
    dice = np.random.default_rng(seed)
    layers = sorted(folder.name for folder in (crops / MAXIMA).iterdir() if (preferred / folder.name).is_dir())
    known = {layer: [unit for unit in range(MOST) if _is_known(preferred, crops, layer, unit)] for layer in layers}
    left: dict[str, list[int]] = {layer: dice.permutation(units).tolist() for layer, units in known.items()}
    questions = []
    for number in range(count):
        layer = layers[number % len(layers)]
        own = left[layer].pop()
        others = dice.choice([unit for unit in known[layer] if unit != own], len(LETTERS) - 1, replace=False).tolist()
        right = int(dice.integers(len(LETTERS)))
        questions.append(Question(layer, [*others[:right], own, *others[right:]], right))
    return questions


def _is_known(preferred: Path, crops: Path, layer: str, unit: int) -> bool:
    return _montage(preferred, layer, unit).exists() and len(_crops(crops, layer, unit)) == CROPS


def _montage(preferred: Path, layer: str, unit: int) -> Path:
    return preferred / layer / f"{layer}_{unit:04d}_montage.jpg"


def _crops(crops: Path, layer: str, unit: int) -> list[Path]:
    return sorted((crops / MAXIMA / layer).glob(f"{layer}_{unit:04d}_[0-9]*.png"))[:CROPS]


def sheet(number: int, preferred: NDArray, rows: Sequence[Sequence[NDArray]]) -> NDArray:
    """Return a question, BGR uint8: the preferred image, beside it a row of crops for each letter."""
    lines = [
        np.hstack([_written(letter, 40, TILE), *(_fitted(crop, TILE) for crop in row)])
        for letter, row in zip(LETTERS, rows, strict=True)
    ]
    body = np.hstack([_fitted(preferred, len(lines) * TILE), np.vstack(lines)])
    return np.vstack([_written(str(number), body.shape[1], 34), body])


def _written(text: str, width: int, height: int) -> NDArray:
    tile = np.full((height, width, 3), BACKGROUND, np.uint8)
    draw_text(tile, text, 10, height // 2 + 8, Font(22), (255, 255, 255))
    return tile


def _fitted(picture: NDArray, side: int) -> NDArray:
    scaled = scaled_to(picture, side - 4, side - 4)
    return cv2.copyMakeBorder(scaled, 2, 2, 2, 2, cv2.BORDER_CONSTANT, value=(BACKGROUND,) * 3)


def ask(preferred: Path, crops: Path, out: Path, count: int, seed: int) -> None:
    """Write the sheets and the key."""
    out.mkdir(parents=True, exist_ok=True)
    questions = drawn(preferred, crops, count, seed)
    for number, question in enumerate(questions, 1):
        montage = cv2.imread(str(_montage(preferred, question.layer, question.units[question.right])))
        rows = [[cv2.imread(str(path)) for path in _crops(crops, question.layer, unit)] for unit in question.units]
        cv2.imwrite(str(out / f"{number:02d}.png"), sheet(number, montage, rows))
    (out / KEY).write_text(json.dumps([asdict(question) for question in questions]))
    print(f"{len(questions)} sheets in {out}; then --answers with a letter for each, in their order")


def told(out: Path, answers: str) -> str:
    """Return how many of the answers are right, by layer."""
    questions = [Question(**each) for each in json.loads((out / KEY).read_text())]
    if len(answers) != len(questions) or not set(answers.upper()) <= set(LETTERS):
        raise SystemExit(f"error: --answers takes {len(questions)} letters of {LETTERS}, one for each sheet")
    right = [LETTERS[each.right] == answer for each, answer in zip(questions, answers.upper(), strict=True)]
    lines = [f"{sum(right)} of {len(right)} right ({sum(right) / len(right):.0%}; by chance 25 %)"]
    for layer in sorted({each.layer for each in questions}):
        of_layer = [is_right for each, is_right in zip(questions, right, strict=True) if each.layer == layer]
        lines.append(f"{layer}: {sum(of_layer)} of {len(of_layer)}")
    return "\n".join(lines)


def main() -> None:
    """Ask, or tell how well it was answered."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crops", type=Path, help="the store that the crops are in")
    parser.add_argument("--preferred", type=Path, default=Path("models/efficientnet-lite0/unit_images/regularized_opt"))
    parser.add_argument("--count", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0, help="which units are drawn")
    parser.add_argument("--out", type=Path, default=Path("hidden_units"))
    parser.add_argument("--answers", metavar="LETTERS")
    given = parser.parse_args()
    if given.answers:
        print(told(given.out, given.answers))
    elif given.crops:
        ask(given.preferred, given.crops, given.out, given.count, given.seed)
    else:
        parser.error("give --crops to ask, or --answers")


if __name__ == "__main__":
    main()
