"""What `--compare` and `--probe` name: another network, and pictures over which its units are matched."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from deepvis_toolbox.command_line.opened_network import options_of_another
from deepvis_toolbox.errors import ToolboxError, shown_path, user_path
from deepvis_toolbox.live.work.checkpoints import ENDINGS
from deepvis_toolbox.live.work.counterpart import Counterpart, OpenCounterpart, probe_pictures
from deepvis_toolbox.opening.model_folder import has_no_model_file, is_factory, model_path

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.settings.sections import Settings

_LIBRARIES = ("torchvision:", "timm:")
"""How names begin of models whose library knows how their input is made."""


def counterpart_opener(
    given: argparse.Namespace, settings: Settings, load: Callable[[argparse.Namespace, Settings], Network]
) -> OpenCounterpart | None:
    """Return what opens the network after `--compare`; None without that. `load` opens the one that the flags name.

    Raises `ToolboxError` for what can be seen to be wrong before anything is opened.
    """
    if given.probe and (given.watch or not given.compare):
        why = "does not go with --watch" if given.watch else "needs --compare"
        raise ToolboxError(f"--probe {why}: over its pictures, the units of two networks are matched")
    if given.compare is None:
        return None
    probe = tuple(probe_pictures(user_path(given.probe))) if given.probe else ()
    weights = user_path(given.compare)
    if weights.name.lower().endswith(ENDINGS):
        if not weights.is_file():
            raise ToolboxError(f"--compare {shown_path(weights)}: there is no such file")
        same = argparse.Namespace(**{**vars(given), "weights": str(weights.absolute())})
        return lambda _: Counterpart(load(same, settings), weights.name, probe)
    if not has_no_model_file(given.compare):
        model_path(given.compare)  # what is misspelt is told at once
    return lambda own: Counterpart(_another(given, settings, own), given.compare, probe)


def _another(given: argparse.Namespace, settings: Settings, own: Network) -> Network:
    """Open a network by its name. A factory of the user's says nothing of its input: it is made as the first one's."""
    from deepvis_toolbox.opening.loading import load_network

    options = {**options_of_another(given), "engine": settings.engine, "device": settings.device}
    if not is_factory(given.compare) or given.compare.startswith(_LIBRARIES):
        return load_network(given.compare, **options)
    how = own.preprocessing
    network = load_network(given.compare, input_size=how.size, channels=how.channels, **options)
    network.preprocessing = how
    return network
