"""The prototxt that real Caffe is given: the user's network with nothing in place, so that no value is overwritten.

Layers that write over their bottom get a top of their own: with `conv1` -> BatchNorm -> Scale -> ReLU on one blob, the
blob `conv1` is what the ReLU gives, and the values before are kept in blobs with private names. What only training
needs is left out. `force_backward` makes Caffe ready for a backward pass from any blob to the input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf import text_format

from deepvis_toolbox.caffe import caffe_formats_pb2 as formats
from deepvis_toolbox.caffe.layer_types import IN_PLACE_ACTIVATIONS
from deepvis_toolbox.caffe.network_ends import interior
from deepvis_toolbox.caffe.prototxt import Prototxt
from deepvis_toolbox.errors import ToolboxError

_WITH_PARAMETERS = frozenset(
    {"Convolution", "DepthwiseConvolution", "Deconvolution", "InnerProduct", "Scale", "Bias", "BatchNorm", "PReLU"}
    | {"Normalize", "Embed"}
)
_RECTIFIERS = ("ReLU", "ReLU6", "Swish")

_OF_FORKS = {
    "pooling_param": ("force_pad",),
    "convolution_param": ("force_pad",),
    "lrn_param": ("deconv_ignore",),
}
"""Fields of the author's branch, which stock Caffe cannot read. None changes what the layers compute there."""


@dataclass(frozen=True)
class Definition:
    """What to give to Caffe, and where the layers are in it."""

    text: str
    """A prototxt that stock Caffe reads."""
    input_blob: str
    """The blob that holds the images."""
    below: dict[str, str]
    """Layers that end in a rectifier, or have one before an in-place end: the blob below that rectifier."""
    passed: frozenset[str]
    """Names of Caffe layers through which a deconv signal passes unchanged (`deconv_ignore`)."""
    rectifiers: frozenset[str]
    """Names of Caffe layers that backward modes have a rule for: those that are rectifiers to the engine torch."""


def caffe_definition(prototxt: Prototxt, input_shape: tuple[int, ...], pooling_fields: Collection[str]) -> Definition:
    """Return the network between its ends for one image of `input_shape` (C, H, W), in the words of the Caffe that
    reads it.

    Raises `ToolboxError` for an option that this Caffe does not have.
    """
    inside = interior(prototxt)
    input_name = inside.input_name
    kept = [layer for layer in inside.layers if layer.top]
    blobs = _Unfolded(kept, input_name)
    net = formats.NetParameter(name=prototxt.name, force_backward=True)
    images = net.layer.add(name=input_name, type="Input", top=[blobs.input_blob])
    images.input_param.shape.add(dim=[1, *input_shape])
    below: dict[str, str] = {}
    passed, rectifiers = set(), set()
    names = _names_of(kept, input_name)
    for layer, name in zip(kept, names, strict=True):
        copy = net.layer.add()
        copy.CopyFrom(layer)
        copy.name = name
        _clear_fields_of_forks(copy)
        _clear_rules(copy)
        _clear_cudnn(copy)
        _set_rounding(copy, pooling_fields, prototxt)
        if copy.type == "Reduction" and copy.reduction_param.axis == 0:
            copy.reduction_param.axis = 1  # 0 would add up the images of a batch
        if copy.type == "DepthwiseConvolution":
            copy.type = "Convolution"  # the same, where Caffe has no quicker way
        copy.bottom[:], copy.top[:] = blobs.read(layer.bottom), blobs.write(layer.top)
        in_place = layer.type in IN_PLACE_ACTIVATIONS and layer.top[0] in layer.bottom
        if in_place or _is_rectifier(layer):
            below.setdefault(layer.top[0], copy.bottom[0])
        if layer.deconv_ignore or layer.lrn_param.deconv_ignore:
            passed.add(name)
        if _is_rectifier(layer):
            rectifiers.add(name)
    text = text_format.MessageToString(net)
    return Definition(text, blobs.input_blob, below, frozenset(passed), frozenset(rectifiers))


def _names_of(layers: Sequence[Any], input_name: str) -> list[str]:
    """Return a name for each layer that no other has: its own, by which its weights are stored, or a free one.

    Of layers of one name, those without parameters are called otherwise; two with parameters are refused elsewhere.
    """
    often = Counter([input_name, *(layer.name for layer in layers)])
    taken = set(often)
    names = []
    for layer in layers:
        name, number = layer.name, 1
        while often[layer.name] > 1 and layer.type not in _WITH_PARAMETERS and name in taken:
            number += 1
            name = f"{layer.name} {number}"
        taken.add(name)
        names.append(name)
    return names


def _is_rectifier(layer: Any) -> bool:
    """Return whether a pass starts below this layer, in place or not, and backward modes have a rule for it."""
    return layer.type in _RECTIFIERS or (layer.type == "Clip" and layer.clip_param.min == 0)


class _Unfolded:
    """The names of the blobs once every layer writes a blob of its own; the last writer of a blob gives its name."""

    def __init__(self, layers: list[Any], input_name: str) -> None:
        self._left = {input_name: 1}
        for layer in layers:
            for top in layer.top:
                self._left[top] = self._left.get(top, 0) + 1
        self._current: dict[str, str] = {}
        self.input_blob = self.write([input_name])[0]

    def read(self, bottoms: Collection[str]) -> list[str]:
        """Return the blobs that hold what a layer reads, at this place of the network."""
        return [self._current[name] for name in bottoms]

    def write(self, tops: Collection[str]) -> list[str]:
        """Return the blobs for what a layer writes."""
        for name in tops:
            self._left[name] -= 1
            self._current[name] = f"{name} before {self._left[name]} in place" if self._left[name] else name
        return [self._current[name] for name in tops]


def _clear_fields_of_forks(layer: Any) -> None:
    layer.ClearField("deconv_ignore")
    for message, names in _OF_FORKS.items():
        if layer.HasField(message):
            for name in names:
                getattr(layer, message).ClearField(name)


def _clear_rules(layer: Any) -> None:
    """Clear the rules: the layers were chosen by their rules already, in the state that the user's prototxt asks
    for."""
    layer.ClearField("include")
    layer.ClearField("exclude")


def _clear_cudnn(layer: Any) -> None:
    """Leave cuDNN out: a Caffe without it ends where a layer asks for it by name; one that has it takes it by
    default."""
    for field, value in layer.ListFields():
        engine = field.message_type.fields_by_name.get("engine") if field.message_type else None
        if engine and value.engine == engine.enum_type.values_by_name["CUDNN"].number:
            value.ClearField("engine")


def _set_rounding(layer: Any, pooling_fields: Collection[str], prototxt: Prototxt) -> None:
    """Write "round down" in the words of this Caffe: newer ones have `round_mode`, forks `ceil_mode`."""
    if not layer.HasField("pooling_param"):
        return
    param = layer.pooling_param
    rounds_down = param.round_mode == param.FLOOR or (param.HasField("ceil_mode") and not param.ceil_mode)
    param.ClearField("round_mode")
    param.ClearField("ceil_mode")
    if not rounds_down:
        return
    if "round_mode" in pooling_fields:
        param.round_mode = param.FLOOR
    elif "ceil_mode" in pooling_fields:
        param.ceil_mode = False
    else:
        raise ToolboxError(
            f'{prototxt.path}: layer "{layer.name}" rounds down, which this Caffe cannot; use the engine torch'
        )
