"""The flags of `optimize_image.py`: the original's, unchanged, and what came since."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from deepvis_toolbox.command_line.extend_flag import add_extend_flag
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.opening.model_folder import model_forms
from deepvis_toolbox.optimize.cli import flag_values
from deepvis_toolbox.optimize.files.picture_files import DEFAULT_TEMPLATE
from deepvis_toolbox.optimize.files.presets import PAPER_PRESETS
from deepvis_toolbox.optimize.method.ascent_settings import parameter_names
from deepvis_toolbox.optimize.method.parameters import Parameter
from deepvis_toolbox.optimize.method.parametrization import PARAMETRIZATIONS
from deepvis_toolbox.optimize.method.regularizers.registry import parameters_of_regularizers
from deepvis_toolbox.optimize.method.starts import STARTS
from deepvis_toolbox.optimize.method.step_policies import STEP_POLICIES
from deepvis_toolbox.registry import Registry

_READERS: dict[str, Callable[[str, str], Any]] = {
    "lr_policy": lambda text, flag: text,  # noqa: ARG005
    "lr_params": flag_values.parameters,
    "start_at": lambda text, flag: text,  # noqa: ARG005
    "parametrization": lambda text, flag: text,  # noqa: ARG005
}


def make_parser() -> argparse.ArgumentParser:
    """All flags; those of the method are left None where they are not given."""
    parser = argparse.ArgumentParser(
        prog="optimize_image.py",
        description="Makes preferred images of units by regularized gradient ascent (Yosinski et al. 2015, section 3).",
        epilog="Example: python optimize_image.py --units fc:9 --seeds 0-8",
        allow_abbrev=False,
    )
    _add_network(parser.add_argument_group("the network"))
    _add_objective(parser.add_argument_group("what is climbed"))
    method = parser.add_argument_group("the method (sizes in pixel units, 0-255)")
    _add_output(parser.add_argument_group("what is written"))
    add_extend_flag(parser)
    _add_method(method)  # last: a flag of an added regularizer must not take the place of another
    return parser


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """The method's parameters that were given as flags, read. `ToolboxError` where one cannot be read."""
    given = {name: getattr(arguments, name) for name in parameter_names() if getattr(arguments, name) is not None}
    return {
        name: text if not isinstance(text, str) else _READERS.get(name, flag_values.number)(text, _flag(name))
        for name, text in given.items()
    }


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _add_network(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--model", metavar="NAME", help=model_forms())
    group.add_argument("--engine", default="torch", help="torch, or caffe for real Caffe (default torch)")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, … (default auto)")
    group.add_argument("--deploy-proto", metavar="FILE", help="a Caffe network's prototxt, instead of --model")
    group.add_argument("--net-weights", metavar="FILE", help="its caffemodel")
    group.add_argument("--mean", help="its mean: a .npy or .binaryproto file, or numbers such as (104,117,123)")
    group.add_argument("--channel-swap-to-rgb", metavar="ORDER", help="(2,1,0) for BGR (usual), (0,1,2) for RGB")
    group.add_argument("--data-size", metavar="SIZE", help="height and width of its input, such as (227,227)")
    group.add_argument("--caffe-root", help="accepted and not needed")


def _add_objective(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--units",
        nargs="+",
        metavar="ADDRESS",
        default=[],
        help="fc:9, block5:all, block3:7,9, stem:3@10,12, head:5@mean",
    )
    group.add_argument(
        "--push-layer", metavar="LAYER", help="the layer (default: the classes' values before the softmax)"
    )
    group.add_argument("--push-channel", metavar="N", help="the unit of the layer (default 130)")
    group.add_argument(
        "--push-spatial", metavar="PLACE", help="(row,column) in a layer with places (default: its centre)"
    )
    group.add_argument("--push-dir", metavar="1|-1", help="1: what the unit likes (default); -1: what it dislikes")
    group.add_argument(
        "--direction", metavar="FILE", help="instead of units: weights for the units of --push-layer, .npy or text"
    )
    group.add_argument(
        "--like", metavar="PICTURE", help="instead of units: as this picture, in the values of --push-layer"
    )
    group.add_argument("--seeds", metavar="LIST", help="0-8 or 0,3,5 (default: --rand-seed)")
    group.add_argument("--rand-seed", metavar="N", default="0", help="one seed (default 0)")


def _add_method(group: argparse._ArgumentGroup) -> None:
    presets = ", ".join(PAPER_PRESETS)
    group.add_argument("--preset", metavar="NAME", help=f"{presets}, or one of the model's own; flags go before it")
    for parameter in parameters_of_regularizers().values():
        _add_parameter(group, parameter)
    group.add_argument("--lr-policy", metavar="NAME", help=f"{_listed(STEP_POLICIES)} (default constant)")
    group.add_argument("--lr-params", metavar="DICT", help=_policies_parameters())
    group.add_argument("--max-iter", metavar="N", help="how many steps (default 500)")
    group.add_argument(
        "--start-at", metavar="START", help=f"{_listed(STARTS)}; image:PATH: a picture (default mean_plus_rand)"
    )
    group.add_argument("--parametrization", metavar="NAME", help=f"{_listed(PARAMETRIZATIONS)} (default pixels)")
    group.add_argument(
        "--robust", nargs="?", const=1.0, metavar="X", help="shift, scale and turn the image a little before each step"
    )


def _add_parameter(group: argparse._ArgumentGroup, parameter: Parameter) -> None:
    try:
        group.add_argument(parameter.flag, metavar="N" if parameter.whole else "X", help=_plain(parameter.help))
    except argparse.ArgumentError:
        raise ToolboxError(
            f'the parameter "{parameter.name}" of a regularizer needs another name: {parameter.flag} is a flag already'
        ) from None


def _listed(registry: Registry[Any]) -> str:
    """Each name with its sentence."""
    return _plain("; ".join(registry.listed()))


def _policies_parameters() -> str:
    """How they are written, and what each step policy's mean."""
    told = (
        f"{name}: {', '.join(f'{key} ({meaning})' for key, meaning in policy.parameters.items())}"
        for name, policy in STEP_POLICIES.items()
    )
    return _plain("\"{'lr': 100.0}\", \"{'max_lr': 1e8, 'desired_prog': 2}\". " + "; ".join(told))


def _plain(text: str) -> str:
    """A text that argparse prints as it is."""
    return text.replace("%", "%%")


def _add_output(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--output", metavar="FOLDER", help="the store of unit images (default: the model's own)")
    group.add_argument("--output-prefix", metavar="PATH", help="instead of the store: the original's files, PATH_…")
    group.add_argument(
        "--output-template",
        default=DEFAULT_TEMPLATE,
        help=f"their names (default {DEFAULT_TEMPLATE})".replace("%", "%%"),
    )
    group.add_argument(
        "--format", choices=("png", "jpg"), default="png", help="of the single pictures in the store (default png)"
    )
    group.add_argument("--arrays", action="store_true", help="also the images' values and all traces, as .npz")
    group.add_argument("--brave", action="store_true", help="overwrite what is there")
    group.add_argument(
        "--skipbig", action="store_true", help="accepted; nothing big is written unless --arrays is given"
    )
    group.add_argument(
        "--batch-size", default="auto", metavar="N", help="pictures at once (default auto: as memory allows)"
    )
    group.add_argument("--ray", nargs="?", const="local", metavar="ADDRESS", help="make them on a Ray cluster")
    group.add_argument("--video", metavar="FILE", help="also a film of the ascent, .mp4")
    group.add_argument("--compare", metavar="PRESETS", help="one picture of each unit for several presets side by side")
    group.add_argument("--quiet", action="store_true", help="no progress bar")
