"""Section S1: why pictures of gradient ascent are full of high frequencies, measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.charts import Axis, Series, chart
from deepvis_toolbox.drawing.sheets import beside, stacked
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.paper.ascents import ascent_piece, free_settings, settings_words
from deepvis_toolbox.paper.codes import inputs
from deepvis_toolbox.paper.figure import Arrays, Drawn, Figure, Page, Piece, register_figure
from deepvis_toolbox.paper.spectra import HIGH, filter_use, filters_of, high_share, radial_spectrum, rank_correlation
from deepvis_toolbox.paper.study import AT_ONCE, Study
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.words.perturbation import UNPERTURBED

STEPS = 300
REGULARIZED = {"decay": 0.0001, "blur_radius": 1.0, "blur_every": 4}
"""Of the paper's third preset."""
CHART = (380, 560)


@register_figure("frequencies")
class Frequencies(Figure):
    """Section S1 measured: what first-layer filters of each frequency do, and the spectra of ascents."""

    title = "Section S1. Where the high frequencies come from"

    def pieces(self, study: Study) -> Sequence[Piece]:
        """Return one piece of measuring and two of ascents: as the base class says."""
        layer, origin = study.first_layer.name, study.class_layer.name
        filters_of(study.net, layer)  # a network whose first layer has none is refused before anything is computed

        def measure(progress: Progress) -> Arrays:
            found = filter_use(study.net, layer, origin, study.batches(progress, 3))
            images = np.concatenate([_pixels(study, first) for first in range(0, len(study.frames), AT_ONCE)])
            frequency, power = radial_spectrum(images)
            return {
                "frequency": found.frequency,
                "activation": found.activation,
                "energy": found.gradient_energy,
                "spectrum": np.stack([frequency, power]),
                "high": np.array([high_share(images)]),
            }

        identity = {"layer": layer, "origin": origin, "pictures": study.frames_hash}
        units = study.class_units(study.extent.classes)
        return [Piece("filters", identity, 3 * len(study.frames), measure)] + [
            ascent_piece(study, name, units, [0], settings, with_values=True)
            for name, settings in self._ascents(study).items()
        ]

    def draw(self, study: Study, found: Mapping[str, Arrays]) -> Drawn:
        """Return three charts: as the base class says."""
        filters = found["filters"]
        frequency, activation, energy = (filters[name] for name in ("frequency", "activation", "energy"))
        across = Axis("filter's frequency, cycles a pixel", low=0)
        upper = [
            chart("Forward: mean activation", [Series(frequency, activation, joined=False)], across,
                  Axis("mean |activation|", low=0), CHART),
            chart("Backward: gradient energy", [Series(frequency, energy, joined=False)], across,
                  Axis("gradient energy", is_log=True), CHART),
        ]  # fmt: skip
        spectra = {"pictures": filters["spectrum"]}
        high = {"pictures": float(filters["high"][0])}
        for name in self._ascents(study):
            values = found[name]["values"]
            spectra[name], high[name] = np.stack(radial_spectrum(values)), high_share(values)
        lines = [Series(line[0], line[1] / max(line[1].sum(), 1e-30), name) for name, line in spectra.items()]
        lower = chart("Spectra, each with the sum 1", lines, Axis("frequency, cycles a pixel", is_log=True),
                      Axis("power", is_log=True), (CHART[0], 2 * CHART[1] + 20))  # fmt: skip
        correlations = {
            "activation": rank_correlation(frequency, activation),
            "gradient energy": rank_correlation(frequency, energy),
        }
        upper_half = {name: upper_share(frequency, filters[name]) for name in ("activation", "energy")}
        numbers = {
            "rank correlation with frequency": correlations,
            "share of the upper half of frequencies": upper_half,
            f"share of power above {HIGH} cycles a pixel": high,
            "filters": {"frequency": frequency.tolist(), "activation": activation.tolist(), "energy": energy.tolist()},
        }
        parameters = {name: each.as_record() for name, each in self._ascents(study).items()}
        caption = self._caption(study, correlations, upper_half, high)
        return Drawn([Page(stacked([beside(upper), lower]), caption, suffix=".png")], numbers, parameters)

    def _caption(
        self, study: Study, correlations: Mapping[str, float], upper: Mapping[str, float], high: Mapping[str, float]
    ) -> str:
        called = ", ".join(study.called(unit) for unit in study.class_units(study.extent.classes))
        shares = ", ".join(f"{name} {share:.1%}" for name, share in high.items())
        ways = ". ".join(f"{name.capitalize()}: {settings_words(each)}" for name, each in self._ascents(study).items())
        return (
            f"Network {study.net.name}, layer {study.first_layer.name}: each point is a filter, at the centre of "
            f"gravity of its power. {len(study.frames)} pictures ({study.source}); backward from the most active unit "
            f"of {study.class_layer.name}. Rank correlation with frequency: mean activation "
            f"{correlations['activation']:+.2f}, gradient energy (mean squared gradient at the filter's output, "
            f"times its squared weights; the chart leaves out filters without any) "
            f"{correlations['gradient energy']:+.2f}. The half of the filters with the highest frequencies has "
            f"{upper['activation']:.0%} of the activation and {upper['energy']:.0%} of the gradient energy. Share of "
            f"the power above {HIGH} cycles a pixel: {shares}. "
            f"Ascents of {called}, from the mean image. {ways}."
        )

    def _ascents(self, study: Study) -> dict[str, AscentSettings]:
        steps = min(STEPS, study.extent.steps)
        plain: dict[str, Any] = {"start_at": "mean"}
        return {
            "unregularized": free_settings(steps, **plain),
            "regularized": free_settings(steps, **plain, **REGULARIZED),
        }


def _pixels(study: Study, first: int) -> np.ndarray:
    """Return some of the pictures as zero-centred pixels, float32 (N, C, H, W)."""
    x = inputs(study.net, study.frames[first : first + AT_ONCE], UNPERTURBED)
    return study.net.preprocessing.to_pixels(x.cpu().numpy())


def upper_share(frequency: NDArray[np.floating], amounts: NDArray[np.floating]) -> float:
    """Return which share of amounts, any dtype, (N,), is that of the values with frequencies above the median; 0 where
    all are zero."""
    whole = float(amounts.sum())
    return float(amounts[frequency > np.median(frequency)].sum()) / whole if whole else 0.0
