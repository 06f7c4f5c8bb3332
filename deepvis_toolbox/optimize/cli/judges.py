"""The networks that judge class pictures where these are made: `--judge`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple, TypeGuard

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.opening.loading import load_network
from deepvis_toolbox.optimize.files.transfer import class_of, transfer_of_one
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.unit_images.numbers import LONGEST_NAME, JudgeNumbers
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit


class OpenedJudges(NamedTuple):
    """Networks that say what they see in pictures of `net`'s classes."""

    net: Network
    judges: Sequence[Network]

    def sheet(self, target: Target, pictures: Sequence[RGBImage]) -> list[str]:
        """Return, for a class's pictures, RGB uint8 (H, W, 3) each, in how many each judge sees the class."""
        if not is_class(target, self.net) or not pictures:
            return []
        return [_told(self.net, target, pictures, judge) for judge in self.judges]

    def verdicts(self, target: Target, picture: RGBImage) -> dict[str, JudgeNumbers]:
        """Return what each judge makes of a class's picture, RGB uint8 (H, W, 3), by the judges' names."""
        if not is_class(target, self.net):
            return {}
        return {judge.name[:LONGEST_NAME]: _verdict(self.net, target, picture, judge) for judge in self.judges}


@contextmanager
def opened_judges(given: argparse.Namespace, net: Network, targets: Sequence[Target]) -> Iterator[OpenedJudges]:
    """Open the judges. `ToolboxError`, before any picture is made, where one lacks the classes of the targets."""
    with ExitStack() as opened:
        judges = [opened.enter_context(load_network(name, device=given.device)) for name in given.judge]
        for judge in judges:
            for target in targets:
                if is_class(target, net):
                    class_of(target, net, judge)
        yield OpenedJudges(net, judges)


def is_class(target: Target, net: Network) -> TypeGuard[Unit]:
    """Return whether it is the unit of a class."""
    return isinstance(target, Unit) and target.layer in net.label_layers


def _told(net: Network, unit: Unit, pictures: Sequence[RGBImage], judge: Network) -> str:
    found = transfer_of_one(net, unit, pictures, judge)
    right = sum(verdict.rank == 0 for verdict in found.verdicts)
    return f"{judge.name}: {right} of {len(pictures)} right, probability {found.probability:.2f}"


def _verdict(net: Network, unit: Unit, picture: RGBImage, judge: Network) -> JudgeNumbers:
    (found,) = transfer_of_one(net, unit, [picture], judge).verdicts
    said = judge.labels[found.said] if found.said < len(judge.labels) else str(found.said)
    return JudgeNumbers(rank=found.rank, probability=found.probability, said=said[:LONGEST_NAME])
