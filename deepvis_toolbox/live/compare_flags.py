"""The network after `--compare`, as the window opens it."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from deepvis_toolbox.counterpart.named import named_network
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.work.counterpart import Counterpart, OpenCounterpart

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network
    from deepvis_toolbox.settings.sections import Settings


def counterpart_opener(
    given: argparse.Namespace, settings: Settings, load: Callable[[argparse.Namespace, Settings], Network]
) -> OpenCounterpart | None:
    """Return what opens the network after `--compare`; None without that. `load` opens the one that the flags name.

    Raises `ToolboxError` for what can be seen to be wrong before anything is opened.
    """
    if given.probe and given.watch:
        raise ToolboxError("--probe does not go with --watch: over its pictures, the units of two networks are matched")
    named = named_network(given, lambda flags: load(flags, settings), engine=settings.engine, device=settings.device)
    return None if named is None else lambda own: Counterpart(named.open(own), named.name, named.probe)
