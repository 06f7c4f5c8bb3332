"""The groups of flags that commands share: the same names, the same help and the same order in each of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterable

from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.extend_flag import add_extend_flag
from deepvis_toolbox.command_line.parser import CommandParser, add_alias, add_flag
from deepvis_toolbox.opening.model_folder import model_forms
from deepvis_toolbox.words.network import DEFAULT_MODEL, ENGINES, TRACE_WAYS


def add_network_flags(parser: CommandParser) -> None:
    """Add what names a network and says how its input is made; `opened_network` reads them."""
    group = parser.group("network")
    add_flag(group, "--model", metavar="NAME", default=DEFAULT_MODEL,
             help=f"{model_forms()} (default: {DEFAULT_MODEL})")  # fmt: skip
    add_flag(
        group, "--prototxt", aliases=["--deploy-proto"], metavar="FILE", help="a Caffe network, instead of --model"
    )
    add_flag(group, "--weights", aliases=["--net-weights"], metavar="FILE", help="trained weights")
    add_flag(group, "--onnx", dest="model", reader=values.onnx_file, default=argparse.SUPPRESS, metavar="FILE",
             help="an ONNX file, instead of --model")  # fmt: skip
    group.add_argument("--until", metavar="LAYER", help="open an ONNX file up to this layer")
    group.add_argument("--engine", choices=ENGINES, default="torch", help="who computes; caffe: real Caffe")
    add_flag(group, "--device", reader=values.device, default="auto", help="auto, cpu, cuda, cuda:N or mps")
    add_flag(group, "--input-size", aliases=["--data-size"], reader=values.size, metavar="HxW",
             help="the input's height and width in pixels, or one number for both")  # fmt: skip
    add_flag(group, "--channels", reader=values.channels, metavar="ORDER",
             help="what fills the input's channels: RGB, BGR or gray; more of them: RGB+RGB, RGB+1")  # fmt: skip
    add_alias(group, "--channel-swap-to-rgb", values.channel_order, dest="channels")
    add_flag(group, "--mean", reader=values.numbers_or_file, metavar="VALUES",
             help="subtracted: one number, one for each channel (104,117,123), or a file")  # fmt: skip
    add_flag(
        group, "--std", reader=values.numbers, metavar="VALUES", help="divisor after the mean: one number, or several"
    )
    add_flag(group, "--scale", reader=values.numbers, metavar="VALUES", help="factor after the mean, the same way")
    add_flag(
        group, "--crop", reader=values.number, metavar="X", help="the fraction of the picture's centre that is seen"
    )
    add_flag(group, "--view-channels", reader=values.three_channels, metavar="R,G,B",
             help="of more than three channels: the numbers of those that are shown")  # fmt: skip
    add_flag(group, "--white", reader=values.number, metavar="X", help="the value of bands of 16 bits that is white")
    add_flag(group, "--labels", metavar="FILE", help="class names, one a line")
    group.add_argument("--add-layer", action="append", default=[], metavar="[LAYER=]FILE",
                       help="directions (.npz, .safetensors) that become a layer of their own")  # fmt: skip
    group.add_argument("--trace", choices=TRACE_WAYS, help="how a PyTorch module becomes a graph (default: auto)")
    group.add_argument("--trust", action="append", default=[], metavar="DIR",
                       help="let this folder's model.yaml name its code, and files elsewhere, from now on")  # fmt: skip
    group.add_argument("--path", action="append", default=[], metavar="DIR",
                       help="also look here for the module of package.module:factory")  # fmt: skip
    add_alias(group, "--caffe-root", dest="caffe_root")
    parser.set_defaults(caffe_root=None)


def add_unit_flags(parser: CommandParser, default: str) -> None:
    """Add `--units` (a list of addresses) and `--layers` (patterns); `default`: what is taken without them."""
    group = parser.group("units")
    add_flag(group, "--units", reader=values.addresses, nargs="+", action="extend", metavar="ADDRESS",
             help="layer:unit, layer:class, :0-9,12, :all, layer:unit@row,column or @mean "
             f"(default: {default})")  # fmt: skip
    add_layer_flag(parser, "all units of these layers")


def add_layer_flag(parser: CommandParser, meaning: str) -> None:
    """Add `--layers`; `meaning`: what is taken of the layers."""
    add_flag(parser.group("units"), "--layers", nargs="+", action="extend", metavar="PATTERN",
             help=f"{meaning}: names, groups, or patterns with * and ?")  # fmt: skip


def given_addresses(given: argparse.Namespace) -> list[str]:
    """Return the addresses after `--units`, however they were divided."""
    return [address for several in given.units or () for address in several]


def addresses_with(given: argparse.Namespace, layers: Iterable[str]) -> list[str]:
    """Return the addresses after `--units`, and those of all units of `layers`."""
    return [*given_addresses(given), *(f"{layer}:all" for layer in layers)]


def add_images_flags(parser: CommandParser, more: str = "") -> None:
    """Add what names a data set of pictures."""
    group = parser.group("pictures in")
    add_flag(group, "--images", metavar="DIR|ARCHIVE|LIST", help="a folder with pictures and archives of them, "
             f"an archive, a list (.txt: a picture a line), or the URL of a folder{more}")  # fmt: skip
    add_flag(
        group, "--list", metavar="FILE", help="only these pictures of the folder: a path and optionally a label a line"
    )


def add_store_flag(parser: CommandParser, aliases: list[str]) -> None:
    """Add `--store`, the folder of unit images."""
    add_flag(parser.group("results out"), "--store", aliases=aliases, metavar="DIR",
             help="the store of unit images (default: the model.yaml's, or unit_images/MODEL)")  # fmt: skip


def add_preset_flag(parser: CommandParser, meaning: str) -> None:
    """Add `--preset`; `meaning`: what it is for."""
    add_flag(parser.group("settings"), "--preset", metavar="NAME", help=meaning)


def add_settings_flags(parser: CommandParser) -> None:
    """Add `--set` and `--settings`."""
    group = parser.group("settings")
    add_flag(group, "--set", dest="overrides", action="append", default=[], metavar="KEY=VALUE",
             help="one setting; docs/settings.md and deepvis-settings list them")  # fmt: skip
    add_flag(group, "--settings", aliases=["--local"], metavar="FILE",
             help="read this file instead of settings_local.yaml")  # fmt: skip


def add_talk_flags(parser: CommandParser, json: str = "") -> None:
    """Add what every command has: `-v` and `-q`, `--json` where `json` says what it prints, `-h`, and `--extend`."""
    group = parser.group("talk")
    loudness = group.add_mutually_exclusive_group()
    loudness.add_argument("-v", "--verbose", action="store_true", help="also say what is being done")
    loudness.add_argument("-q", "--quiet", action="store_true", help="no progress bar; of the log, warnings only")
    if json:
        group.add_argument("--json", action="store_true", help=f"print {json} as JSON")
    group.add_argument("-h", "--help", action="help", help="show this and do nothing else")
    add_extend_flag(parser.group("settings"))
