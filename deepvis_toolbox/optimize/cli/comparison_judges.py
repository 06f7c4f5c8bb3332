"""The networks that judge the pictures of a comparison: `--judge`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TypeGuard

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.opening.loading import load_network
from deepvis_toolbox.optimize.files.montages import Judged
from deepvis_toolbox.optimize.files.transfer import class_of, transfer_of_one
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit


def check_judges(given: argparse.Namespace, net: Network, targets: Sequence[Target]) -> None:
    """Raise `ToolboxError`, before any picture is made, where nothing is compared or a judge lacks the classes."""
    if not given.judge:
        return
    if not given.compare:
        raise ToolboxError(
            "--judge goes with --compare; of pictures in a store, python -m deepvis_toolbox.optimize.judge tells"
        )
    for name in given.judge:
        with load_network(name, device=given.device) as judge:
            for target in targets:
                if is_class(target, net):
                    class_of(target, net, judge)


@contextmanager
def judges_of(given: argparse.Namespace, net: Network) -> Iterator[Judged]:
    """Open the judges; what is given says of a class's pictures in how many each sees the class."""
    with ExitStack() as opened:
        judges = [opened.enter_context(load_network(name, device=given.device)) for name in given.judge]

        def judged(target: Target, pictures: Sequence[RGBImage]) -> list[str]:
            if not is_class(target, net) or not pictures:
                return []
            return [_told(net, target, pictures, judge) for judge in judges]

        yield judged


def is_class(target: Target, net: Network) -> TypeGuard[Unit]:
    """Return whether it is the unit of a class."""
    return isinstance(target, Unit) and target.layer in net.label_layers


def _told(net: Network, unit: Unit, pictures: Sequence[RGBImage], judge: Network) -> str:
    found = transfer_of_one(net, unit, pictures, judge)
    right = sum(verdict.rank == 0 for verdict in found.verdicts)
    return f"{judge.name}: {right} of {len(pictures)} right, probability {found.probability:.2f}"
