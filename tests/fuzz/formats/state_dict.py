"""PyTorch's weights."""

from __future__ import annotations

import io
import random
import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from deepvis_toolbox.opening.weights_file import fill, read_state_dict, weights_without_numbers
from tests.fuzz.harness import Files, Harness, harness
from tests.fuzz.mutations.plain_bytes import PLAIN, Mutation
from tests.fuzz.mutations.zips import zip_changed
from tests.fuzz.tiny import Tiny, tiny_module

_FILE = "weights.pt"
_TYPES = (torch.float64, torch.float16, torch.bfloat16, torch.complex64, torch.int64, torch.uint8, torch.bool)
_TYPES += (torch.float8_e4m3fn, torch.float8_e5m2, torch.complex32)


@harness("state-dict")
class StateDicts(Harness):
    """State dicts of PyTorch (`weights: weights.pt`), zip files and those of former versions."""

    def seeds(self) -> list[Files]:
        state = dict(tiny_module().state_dict())
        joined = _in_one_storage(state)
        wrapped = {
            "epoch": 3,
            "best": np.float64(0.5),
            "state_dict": {f"module.{name}": value for name, value in state.items()},
        }
        saved = [_saved(state), _saved(wrapped), _saved_as_before(joined), _saved_as_before({"model": joined})]
        return [{_FILE: content} for content in saved]

    def mutations(self, name: str) -> Sequence[Mutation]:  # noqa: ARG002
        return [*PLAIN, *[zip_changed] * 8, *[_state_changed] * 8]

    def use(self, folder: Path) -> None:
        module = Tiny().eval()
        fill(module, read_state_dict(folder / _FILE), _FILE)
        weights_without_numbers(module)
        with torch.inference_mode():
            module(torch.ones(1, 3, 8, 8))

    def former_failures(self) -> Mapping[str, Files]:
        state = tiny_module().state_dict()
        weight = state["conv.weight"]
        odd = {
            "a sparse tensor": weight.to_sparse(),
            "a tensor without values": weight.to("meta"),
            "eight-bit floats": weight.to(torch.float8_e4m3fn),
            "a list of tensors": _nested(),
            "complex numbers": weight.to(torch.complex64),
            "too large for the network": weight.double() * 1e300,
        }
        return {what: {_FILE: _saved({**state, "conv.weight": value})} for what, value in odd.items()}


def _nested() -> torch.Tensor:
    with warnings.catch_warnings():  # it is told that their interface may change
        warnings.simplefilter("ignore")
        return torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])


def _saved(content: Any) -> bytes:
    """Return what `torch.save` writes; the same bytes every time."""
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _saved_as_before(content: Any) -> bytes:
    """Return the form of former versions, with another name for the only storage, which is where it lay in memory."""
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=False)
    return re.sub(rb"X.\0\0\0\d{12,16}(?=[^\d])", b"X\x0f\0\0\0" + b"140000000000000", file.getvalue(), flags=re.DOTALL)


def _in_one_storage(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    floats = {name: value for name, value in state.items() if value.is_floating_point()}
    pieces = torch.cat([value.reshape(-1) for value in floats.values()]).split(
        [value.numel() for value in floats.values()]
    )
    return {name: piece.view(value.shape) for (name, value), piece in zip(floats.items(), pieces, strict=True)}


def _state_changed(content: bytes, dice: random.Random, donors: Sequence[bytes]) -> bytes:
    """A state dict with another tensor, or something else, in the place of one."""
    try:
        loaded = torch.load(io.BytesIO(content), weights_only=True)
        state = loaded.get("state_dict", loaded)
        name = dice.choice(list(state))
        state[name] = _other(state[name], dice)
        if dice.random() < 0.1:
            state[dice.choice([5, None, "", "x.y", ("a", 1), "conv._extra_state"])] = dice.choice(
                [1, "a", torch.ones(1)]
            )
        return _saved(dice.choice([loaded, loaded, loaded, [loaded], {"model": loaded}]))
    except Exception:  # broken already, or PyTorch cannot save it
        return dice.choice(PLAIN)(content, dice, donors)


def _other(value: torch.Tensor, dice: random.Random) -> Any:
    how = dice.randrange(10)
    if how == 0:
        return value.to(dice.choice(_TYPES))
    if how == 1:
        return dice.choice(
            [value[None], value.reshape(-1), value.expand(2, *value.shape), value[:0], torch.tensor(1.0)]
        )
    if how == 2:
        return value.to_sparse()
    if how == 3:
        return value.to("meta")
    if how == 4:
        return torch.full_like(value, dice.choice([float("nan"), float("inf"), 1e38, -1]))
    if how == 5:
        return _nested()
    if how == 6:
        return torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8)
    if how == 7:
        return torch.ones(1).expand(dice.choice([(10**5, 10**5), (2**31, 2**31)]))
    if how == 8:
        return torch.nn.Parameter(value.float()) if dice.random() < 0.5 else value.double() * 1e300
    return dice.choice([None, 1, "text", [1], {"a": value}, (value,), b"x"])
