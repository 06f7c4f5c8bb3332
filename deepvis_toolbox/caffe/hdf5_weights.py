"""Opens weights that Caffe has written as HDF5 (`.caffemodel.h5`)."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.caffe.stored_weights import MAX_LAYERS, StoredArray, StoredWeights
from deepvis_toolbox.errors import ToolboxError, reason_of


def open_hdf5(path: Path) -> StoredWeights:
    """Return the weights of an HDF5 file. Raises `ToolboxError` where it is not one that Caffe writes."""
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise ToolboxError(f"{path}: is a broken HDF5 file ({reason_of(error)})") from None
    weights = StoredWeights(path, resources=[file])
    try:
        weights.layers.update(_hdf5_layers(path, file))
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        file.close()
        raise ToolboxError(f"{path}: is not the HDF5 file of a Caffe network ({reason_of(error)})") from None
    except BaseException:
        file.close()
        raise
    return weights


def _hdf5_layers(path: Path, file: Any) -> dict[str, list[StoredArray]]:
    """Return group `data`: a group for each layer, in it a data set for each parameter, named 0, 1, …

    A layer whose name has slashes lies in nested groups.
    """
    if not isinstance(_own(path, file, "").get("data"), h5py.Group):
        raise ToolboxError(f'{path}: has no group "data"; it is not the HDF5 file of a Caffe network')
    layers: dict[str, list[StoredArray]] = {}
    waiting: list[tuple[str, Any]] = list(_own(path, file["data"], "").items())
    looked_at = 0
    while waiting:
        name, item = waiting.pop()
        looked_at += 1
        if not isinstance(item, h5py.Group):
            raise ToolboxError(f'{path}: "data/{name}" is not a layer')
        if name.count("/") > 64 or looked_at > MAX_LAYERS:
            raise ToolboxError(f"{path}: its groups are nested too deep, or too many, for the file of a Caffe network")
        parts = _own(path, item, name)
        waiting += [(f"{name}/{part}", value) for part, value in parts.items() if isinstance(value, h5py.Group)]
        arrays = {part: value for part, value in parts.items() if isinstance(value, h5py.Dataset)}
        if arrays:
            layers[name] = _hdf5_arrays(path, name, arrays)
    return layers


def _own(path: Path, group: Any, name: str) -> dict[str, Any]:
    """Return what lies in a group itself. Links to elsewhere, other files among them, are refused, not followed."""
    if len(group) > MAX_LAYERS:
        raise ToolboxError(f'{path}: "{name}" holds {len(group)} groups; a Caffe network has at most {MAX_LAYERS}')
    if any(not isinstance(group.get(part, getlink=True), h5py.HardLink) for part in group):
        raise ToolboxError(f'{path}: layer "{name}" links to another place; Caffe writes no links')
    return {part: group[part] for part in group}


def _hdf5_arrays(path: Path, layer: str, arrays: dict[str, Any]) -> list[StoredArray]:
    names = [str(index) for index in range(len(arrays))]
    if set(names) != set(arrays):
        raise ToolboxError(
            f'{path}: layer "{layer}": its parameters are named {", ".join(sorted(arrays))}, not 0, 1, …'
        )
    for name, array in arrays.items():
        if array.dtype.kind != "f" or array.dtype.itemsize not in (4, 8) or array.external or array.is_virtual:
            raise ToolboxError(
                f'{path}: layer "{layer}", parameter {name}: is not an array of float or double in the file'
            )
        if array.chunks is not None:
            raise ToolboxError(
                f'{path}: layer "{layer}", parameter {name}: is compressed or in pieces, which Caffe does not write; '
                "h5repack -l CONTI writes it as Caffe does"
            )
        if array.id.get_storage_size() < math.prod(array.shape) * array.dtype.itemsize:
            raise ToolboxError(f'{path}: layer "{layer}", parameter {name}: its values are missing from the file')
    return [StoredArray(tuple(arrays[name].shape), _hdf5_reader(path, layer, arrays[name])) for name in names]


def _hdf5_reader(path: Path, layer: str, array: Any) -> Callable[[], NDArray[np.float32]]:
    def read() -> NDArray[np.float32]:
        values = np.empty(array.shape, np.float32)
        try:
            if values.ndim:
                array.read_direct(values)
            else:
                values[()] = array[()]
        except (OSError, ValueError, RuntimeError, TypeError) as error:
            raise ToolboxError(f'{path}: layer "{layer}": a parameter cannot be read ({reason_of(error)})') from None
        return values

    return read
