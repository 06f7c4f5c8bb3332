"""Inputs of a user's module besides the image, given once for all: a timestep, a scale, the same image once more."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from deepvis_toolbox.errors import ToolboxError, nearest_name
from deepvis_toolbox.words.input_channels import InputChannels, picture_number, pictures_in, usual_channels

Constant = float | int | bool | str | tuple[float, ...]


def with_inputs(module: nn.Module, values: Mapping[str, Constant], channels: InputChannels) -> nn.Module:
    """Return the module, which is changed: its `forward` takes the image alone, and `values` for what they name.

    A number is given as it is; several numbers as a tensor of them, (n,), whole ones int64 and others float32; `image`
    is the image. Where `image 2` is among them, the image is several pictures joined along the channels: `forward` gets
    the first, and each input its own. `ToolboxError` where `forward` takes nothing of such a name, or `channels` are of
    another number of pictures.
    """
    kind = type(module)
    taken = inspect.signature(kind.forward).parameters
    for name in values:
        if name not in taken and not any(each.kind is each.VAR_KEYWORD for each in taken.values()):
            others = list(taken)[2:]
            hint = nearest_name(name, others) or (f"; it takes {', '.join(others)}" if others else "")
            raise ToolboxError(f'the forward of {kind.__name__} takes no "{name}"{hint}')

    count, parts = pictures_in(values), channels.pictures
    if count > 1 and count != len(parts):
        told = f"{count} pictures are asked for, and the channels of {len(parts)} are there"
        raise ToolboxError(f"{told}: write channels {usual_channels([3] * count)}, or as it takes them")

    def forward(self: nn.Module, image: Any) -> Any:
        pictures = [image] if count == 1 else [image[:, part] for part in parts]
        numbers = {name: picture_number(value) for name, value in values.items()}
        given = {
            name: _as_given(values[name]) if number is None else pictures[number] for name, number in numbers.items()
        }
        return kind.forward(self, pictures[0], **given)

    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "forward": forward}
    module.__class__ = type(kind.__name__, (kind,), named)
    return module


def _as_given(value: Constant) -> Any:
    if not isinstance(value, (tuple, list)):
        return value
    return torch.tensor(value, dtype=torch.int64 if all(isinstance(each, int) for each in value) else torch.float32)
