"""A judgement in words, and as a drawing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from deepvis_toolbox.drawing.charts import Axis, Series, chart
from deepvis_toolbox.judging.features import Distance
from deepvis_toolbox.judging.judgement import Judgement
from deepvis_toolbox.optimize.files.naturalness import PHOTOGRAPHS, Naturalness, mean_of
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit

_WIDE, _HIGH = 720, 330


def written(found: Judgement, labels: Sequence[str], every: bool) -> Iterator[str]:
    """Yield lines; with `every` also one for each picture. `labels`: the classes' names, empty where unknown."""
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


def drawn(found: Judgement) -> RGBImage:
    """Return charts above each other, RGB uint8: path similarity by layer, where it is known, and every picture's
    probability over what it reached, or in order."""
    charts = []
    path = found.path
    if path is not None:
        numbers = np.arange(len(path.layers), dtype=float)
        series = [
            Series(numbers, path.preferred, "preferred image"),
            Series(numbers, path.among, "top photographs to each other"),
            Series(numbers, path.random, "random photographs"),
        ]
        title = "Activations beside those of the class's top photographs"
        charts.append(chart(title, series, Axis("layer", names=path.layers), Axis("mean cosine"), (_HIGH + 90, _WIDE)))
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
    charts.append(chart("Probability of the meant class", series, across, Axis("", low=0, high=1), (_HIGH, _WIDE)))
    return np.concatenate(charts)


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


def _of_picture(found: Judgement, unit: Unit, labels: Sequence[str]) -> str:
    parts = [f"reached {found.reached[unit]:.4g}"] if unit in found.reached else []
    if found.largest.get(unit, 0) > 0 and parts:
        parts.append(f"{found.reached[unit] / found.largest[unit]:.2f} times the best photograph's")
    path = found.paths.get(unit)
    if path and path.whole is not None:
        parts.append(f"path similarity {path.whole:.2f}")
    natural = found.natural[list(found.units).index(unit)]
    parts += [f"{name} {value:.0f}" for name, value in natural._asdict().items()]
    return f"{_named(unit, labels)}: {', '.join(parts)}"


def _named(unit: Unit, labels: Sequence[str]) -> str:
    return labels[unit.channel] if unit.channel < len(labels) else str(unit)
