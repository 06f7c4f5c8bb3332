"""A judgement in words, and as a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from deepvis_toolbox.drawing.charts import Axis, Series, chart
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.judging.features import Distance
from deepvis_toolbox.judging.judgement import Judgement
from deepvis_toolbox.optimize.natural.path_similarity import PathSimilarity
from deepvis_toolbox.unit_images.naturalness import PHOTOGRAPHS, Naturalness, mean_of
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit

_WIDE, _HIGH = 720, 330


def written(found: Judgement, labels: Sequence[str], every: bool) -> Iterator[str]:
    """Yield lines; with `every` also one for each picture. `labels`: the classes' names, empty where unknown."""
    if found.natural:
        yield _naturalness(found.natural)
    for name, transfer in found.transfers.items():
        if every:
            for verdict in transfer.verdicts:
                yield (
                    f"{_named(verdict.unit, labels)}: rank {verdict.rank + 1}, probability {verdict.probability:.3f}, "
                    f"taken for {found.said(name, verdict.said)}"
                )
        count = f"{len(transfer.verdicts)} {'picture' if len(transfer.verdicts) == 1 else 'pictures'}"
        yield (
            f"{name}: {count}, top-1 {transfer.top(1):.1%}, top-5 {transfer.top(5):.1%}, "
            f"mean probability of the meant class {transfer.probability:.3f}"
        )
        if name in found.distances:
            yield f"  {_distance(found.distances[name])}"
    if every:
        yield from (_of_picture(found, unit, labels) for unit in found.units)
    if shares := found.over_natural:
        above = sum(share > 1 for share in shares)
        yield (
            f"activation: {np.median(shares):.2f} times the best photograph's (median); "
            f"{above} of {len(shares)} above it"
        )
    path = found.path
    if path and path.whole is not None:
        yield f"path similarity: {path.whole:.2f} (1: as the class's top photographs, 0: as random ones)"
    for layer, units in found.hidden_layers.items():
        if every:
            yield from (f"{unit}: {', '.join(_beside_photographs(found, unit)) or 'nothing known'}" for unit in units)
        yield _of_layer(found, layer, units)


def drawn(found: Judgement) -> RGBImage:
    """Return charts above each other, RGB uint8: path similarity by layer, where it is known, and every picture's
    probability over what it reached, or in order."""
    charts = [_by_layer(found.path)] if found.path is not None else []
    similarities = {layer: similarities_of(found, units) for layer, units in found.hidden_layers.items()}
    if hidden := {layer: known for layer, known in similarities.items() if known}:
        charts.append(_by_units_layer(hidden))
    if found.transfers:
        charts.append(_probabilities(found))
    if not charts:
        raise ToolboxError(
            "there is nothing to draw: name judges with --judge, or photographs with --images or --maxes"
        )
    return np.concatenate(charts)


def _by_layer(path: PathSimilarity) -> RGBImage:
    numbers = np.arange(len(path.layers), dtype=float)
    series = [
        Series(numbers, path.preferred, "preferred image"),
        Series(numbers, path.among, "top photographs to each other"),
        Series(numbers, path.random, "random photographs"),
    ]
    title = "Activations beside those of the class's top photographs"
    return chart(title, series, Axis("layer", names=path.layers), Axis("mean cosine"), (_HIGH + 90, _WIDE))


def _probabilities(found: Judgement) -> RGBImage:
    shares = [
        found.reached.get(unit, np.nan) / found.largest[unit] if found.largest.get(unit, 0) > 0 else np.nan
        for unit in found.units
    ]
    known = bool(np.isfinite(shares).any())
    series = []
    for name, transfer in found.transfers.items():
        values = np.array([verdict.probability for verdict in transfer.verdicts])
        if known:
            series.append(Series(np.array(shares), values, name, joined=False))
        else:
            series.append(Series(np.linspace(0, 100, len(values)), np.sort(values), name))
    across = Axis("activation over the best photograph's") if known else Axis("pictures, %", low=0, high=100)
    return chart("Probability of the meant class", series, across, Axis("", low=0, high=1), (_HIGH, _WIDE))


def _by_units_layer(hidden: Mapping[str, Sequence[float]]) -> RGBImage:
    """Return a chart of the path similarities of units by their own layer, RGB uint8 (H, W, 3)."""
    numbers = np.concatenate([np.full(len(known), float(number)) for number, known in enumerate(hidden.values())])
    medians = np.array([np.median(known) for known in hidden.values()])
    series = [
        Series(np.arange(len(hidden), dtype=float), medians, "median"),
        Series(numbers, np.concatenate([*hidden.values()]), "each unit", joined=False),
    ]
    axes = Axis("units' own layer", names=tuple(hidden)), Axis("path similarity")
    return chart("Units of other layers: 1 as their top photographs, 0 as random ones", series, *axes, (_HIGH, _WIDE))


def _naturalness(natural: Sequence[Naturalness]) -> str:
    mean, inside = mean_of(natural), PHOTOGRAPHS.shares_inside(natural)
    parts = [
        f"{name} {value:.0f} (photographs {low:.0f} to {high:.0f}: {share:.0%} inside)"
        for name, value, (low, high), share in zip(Naturalness._fields, mean, PHOTOGRAPHS, inside, strict=True)
    ]
    return ", ".join(parts)


def _distance(found: Distance) -> str:
    times = "" if found.times is None else f": {found.times:.1f} times"
    return (
        f"Fréchet distance ({found.layer}) to {found.photographs} photographs {found.distance:.4g}, "
        f"of their halves {found.halves:.4g}{times}"
    )


def _of_layer(found: Judgement, layer: str, units: Sequence[Unit]) -> str:
    """Return what photographs say of the pictures of a layer that is none of the classes."""
    parts = [f"{len(units)} {'picture' if len(units) == 1 else 'pictures'}"]
    if shares := found.shares_of(units):
        parts.append(f"{np.median(shares):.2f} times the best photograph's (median of {len(shares)})")
    if known := similarities_of(found, units):
        parts.append(f"path similarity {np.median(known):.2f} (median of {len(known)})")
    return f"{layer}: {', '.join(parts)}"


def similarities_of(found: Judgement, units: Sequence[Unit]) -> list[float]:
    """Return the path similarities of those units of which they are known."""
    return [value for unit in units if (value := found.similarity(unit)) is not None]


def _of_picture(found: Judgement, unit: Unit, labels: Sequence[str]) -> str:
    natural = found.natural[list(found.units).index(unit)]
    parts = [*_beside_photographs(found, unit), *(f"{name} {value:.0f}" for name, value in natural._asdict().items())]
    return f"{_named(unit, labels)}: {', '.join(parts)}"


def _beside_photographs(found: Judgement, unit: Unit) -> list[str]:
    parts = [f"reached {found.reached[unit]:.4g}"] if unit in found.reached else []
    parts += [f"{share:.2f} times the best photograph's" for share in found.shares_of([unit])]
    return parts + [f"path similarity {value:.2f}" for value in similarities_of(found, [unit])]


def _named(unit: Unit, labels: Sequence[str]) -> str:
    return labels[unit.channel] if unit.channel < len(labels) else str(unit)
