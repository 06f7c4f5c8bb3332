"""The flags of `optimize_image.py`: the original's, unchanged, and what came since."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.flags import (
    add_network_flags,
    add_preset_flag,
    add_store_flag,
    add_talk_flags,
    add_unit_flags,
)
from deepvis_toolbox.command_line.parser import CommandParser, add_alias, add_flag
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.cli.photograph_flags import add_photograph_flags
from deepvis_toolbox.optimize.files.picture_files import DEFAULT_TEMPLATE
from deepvis_toolbox.optimize.files.presets import PAPER_PRESETS
from deepvis_toolbox.optimize.method.ascent_settings import parameter_names
from deepvis_toolbox.optimize.method.later_parameters import LATER_PARAMETERS
from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.parametrization import PARAMETRIZATIONS
from deepvis_toolbox.optimize.method.regularizers.registry import parameters_of_regularizers
from deepvis_toolbox.optimize.method.starts import STARTS
from deepvis_toolbox.optimize.method.step_policies import STEP_POLICIES
from deepvis_toolbox.registry import Registry

_READERS: dict[str, Callable[[str, str], Any]] = {
    "lr_policy": lambda text, flag: text,  # noqa: ARG005
    "lr_params": values.parameters,
    "start_at": lambda text, flag: text,  # noqa: ARG005
    "parametrization": lambda text, flag: text,  # noqa: ARG005
}


def make_parser() -> CommandParser:
    """Return all flags; those of the method are left None where they are not given."""
    parser = CommandParser(
        "deepvis-optimize",
        "Makes preferred images of units by regularized gradient ascent (Yosinski et al. 2015, section 3).",
        [("--units fc:9 --seeds 0-8", "nine ostriches"), ("--layers fc --preset paper3 --store unit_images/", "")],
    )
    add_network_flags(parser)
    _add_objective(parser)
    _add_pictures(parser.group("pictures in"))
    method = parser.group("method", "method (sizes in pixel units, 0-255)")
    _add_work(method)
    _add_output(parser)
    presets = ", ".join(PAPER_PRESETS)
    add_preset_flag(parser, f"{presets}, or one of the model's own; the flags above go before it")
    group = parser.group("settings")
    group.add_argument("--compare", metavar="PRESETS", help="one picture of each unit for several presets side by side")
    group.add_argument("--judge", nargs="+", default=[], metavar="MODEL",
                       help="networks that say of each class picture that is made whether they see the class: in its "
                       "record, in the window, and on the sheet of --compare")  # fmt: skip
    add_talk_flags(parser, json="what was made")
    add_photograph_flags(parser)
    _add_method(method)  # last: a flag of an added regularizer must not take the place of another
    return parser


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the method's parameters that were given as flags, read. `ToolboxError` where one cannot be read."""
    given = {name: getattr(arguments, name) for name in parameter_names() if getattr(arguments, name) is not None}
    return {
        name: text if not isinstance(text, str) else _READERS.get(name, values.number)(text, _flag(name))
        for name, text in given.items()
    }


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _add_objective(parser: CommandParser) -> None:
    add_unit_flags(parser, "unit 130 of the classes' values before the softmax")
    group = parser.group("units")
    group.add_argument("--push-dir", metavar="1|-1", help="1: what the unit likes (default); -1: what it dislikes")
    add_flag(group, "--direction", metavar="FILE",
             help="instead of units: weights for the units of the layer after --layers, .npy or text")  # fmt: skip
    add_flag(group, "--seeds", aliases=["--rand-seed"], reader=values.seeds, default=[0], metavar="LIST",
             help="the random starts: 0-8 or 0,3,5 (default: 0)")  # fmt: skip
    for flag, reader in (
        ("--push-layer", None),
        ("--push-channel", values.whole_number),
        ("--push-spatial", values.place),
    ):
        add_alias(group, flag, reader)
    parser.set_defaults(push_layer=None, push_channel=None, push_spatial=None)


def _add_pictures(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--like", metavar="PICTURE", help="instead of units: as this picture, in the layer after --layers"
    )


def _add_method(group: argparse._ArgumentGroup) -> None:
    for parameter in parameters_of_regularizers().values():
        _add_parameter(group, parameter)
    group.add_argument("--lr-policy", metavar="NAME", help=f"{_listed(STEP_POLICIES)} (default constant)")
    group.add_argument("--lr-params", metavar="DICT", help=_policies_parameters())
    group.add_argument("--max-iter", metavar="N", help="how many steps (default 500)")
    group.add_argument(
        "--start-at",
        metavar="START",
        help=f"{_listed(STARTS)}; image:PATH: a picture; clusters:N: of the unit's top "
        "photographs (--maxes) in so many clusters, one a seed (default mean_plus_rand)",
    )
    group.add_argument("--parametrization", metavar="NAME", help=f"{_listed(PARAMETRIZATIONS)} (default pixels)")
    group.add_argument(
        "--robust", nargs="?", const=1.0, metavar="X", help="shift, scale and turn the image a little before each step"
    )
    for parameter in LATER_PARAMETERS:
        _add_parameter(group, parameter)


def _add_parameter(group: argparse._ArgumentGroup, parameter: Parameter) -> None:
    try:
        group.add_argument(parameter.flag, metavar="N" if parameter.whole else "X", help=_plain(parameter.help))
    except argparse.ArgumentError:
        raise ToolboxError(
            f'the parameter "{parameter.name}" of a regularizer needs another name: {parameter.flag} is a flag already'
        ) from None


def _listed(registry: Registry[Any]) -> str:
    """Return each name with its sentence."""
    return _plain("; ".join(registry.listed()))


def _policies_parameters() -> str:
    """Return how they are written, and what each step policy's mean."""
    told = (
        f"{name}: {', '.join(f'{key} ({meaning})' for key, meaning in policy.parameters.items())}"
        for name, policy in STEP_POLICIES.items()
    )
    return _plain("\"{'lr': 100.0}\", \"{'max_lr': 1e8, 'desired_prog': 2}\". " + "; ".join(told))


def _plain(text: str) -> str:
    """Return a text that argparse prints as it is."""
    return text.replace("%", "%%")


def _add_work(group: argparse._ArgumentGroup) -> None:
    add_flag(group, "--batch-size", reader=values.auto_or_positive, default="auto", metavar="N",
             help="pictures at once (default: auto, as memory allows)")  # fmt: skip
    group.add_argument("--ray", nargs="?", const="local", metavar="ADDRESS", help="make them on a Ray cluster")


def _add_output(parser: CommandParser) -> None:
    add_store_flag(parser, aliases=["--output"])
    group = parser.group("results out")
    add_flag(group, "--out", aliases=["--output-prefix"], metavar="PREFIX",
             help="instead of the store: the original's files, PREFIX_…")  # fmt: skip
    add_flag(group, "--template", aliases=["--output-template"], default=DEFAULT_TEMPLATE, metavar="NAME",
             help=f"their names (default: {DEFAULT_TEMPLATE})".replace("%", "%%"))  # fmt: skip
    group.add_argument(
        "--format", choices=("png", "jpg"), default="png", help="of the single pictures in the store (default: png)"
    )
    group.add_argument("--arrays", action="store_true", help="also the images' values and all traces, as .npz")
    group.add_argument("--video", metavar="FILE", help="also a film of the ascent, .mp4")
    group.add_argument("--brave", action="store_true", help="overwrite what is there")
    add_alias(group, "--skipbig", action="store_true")  # nothing big is written unless --arrays is given
