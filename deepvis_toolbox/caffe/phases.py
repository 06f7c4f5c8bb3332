"""Which layers of a prototxt run at test time: their `include` and `exclude` rules against the network's state."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.errors import ToolboxError


def runs_at_test_time(layer: Any, state: Any, path: Path) -> bool:
    """Return whether a layer is part of the network in phase TEST with the state's level and stages.

    A layer with `include` rules runs where one of them is met; one with `exclude` rules unless one of them is met.
    """
    if layer.include and layer.exclude:
        raise ToolboxError(f'{path}: layer "{layer.name}" has both "include" and "exclude"; Caffe takes one of them')
    if layer.include:
        return any(_meets(rule, state) for rule in layer.include)
    return not any(_meets(rule, state) for rule in layer.exclude)


DEPLOY = "deploy"
"""The stage at which DIGITS and its like read one file as the network without data and losses."""


def takes_deploy_stage(layers: Iterable[Any], state: Any) -> bool:
    """Return whether the file is to be read at the stage `deploy`: its layers name it, and the file itself no stage."""
    rules = [rule for layer in layers for rule in (*layer.include, *layer.exclude)]
    return not state.stage and any(DEPLOY in (*rule.stage, *rule.not_stage) for rule in rules)


def _meets(rule: Any, state: Any) -> bool:
    stages = set(state.stage)
    return (
        (not rule.HasField("phase") or rule.phase == formats.TEST)
        and (not rule.HasField("min_level") or state.level >= rule.min_level)
        and (not rule.HasField("max_level") or state.level <= rule.max_level)
        and stages.issuperset(rule.stage)
        and stages.isdisjoint(rule.not_stage)
    )
