"""What `--compare` and `--probe` name: another network, and pictures over which its units are matched."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.command_line.opened_network import options_of_another
from deepvis_toolbox.counterpart.probe import probe_pictures
from deepvis_toolbox.errors import ToolboxError, shown_path, user_path
from deepvis_toolbox.opening.model_folder import has_no_model_file, is_factory, model_path
from deepvis_toolbox.words.weights_files import ENDINGS

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

_LIBRARIES = ("torchvision:", "timm:")
"""How names begin of models whose library knows how their input is made."""


@dataclass(frozen=True)
class NamedNetwork:
    """The network to compare with, before it is opened. `open` is called with the one that it is opened beside."""

    open: Callable[[Network], Network]
    name: str
    """What the command line calls it."""
    probe: tuple[Path, ...]
    """Pictures over which units are matched; none: they are matched by their numbers."""
    has_own_files: bool
    """Whether it is another model, not the first one with other weights."""


def named_network(
    given: argparse.Namespace, with_weights: Callable[[argparse.Namespace], Network], **options: Any
) -> NamedNetwork | None:
    """Return what `--compare` names; None without it. `with_weights` opens the network that flags name; `options`:
    arguments of `load_network` for another one, instead of the flags'.

    Raises `ToolboxError` for what can be seen to be wrong before anything is opened.
    """
    if given.probe and not given.compare:
        raise ToolboxError("--probe needs --compare: over its pictures, the units of two networks are matched")
    if given.compare is None:
        return None
    probe = tuple(probe_pictures(user_path(given.probe))) if given.probe else ()
    weights = user_path(given.compare)
    if weights.name.lower().endswith(ENDINGS):
        if not weights.is_file():
            raise ToolboxError(f"--compare {shown_path(weights)}: there is no such file")
        same = argparse.Namespace(**{**vars(given), "weights": str(weights.absolute())})
        return NamedNetwork(lambda _: with_weights(same), weights.name, probe, has_own_files=False)
    if not has_no_model_file(given.compare):
        model_path(given.compare)  # what is misspelt is told at once
    return NamedNetwork(lambda own: _another(given, options, own), given.compare, probe, has_own_files=True)


def _another(given: argparse.Namespace, more: dict[str, Any], own: Network) -> Network:
    """Open a network by its name. A factory of the user's says nothing of its input: it is made as the first one's."""
    from deepvis_toolbox.opening.loading import load_network

    options = {**options_of_another(given), **more}
    if not is_factory(given.compare) or given.compare.startswith(_LIBRARIES):
        return load_network(given.compare, **options)
    how = own.preprocessing
    network = load_network(given.compare, input_size=how.size, channels=how.channels, **options)
    network.preprocessing = how
    return network
