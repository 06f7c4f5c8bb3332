"""Parameters of the method that came after the paper: off unless given, and then alone in records."""

from __future__ import annotations

from collections.abc import Mapping

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.method.parameters import Parameter

MOST_VIEWS = 64
LARGEST = 4096

LATER_PARAMETERS: tuple[Parameter, ...] = (
    Parameter("size", 0, "side of the image in pixels, where it is larger than the input", high=LARGEST, whole=True),
    Parameter("views", 0, "average the gradient over so many random parts of the image", high=MOST_VIEWS, whole=True),
    Parameter("view_smallest", 0.5, "the smallest part that is seen, of the image's side", low=0.05, high=1, off=None),
    Parameter("view_turn", 0.0, "turn each part by up to so many degrees", high=180),
    Parameter("view_noise", 0.0, "standard deviation of the noise on each part, in pixel values", high=255),
    Parameter("against", 0.0, "subtract so much of the logsumexp of the layer's units from what is climbed", high=100),
    Parameter("spread", 0.0, "add so much of the channel's value at each other place to the unit's own", high=1),
    Parameter("lr_end", 1.0, "the part of the step size that is left in the end; it shrinks evenly", high=1, off=1.0),
    Parameter("coarse", 0.0, "begin with frequencies of so many cycles across the image; the finer ones come by and by",
              high=LARGEST),
    Parameter("norm_prior", 0.0, "hold the layers' statistics near those that batch norms learnt, with this weight",
              high=1e6),
    Parameter("sorted_prior", 0.0, "hold the layers' sorted values near those of --statistics, with this weight",
              high=1e6),
    Parameter("diversity", 0.0, "hold a unit's pictures apart from each other, with this weight; they climb together",
              high=1e6),
    Parameter("magnitudes", 0.0, "after each step, bring the spectrum's amplitudes this far to photographs'",
              high=1),
    Parameter("natural_colours", 0.0, "after each step, bring the colours' mean and deviation this far to photographs'",
              high=1),
    Parameter("min_gain", 0.0, "end where the objective has gained less than this in 50 steps"),
    Parameter("shown_percentile", 0.0, "in the shown picture, so many percent of the values are black, and white",
              high=49),
)  # fmt: skip
GAIN_WINDOW = 50
"""Steps over which `min_gain` is measured."""


def later_values(given: Mapping[str, float]) -> dict[str, float]:
    """Return all of them, checked, the default where none is given. `ToolboxError` where they do not go together."""
    values = {each.name: each.checked(given.get(each.name, each.default)) for each in LATER_PARAMETERS}
    if values["size"] and not values["views"]:
        raise ToolboxError("size is the side of an image of which parts are seen; give views as well, such as 2")
    return values


def recorded(values: Mapping[str, float]) -> dict[str, float]:
    """Return those that are not as if nothing had been given."""
    return {each.name: values[each.name] for each in LATER_PARAMETERS if values[each.name] != each.default}
