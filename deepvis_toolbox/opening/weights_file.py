"""State dicts from untrusted files, and how they are filled into a module: entirely, or one sentence says why not."""

from __future__ import annotations

import io
import os
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import is_lazy

from deepvis_toolbox.errors import ToolboxError, first_few, reason_of
from deepvis_toolbox.npz_file import DAMAGED_ZIP
from deepvis_toolbox.opening.names_in_checkpoints import named_as_in

LARGEST_FILE = 8 << 30
"""Bytes; no convnet's weights are larger, so a larger file is something else."""

_OF_CAFFE = (".caffemodel", ".caffemodel.h5")
_NOT_OF_TORCH = (*_OF_CAFFE, ".h5")
_TIMES = {"epoch": "epoch", "current_epoch": "epoch", "global_step": "step", "step": "step", "iteration": "step"}
"""What checkpoints call the time at which they were written."""
_LATEST = 10**12
_WRAPPERS = ("state_dict", "model", "model_state_dict", "net", "network", "module", "params", "weights", "ema")
"""What checkpoints call the state dict in them."""
_MOST_WRAPPERS = 8
_ZIP = b"PK\x03\x04"

_EXTRA = "_extra_state"
"""What the name of something else ends in that a module keeps in a state dict: what its get_extra_state gives."""
_NOT_NEEDED = ("num_batches_tracked", _EXTRA)


def _numpy_numbers() -> list[Any]:
    """Return what a NumPy number (the best accuracy so far, say) is made of in a file; it runs nothing of a user's."""
    types = {np.dtype, *(type(np.dtype(kind)) for kind in np.typecodes["AllFloat"] + np.typecodes["AllInteger"] + "?")}
    scalar: Any = np.float64(0).__reduce__()[0]
    return [*types, scalar, (scalar, "numpy.core.multiarray.scalar"), (scalar, "numpy._core.multiarray.scalar")]


_NUMPY_NUMBERS = _numpy_numbers()


def read_state_dict(path: Path) -> dict[str, torch.Tensor]:
    """Return the tensors of a `.pt`/`.pth` file, of any shape and dtype, by name, on the CPU.

    A checkpoint's own `state_dict` is unwrapped; what modules keep as `_extra_state` may stand in it too. Nothing in
    the file is executed. Raises `ToolboxError` where the file is missing, too large or no state dict.
    """
    if path.name.lower().endswith(_OF_CAFFE):
        raise ToolboxError(f"{path} holds weights of a Caffe network; give its definition too: --prototxt FILE")
    return _state_dict_in(_content(path), path)


def time_in_training(path: Path) -> str:
    """Return what a checkpoint says of when it was written, `epoch 3` or `step 400`; empty where that is nothing, or
    the file is none that can be read."""
    if path.name.lower().endswith(_NOT_OF_TORCH):
        return ""
    try:
        content = _content(path)
    except ToolboxError:
        return ""
    said = ((word, content.get(key)) for key, word in _TIMES.items()) if isinstance(content, dict) else ()
    return next((f"{word} {value}" for word, value in said if type(value) is int and 0 <= value < _LATEST), "")


def _content(path: Path) -> Any:
    is_zip, claimed = _check_size(path), _Claimed(path.stat().st_size)
    kinds = torch.serialization.safe_globals(_NUMPY_NUMBERS)
    # The formats of torch fail in a dozen ways; what it advises then is to run the file's code.
    with suppress(Exception), kinds, _FileRead(path) as file:
        return torch.load(path if is_zip else file, map_location=claimed, weights_only=True)
    if claimed.largest > claimed.most:
        raise ToolboxError(f"{path} is cut off or broken: it says that it holds {claimed.largest} bytes in one piece")
    raise ToolboxError(
        f"{path} cannot be read as weights of PyTorch: it is broken, or holds more than names and tensors; save the "
        "network's state_dict() with torch.save"
    )


class _Claimed:
    """Keeps each storage on the CPU, and refuses one of more bytes than the file has, before anything is read into it:
    until then its memory is not taken."""

    def __init__(self, most: int) -> None:
        self.most, self.largest = most, 0

    def __call__(self, storage: Any, _location: str) -> Any:
        self.largest = max(self.largest, storage.nbytes())
        if self.largest > self.most:
            raise ValueError("a storage that is larger than its file")
        return storage


