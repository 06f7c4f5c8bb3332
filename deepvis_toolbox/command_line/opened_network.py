"""Opens the network that a command's flags name."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.command_line.values import written
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.opening.model_folder import has_no_model_file, model_path

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

_PATHS = ("prototxt", "weights", "labels")
_VALUES = ("trace", "until", "input_size", "channels", "view_channels", "white", "mean", "scale", "std", "crop")


def opened_network(given: argparse.Namespace) -> Network:
    """Return the network that the flags of `add_network_flags` name.

    With `--verbose`, what was found out about loose Caffe files is said on stderr. `ToolboxError` where the flags do
    not fit together or nothing can be opened.
    """
    from deepvis_toolbox.opening.found_out import found_out
    from deepvis_toolbox.opening.loading import load_network

    network = load_network(named_model(given), **loading_options(given))
    if given.prototxt and given.verbose:
        for line in found_out(network):
            print(line, file=sys.stderr)
    return network


def named_model(given: argparse.Namespace) -> str | None:
    """Return what `--model` names; None where loose Caffe files are given, which take its place."""
    return None if given.prototxt else given.model


def loading_options(given: argparse.Namespace) -> dict[str, Any]:
    """Return all but the model as arguments of `load_network`, with absolute paths: the same in every process.

    Folders after `--trust` are trusted from now on.
    """
    for folder in given.trust:
        from deepvis_toolbox.opening.trust import trust  # pydantic: not for the window's --help

        trust(folder)
    if given.prototxt and not given.weights:
        raise ToolboxError("--prototxt and --weights belong together; give both")
    paths = {name: getattr(given, name) for name in _PATHS}
    options: dict[str, Any] = {name: str(user_path(path).resolve()) for name, path in paths.items() if path is not None}
    options |= {name: value for name in _VALUES if (value := getattr(given, name)) is not None}
    if isinstance(options.get("mean"), str):
        options["mean"] = str(user_path(options["mean"]).resolve())
    if given.add_layer:
        options["added_layers"] = list(map(_absolute_layer, given.add_layer))
    if given.path:
        options["path"] = [str(user_path(folder).resolve()) for folder in given.path]
    return {"engine": given.engine, "device": given.device, **options}


def options_of_another(given: argparse.Namespace) -> dict[str, Any]:
    """Return those of `loading_options` that hold for another model, too: not the files of the one that the flags name,
    nor how its input is made."""
    return loading_options(argparse.Namespace(**{**vars(given), **dict.fromkeys((*_PATHS, *_VALUES)), "add_layer": []}))


def _absolute_layer(written: str) -> str:
    """Return `FILE` or `LAYER=FILE` with the file's absolute path."""
    place, sign, file = written.partition("=")
    if not sign or user_path(written).is_file():
        return str(user_path(written).resolve())
    return f"{place}={user_path(file).resolve()}"


def trusted_elsewhere(model: str | None) -> bool:
    """Return whether other machines may open the model as this one does: its folder is trusted here."""
    from deepvis_toolbox.opening.trust import is_trusted  # as above

    return model is not None and not has_no_model_file(model) and is_trusted(model_path(model).parent)


def written_flags(given: argparse.Namespace) -> tuple[tuple[str, str], ...]:
    """Return the flags, (flag, value), that open the same network in another command; without model, engine, device."""
    named = {name: getattr(given, name) for name in (*_PATHS, *_VALUES)}
    flags = tuple(("--" + name.replace("_", "-"), written(value)) for name, value in named.items() if value is not None)
    return (*flags, *(("--add-layer", each) for each in given.add_layer))
