"""Reads the window fields of a layer (kernel, stride, padding, dilation), for both axes or as `…_h` and `…_w`."""

from __future__ import annotations

from typing import Any

from deepvis_toolbox.caffe.layer_types import LayerType

MAX_EXTENT = 1 << 20

Pair = tuple[int, int]


def repeated_pair(layer: LayerType, param: Any, name: str, prefix: str, default: int | None) -> Pair:
    """Return a repeated field such as `kernel_size: 3` or `3, 5`, or its `kernel_h` and `kernel_w`; (vertical,
    horizontal)."""
    values: list[Any] = list(getattr(param, name))
    by_axis = _by_axis(layer, param, prefix, default)
    if values and by_axis:
        raise layer.error(name, f'is given beside "{prefix}_h" or "{prefix}_w"; Caffe takes one form')
    if by_axis:
        return _checked(layer, name, by_axis)
    if len(values) > 2:
        raise layer.error(name, f"is given {len(values)} times; only two-dimensional layers are supported")
    if not values and default is None:
        raise layer.error(name, "is missing")
    if not values and default is not None:
        values = [default]
    return _checked(layer, name, (values[0], values[-1]))


def single_pair(layer: LayerType, param: Any, name: str, prefix: str, default: int | None) -> Pair:
    """Return a single field such as pooling's `kernel_size`, or its `…_h` and `…_w`, of which both must be there."""
    given = [part for part in (f"{prefix}_h", f"{prefix}_w") if param.HasField(part)]
    if given and param.HasField(name):
        raise layer.error(name, f'is given beside "{given[0]}"; Caffe takes one form')
    if len(given) == 1:
        raise layer.error(given[0], f'is given without the other of "{prefix}_h" and "{prefix}_w"')
    if given:
        return _checked(layer, name, (getattr(param, given[0]), getattr(param, given[1])))
    value = getattr(param, name) if param.HasField(name) else default
    if value is None:
        raise layer.error(name, "is missing")
    return _checked(layer, name, (value, value))


def _by_axis(layer: LayerType, param: Any, prefix: str, default: int | None) -> Pair | None:
    """Return `…_h` and `…_w` of a convolution, of which one may be left out where there is a default; None where
    both are."""
    names = (f"{prefix}_h", f"{prefix}_w")
    if not any(name in param.DESCRIPTOR.fields_by_name and param.HasField(name) for name in names):
        return None
    for name in names:
        if default is None and not param.HasField(name):
            raise layer.error(name, "is missing")
    vertical, horizontal = (getattr(param, name) for name in names)
    return vertical, horizontal


def _checked(layer: LayerType, name: str, pair: Pair) -> Pair:
    if max(pair) > MAX_EXTENT:
        raise layer.error(name, f"is {max(pair)}; more than {MAX_EXTENT} is refused")
    return pair
