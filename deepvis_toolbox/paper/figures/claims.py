"""Section 2: what the paper says of live activations, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.charts import Axis, Series, chart
from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.sheets import LABEL, beside, blank, stacked
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.paper.codes import channel_strengths, confidences, inputs, participation, relative_changes
from deepvis_toolbox.paper.figure import Arrays, Drawn, Figure, Page, Piece, register_figure
from deepvis_toolbox.paper.study import AT_ONCE, Study
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.words.perturbation import UNPERTURBED, Perturbation

NOISES = (2.0, 5.0, 10.0)
"""Standard deviations in grey levels; a small camera's noise lies among them."""
FRAMES = {
    "clean": UNPERTURBED,
    "noise 10": Perturbation(noise=10),
    "blur 2 px": Perturbation(blur=2),
    "60 darker": Perturbation(brightness=-60),
    "all three": Perturbation(noise=10, blur=2, brightness=-60),
}
"""What a camera in a room makes of a picture, by degrees."""
CHART = (400, 560)


@register_figure("claims")
class Claims(Figure):
    """Section 2 measured: noise layer by layer, confidence on camera-like frames, how local the codes are."""

    title = "Section 2. Small noise, camera-like frames, and how local the codes are"

    def pieces(self, study: Study) -> Sequence[Piece]:
        """Return a piece for each question that the network has an answer to: as the base class says."""
        count, layers = len(study.frames), [layer.name for layer in study.layers]

        def noise(progress: Progress) -> Arrays:
            return {"changes": noise_changes(study, [study.net.input_name, *layers], progress)}

        def codes(progress: Progress) -> Arrays:
            strengths = channel_strengths(study.net, study.batches(progress), layers)
            return {
                "of pictures": np.array([np.nanmean(_known(participation(each, 1))) for each in strengths]),
                "of units": np.array([np.nanmedian(_known(participation(each, 0))) for each in strengths]),
                "channels": np.array([each.shape[1] for each in strengths]),
            }

        def confidence(progress: Progress) -> Arrays:
            found = [camera_confidences(study, how, progress) for how in FRAMES.values()]
            return {
                "confidence": np.stack([each[0] for each in found]),
                "classes": np.stack([each[1] for each in found]),
            }

        same: dict[str, Any] = {"pictures": study.frames_hash, "layers": layers}
        work = [
            Piece("noise", {**same, "noises": list(NOISES)}, 2 * count * len(NOISES), noise),
            Piece("codes", same, count, codes),
        ]
        if study.net.probability_layer:
            frames = {name: str(how) for name, how in FRAMES.items()}
            work.append(Piece("confidence", {**same, "frames": frames}, count * len(FRAMES), confidence))
        return work

    def draw(self, study: Study, found: Mapping[str, Arrays]) -> Drawn:
        """Return three charts: as the base class says."""
        names = [layer.name for layer in study.layers]
        changes, codes = np.nanmean(found["noise"]["changes"], 1), found["codes"]
        places = np.arange(len(names) + 1.0)
        noise = chart(
            "Small noise: how much each layer changes",
            [Series(places, line, f"noise {sigma:g}") for sigma, line in zip(NOISES, changes, strict=True)],
            Axis("layer", names=[study.net.input_name, *names]), Axis("relative change", low=0),
            (CHART[0], 2 * CHART[1] + 20),
        )  # fmt: skip
        local = chart(
            "How local the codes are",
            [Series(places[:-1], codes["of pictures"], "units that take part in a picture"),
             Series(places[:-1], codes["of units"], "pictures that a unit takes part in")],
            Axis("layer", names=names), Axis("share", low=0, high=1.04), CHART,
        )  # fmt: skip
        confident, told, measured = _confidence(found.get("confidence"))
        numbers = {
            "relative change": {
                f"noise {sigma:g}": dict(zip([study.net.input_name, *names], line.tolist(), strict=True))
                for sigma, line in zip(NOISES, changes, strict=True)
            },
            "share of units in a picture": dict(zip(names, codes["of pictures"].tolist(), strict=True)),
            "share of pictures of a unit": dict(zip(names, codes["of units"].tolist(), strict=True)),
            "confidence": measured,
        }  # fmt: skip
        caption = (
            f"Network {study.net.name}, {len(study.frames)} pictures ({study.source}). Relative change: norm of a "
            "layer's difference over that of its values, when Gaussian noise of so many grey levels is added to the "
            f"picture; mean over the pictures. {told} Shares: (Σa)² / (n Σa²) of the channels' largest activations, 1 "
            "where all take part alike, 1/n where one alone does; mean over pictures, median over units."
        )
        drawing = stacked([noise, beside([confident, local])])
        return Drawn([Page(drawing, caption, suffix=".png")], _finite(numbers), {"noise": list(NOISES)})


def noise_changes(study: Study, layers: Sequence[str], progress: Progress) -> NDArray[np.float64]:
    """Return how much each layer changes by each noise on each picture: float64 (noises, pictures, layers)."""
    found = []
    for sigma in NOISES:
        rows = []
        for first in range(0, len(study.frames), AT_ONCE):
            frames = study.frames[first : first + AT_ONCE]
            clean, noisy = (inputs(study.net, frames, how, first) for how in (UNPERTURBED, Perturbation(noise=sigma)))
            rows.append(relative_changes(study.net, clean, noisy, layers))
            progress.advance(2 * len(frames))
        found.append(np.concatenate(rows))
    return np.stack(found)


def camera_confidences(
    study: Study, how: Perturbation, progress: Progress
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the probability of each picture's likeliest class and which it is, float64 and int64 (pictures,), on
    frames changed as `how` says."""
    parts = []
    for first in range(0, len(study.frames), AT_ONCE):
        frames = study.frames[first : first + AT_ONCE]
        parts.append(confidences(study.net, inputs(study.net, frames, how, first)))
        progress.advance(len(frames))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


def _confidence(found: Arrays | None) -> tuple[Pixels, str, dict[str, Any]]:
    """Return the chart, what the caption says of it, and the numbers."""
    if found is None:
        sheet = blank(*CHART)
        draw_text(sheet, "no confidence: the network has no classes", CHART[1] // 2, CHART[0] // 2, LABEL, (120,) * 3,
                  "centre")  # fmt: skip
        return sheet, "Confidence: the network names no classes.", {}
    confident, classes = found["confidence"], found["classes"]
    medians, means = np.median(confident, 1), confident.mean(1)
    kept = (classes == classes[0]).mean(1)
    places = np.arange(float(len(FRAMES)))
    drawn = chart(
        "Camera-like frames: the likeliest class",
        [Series(places, medians, "median probability", False), Series(places, kept, "same class as clean", False)],
        Axis("frames", names=list(FRAMES)), Axis("share", low=0, high=1.04), CHART,
    )  # fmt: skip
    told = "; ".join(
        f"{name} {mean:.2f} ({median:.2f})" for name, mean, median in zip(FRAMES, means, medians, strict=True)
    )
    rows = zip(FRAMES, means, medians, kept, strict=True)
    numbers = {
        name: {"mean": float(mean), "median": float(median), "same class": float(same)}
        for name, mean, median, same in rows
    }
    return drawn, f"Mean (median) probability of the likeliest class: {told}.", numbers


def _known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values, one zero where all are NaN: a layer that is silent on all pictures."""
    return values if np.isfinite(values).any() else np.zeros(1)


def _finite(record: Any) -> Any:
    """Return plain data in which what is no number is None, as JSON needs it."""
    if isinstance(record, dict):
        return {name: _finite(each) for name, each in record.items()}
    return None if isinstance(record, float) and not np.isfinite(record) else record