def fill(module: nn.Module, state: dict[str, torch.Tensor], source: str) -> list[str]:
    """Copy the tensors, shaped as the module's and of any dtype, into it, and what its parts keep as `_extra_state`.

    Where they stand under a name of their own (`model.`, as of Lightning) beside others, return a sentence about what
    was left out. `ToolboxError` names what is missing, left over or of another shape.
    """
    wanted = module.state_dict()
    needed = {name for name in wanted if not name.endswith(_NOT_NEEDED)}
    state, left_out = named_as_in(wanted, needed, state)
    kept_beside = {name: kept for name, kept in state.items() if name.endswith(_EXTRA) and name in wanted}
    state = {name: tensor for name, tensor in state.items() if not name.endswith(_EXTRA)}
    both = [name for name in state if name in wanted]
    problems = [
        _listed("sparse, quantized, nested or without data", [name for name in state if not _is_plain(state[name])]),
        _listed("missing", [name for name in wanted if name not in state and not name.endswith(_NOT_NEEDED)]),
        _listed("left over", [name for name in state if name not in wanted]),
        _listed(
            "of another shape",
            [name for name in both if _is_plain(state[name]) and state[name].shape != wanted[name].shape],
        ),
        _listed("complex", [name for name in both if state[name].is_complex() and not wanted[name].is_complex()]),
    ]
    if any(problems):
        raise ToolboxError(f"{source} does not fit the network: {'; '.join(filter(None, problems))}")
    parameters = {name for name, _ in module.named_parameters(remove_duplicate=False)}
    try:
        broken = [name for name in both if _is_no_number(state[name], wanted[name], name not in parameters)]
    except (RuntimeError, NotImplementedError) as error:  # a type of numbers that PyTorch can store, not compute with
        raise ToolboxError(f"{source} does not fit the network: {reason_of(error)}") from None
    if broken:
        raise ToolboxError(f"{source} holds values that are not finite: {_listed('in', broken)}")
    try:
        module.load_state_dict(state | kept_beside, strict=False)
    except Exception as error:  # sparse tensors, say, that cannot be copied into plain ones; a user's set_extra_state
        raise ToolboxError(f"{source} does not fit the network: {reason_of(error, last=True)}") from None
    return left_out


def _is_plain(tensor: torch.Tensor) -> bool:
    """Return whether a tensor is an array of numbers, which lie in memory."""
    is_array = tensor.layout is torch.strided and not tensor.is_nested and not tensor.is_quantized
    return is_array and not tensor.is_meta


def _is_no_number(value: torch.Tensor, wanted: torch.Tensor, may_be_infinite: bool) -> bool:
    """Return whether values are NaN or infinite once they have the module's dtype. A buffer's infinities, of a mask
    say, are meant, as long as they are some in the file."""
    if not value.is_floating_point() or not wanted.is_floating_point():
        return False
    held = value.to(wanted.dtype)
    grown = held.isinf() & ~_comparable(value).isinf() if may_be_infinite else held.isinf()
    return bool(held.isnan().any() or grown.any())


def _comparable(value: torch.Tensor) -> torch.Tensor:
    """Return floats of eight bits as larger ones: PyTorch cannot tell which of them are infinite."""
    return value.float() if value.itemsize == 1 else value


def weights_without_numbers(module: nn.Module) -> str:
    """Return a sentence that names the module's parameters and buffers that hold NaN; empty where none does.

    A module that its factory has filled may be looked at all the same: often it is one unit that training has lost.
    Infinities are no mistake in a mask.
    """
    broken = [
        name
        for name, value in module.state_dict().items()
        if isinstance(value, torch.Tensor) and not is_lazy(value) and value.is_floating_point() and value.isnan().any()
    ]
    named = _listed("weights that are NaN", broken)
    return f"{named}; what is computed with them is no number either" if broken else ""


class _FileRead(io.BufferedReader):
    """A file whose readers are given no more than it has: memory is taken for as much as they ask for."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(path))
        self._length = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1) -> bytes:
        left = max(0, self._length - self.tell())
        return super().read(left if size is None or size < 0 else min(size, left))


def _check_size(path: Path) -> bool:
    """Return whether it is a zip, as those of today's PyTorch are. `ToolboxError` where it is missing or too large."""
    if not path.is_file():
        raise ToolboxError(f"there is no weights file {path}")
    size = path.stat().st_size
    if not 0 < size <= LARGEST_FILE:
        raise ToolboxError(f"{path} has {size} bytes; a weights file has between 1 and {LARGEST_FILE}")
    unpacked = _unpacked_size(path)
    if unpacked is not None and unpacked > 2 * size + (1 << 20):
        raise ToolboxError(f"{path} unpacks to more than it can hold; PyTorch does not compress weights")
    with path.open("rb") as file:
        return unpacked is not None and file.read(4) == _ZIP  # by which torch knows its format of today


def _unpacked_size(path: Path) -> int | None:
    """Return what the members of a zip say that they unpack to; None where it is none that can be listed."""
    try:
        with zipfile.ZipFile(path) as archive:
            return sum(member.file_size for member in archive.infolist())
    except DAMAGED_ZIP:
        return None


def _state_dict_in(content: Any, path: Path) -> dict[str, torch.Tensor]:
    if isinstance(content, dict):
        for _ in range(_MOST_WRAPPERS):  # a file can hold a dictionary that holds itself
            inside = next((content[name] for name in _WRAPPERS if isinstance(content.get(name), dict)), None)
            content = content if inside is None else inside
        tensors = [key for key, value in content.items() if isinstance(key, str) and torch.is_tensor(value)]
        if tensors and all(key in tensors or str(key).endswith(_EXTRA) for key in content):
            return content
    raise ToolboxError(f"{path} holds no state dict (names and tensors)")


def _listed(what: str, names: list[str]) -> str:
    return f"{what}: {first_few(names)}" if names else ""
