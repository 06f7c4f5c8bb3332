"""How pictures become a network's input, and how its input becomes pictures again.

network value = (pixel - mean) * scale / std, per channel, where a pixel is 0-255 and `mean` and `std` are in the same
units and in the network's channel order. The default network's (x - 127) / 128 is `mean: 127, std: 128`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.frames import AnyFrame, centre_crop, grey, resized
from deepvis_toolbox.words.images import Floats, Frame
from deepvis_toolbox.words.input_channels import InputChannels, parsed_channels

if TYPE_CHECKING:  # the processes that only decode pictures start without it
    import torch

PerChannel = float | Sequence[float] | Floats
Pixelwise = TypeVar("Pixelwise", Floats, "torch.Tensor")
AnyArray = TypeVar("AnyArray", bound=NDArray)


@dataclass(frozen=True, eq=False)
class Preprocessing:
    """Between RGB pictures, zero-centred pixels and network values; checked where it is made (`ToolboxError`).

    `mean` is given as one number, (C,), or (C, H, W) no smaller than the input (its centre is used), and kept as
    float32 (C,) or (C, *size). `scale` and `std` are one number or (C,) and kept as float32 (C,).
    Zero-centred pixels are `pixel - mean`: 0-255 scale, the network's channel order; the optimizer works in them.
    """

    size: tuple[int, int]
    """(H, W) of the network's input."""
    channels: str = "RGB"
    """What fills the input's channels: RGB, BGR, gray, or several of them (`words/input_channels.py`)."""
    mean: PerChannel = 0.0
    scale: PerChannel = 1.0
    std: PerChannel = 1.0
    crop: float = 1.0
    """How much of the largest centred rectangle with the input's aspect is seen, 0 (exclusive) to 1."""
    view_channels: tuple[int, ...] | None = None
    """The three of more channels that are shown as red, green and blue; None: those that hold them, or the first."""
    white: float | None = None
    """Which value of bands of 16 bits or floats is white (255); None: 65535 of 16 bits, and floats are refused."""
    gain: Floats = field(init=False)
    """scale / std, float32 (C,): network value = (pixel - mean) * gain."""

    def __post_init__(self) -> None:
        self._check_view(self._order.count)
        if len(self.size) != 2 or min(self.size) < 1:
            raise ToolboxError(f"the input size {self.size} must be two positive numbers, height and width")
        if self.white is not None and not 0 < self.white < float("inf"):
            raise ToolboxError(f"white is {self.white}; it must be a number above 0")
        if not 0 < self.crop <= 1:
            raise ToolboxError(f"crop is {self.crop}; it must be a fraction above 0 and at most 1")
        scale, std = self._per_channel("scale", self.scale), self._per_channel("std", self.std)
        if not (scale.all() and std.all()):
            raise ToolboxError("scale and std must not be 0")
        for name, value in {"scale": scale, "std": std, "gain": scale / std, "mean": self._fitting_mean()}.items():
            value.setflags(write=False)
            object.__setattr__(self, name, value)

    @cached_property
    def _order(self) -> InputChannels:
        return parsed_channels(self.channels)

    @property
    def channel_count(self) -> int:
        """C: 1 for grey networks, mostly 3."""
        return self._order.count

    @cached_property
    def shown(self) -> tuple[int, ...]:
        """The numbers of the channels that are shown as red, green and blue; one alone: as grey."""
        return self.view_channels or self._order.shown

    @property
    def fills(self) -> str:
        """What fills each channel: R, G, B, Y (the grey) or `-` (nothing)."""
        return self._order.fills

    @property
    def shows_pictures(self) -> bool:
        """Whether the shown channels are those of the picture that fills them."""
        return [self.fills[number] for number in self.shown] == ["R", "G", "B"]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(C, H, W)."""
        return (self.channel_count, *self.size)

    @property
    def mean_map(self) -> Floats:
        """The mean, float32 (C, 1, 1) or (C, H, W): adds to images (…, C, H, W)."""
        mean = cast(Floats, self.mean)
        return mean.reshape(-1, 1, 1) if mean.ndim == 1 else mean

    @property
    def zero_centred_range(self) -> tuple[Floats, Floats]:
        """What black and white are as zero-centred pixels: float32 (C, 1, 1) or (C, H, W), as `mean_map`."""
        return np.float32(0) - self.mean_map, np.float32(255) - self.mean_map

    def identity(self) -> dict[str, Any]:
        """Return plain data that is equal for two of these where they do the same to every picture."""
        digest = hashlib.sha256()
        for values in (self.mean, self.scale, self.std):
            digest.update(np.ascontiguousarray(values, np.float32).tobytes())
        return {
            "size": list(self.size),
            "channels": self.channels,
            "crop": self.crop,
            "mean_scale_std": digest.hexdigest(),
            **({"white": self.white} if self.white is not None else {}),
        }

    def takes(self, bands: int) -> bool:
        """Return whether frames of so many bands can be made the input: one picture's three, those of as many pictures
        as fill its channels, or one for each channel."""
        return bands in (3, 3 * len(self._order.pictures), self.channel_count)

    def to_input(self, frame: Frame) -> Floats:
        """Return a frame as network values, float32 (C, H, W); see `fit`."""
        return np.ascontiguousarray(self.values_of(self.fit(frame)))

    def values_of(self, fitted: Frame) -> Floats:
        """Return a frame that has the input's size already, H×W×bands, as network values, float32 (C, H, W).

        The result's memory is laid out channels last, as the picture's is.
        """
        values = self._in_channel_order(fitted).astype(np.float32, order="C")
        values -= self._mean_of_each_pixel
        values *= self._gain_of_each_pixel
        if self._order.empty and not self._fills_all(fitted):
            values[..., self._order.empty] = 0
        return values.transpose(2, 0, 1)

    @cached_property
    def _mean_of_each_pixel(self) -> Floats:
        """The mean as (H, W, C): arithmetic on whole arrays is several times faster than along three channels."""
        return self._for_each_pixel(self.mean_map)

    @cached_property
    def _gain_of_each_pixel(self) -> Floats:
        return self._for_each_pixel(self.gain.reshape(-1, 1, 1))

    def _for_each_pixel(self, values: Floats) -> Floats:
        return np.ascontiguousarray(np.broadcast_to(values, self.input_shape).transpose(1, 2, 0))

    def fit(self, frame: AnyFrame, stretch: bool = False) -> AnyFrame:
        """Return the part of a frame that the network sees, resized to the input's size, H×W×bands.

        A frame is RGB uint8 H×W×3. Where several pictures fill the channels (`RGB+RGB`), it may be as many, one behind
        the other, H×W×6; where the input has more than three channels, one band for each, in their order: uint8, or
        uint16 or float32, which become float32 on the scale of 0 to 255 (`white`). With `stretch` all of it is seen,
        whatever its aspect. `ToolboxError` where it is no such frame.
        """
        self._check_frame(frame)
        if frame.dtype != np.uint8:
            frame = cast(AnyFrame, frame * np.float32(255 / (self.white or 65535)))
        cropped = frame if stretch else centre_crop(frame, self.size, self.crop)
        if cropped.shape[:2] == self.size:
            return cropped
        factor = max(cropped.shape[0] / self.size[0], cropped.shape[1] / self.size[1])
        # Linear interpolation reads two pixels a side: enough below a factor of two, in a ninth of the time of areas.
        method = cv2.INTER_CUBIC if factor < 1 else cv2.INTER_LINEAR if factor < 2 else cv2.INTER_AREA
        return resized(cropped, self.size, method)

    def _check_frame(self, frame: Frame) -> None:
        bands = frame.shape[2] if frame.ndim == 3 else 0
        kinds = (np.uint8,) if bands == 3 else (np.uint8, np.uint16, np.float32)
        if bands < 2 or frame.dtype not in kinds or frame.size == 0:
            raise ToolboxError(f"a frame must be uint8 H×W×3; this one is {frame.dtype} {frame.shape}")
        if not self.takes(bands):
            pictures = len(self._order.pictures)
            some = "one picture" if pictures == 1 else f"{pictures} pictures (or one, for all of them)"
            own = f", or bands for its {self.channel_count} channels" if self.channel_count > 3 else ""
            what = "a pair of pictures, or six bands" if bands == 6 else f"{bands} bands"
            raise ToolboxError(f"the frame is {what}; the network takes {some}{own} (channels {self.channels})")
        if frame.dtype == np.float32 and self.white is None:
            raise ToolboxError("its bands are floats: say which value is white, as in white: 1 (--white 1)")

    def to_rgb(self, values: Floats) -> NDArray[np.uint8]:
        """Return network values (N, C, H, W) as RGB uint8 N×H×W×3, clipped to 0-255."""
        return self.rgb_from_zero_centred(self.to_pixels(values))

    def rgb_from_zero_centred(self, pixels: Floats) -> NDArray[np.uint8]:
        """Return zero-centred pixels (…, C, H, W) as RGB uint8 …×H×W×3, clipped to 0-255; what is not a number turns
        black."""
        shown = np.nan_to_num(self.shown_of(pixels + self.mean_map), nan=0.0, posinf=255.0, neginf=0.0)
        rgb = np.moveaxis(np.rint(np.clip(shown, 0, 255)).astype(np.uint8), -3, -1)
        return np.ascontiguousarray(np.repeat(rgb, 3, axis=-1) if rgb.shape[-1] == 1 else rgb)

    def shown_of(self, values: AnyArray) -> AnyArray:
        """Return the channels of values (…, C, H, W) that are shown, as red, green and blue, or one alone as grey."""
        if self.shown == tuple(range(self.channel_count)):
            return values
        return cast(AnyArray, np.take(values, self.shown, axis=-3))

    def to_pixels(self, values: Pixelwise) -> Pixelwise:
        """Return network values (…, C, H, W) as zero-centred pixels; NumPy array or tensor, as given."""
        return cast(Pixelwise, values / self._gain_like(values))

    def _gain_like(self, values: Floats | torch.Tensor) -> Floats | torch.Tensor:
        gain = self.gain.reshape(-1, 1, 1)
        return gain if isinstance(values, np.ndarray) else values.new_tensor(gain)

    def in_rgb_order(self, values: AnyArray) -> AnyArray:
        """Return values (…, channels) in the network's channel order, of any dtype, in that of pictures: those that
        are shown, and then the others."""
        if self.channels == "BGR":
            return cast(AnyArray, values[..., ::-1])
        return values if self.channel_count in (1, 3) else cast(AnyArray, values[..., self._shown_first])

    def in_network_order(self, values: AnyArray) -> AnyArray:
        """Return what `in_rgb_order` has put in order as it was."""
        if self.channels == "BGR" or self.channel_count in (1, 3):
            return self.in_rgb_order(values)
        return cast(AnyArray, values[..., np.argsort(self._shown_first)])

    @cached_property
    def _shown_first(self) -> list[int]:
        others = [number for number in range(self.channel_count) if number not in self.shown]
        return [*self.shown, *others]

    def _fills_all(self, fitted: Frame) -> bool:
        """Return whether a frame has a band for each channel, rather than pictures that fill them."""
        bands = fitted.shape[2]
        return bands == self.channel_count and bands not in (3, 3 * len(self._order.pictures))

    def _in_channel_order(self, rgb: Frame) -> Frame:
        if self.channels == "gray":
            return grey(rgb)
        if self.channels in ("RGB", "BGR"):
            return self.in_rgb_order(rgb)  # the same exchange leads there
        if self._fills_all(rgb):
            return rgb
        found = np.zeros((*rgb.shape[:2], self.channel_count), rgb.dtype)
        for number, channels in enumerate(self._order.pictures):
            own = rgb[..., 3 * number : 3 * number + 3] if rgb.shape[2] > 3 else rgb
            fills = self.fills[channels]
            found[..., channels] = grey(own) if fills == "Y" else own[..., ["RGB".index(fill) for fill in fills]]
        return found

    def _check_view(self, count: int) -> None:
        view = self.view_channels
        if view is None:
            return
        if count < 4:
            raise ToolboxError(f"view_channels is for inputs of more than three channels; this one has {count}")
        if len(view) != 3 or not all(0 <= number < count for number in view) or len({*view}) < 3:
            raise ToolboxError(f"view_channels must be three different numbers from 0 to {count - 1}, not {[*view]}")

    def _per_channel(self, name: str, value: PerChannel) -> Floats:
        numbers = np.array(value, np.float32).reshape(-1)
        if numbers.size > 1 and all(len(part) == numbers.size for part in self._order.parts):
            numbers = np.tile(numbers, len(self._order.parts))  # the same for each picture
        if numbers.size not in (1, self.channel_count) or not np.isfinite(numbers).all():
            raise ToolboxError(f"{name} must be one finite number or {self.channel_count} of them, not {value}")
        return np.repeat(numbers, self.channel_count) if numbers.size == 1 else numbers

    def _fitting_mean(self) -> Floats:
        mean = np.array(self.mean, np.float32)
        if mean.ndim != 3:
            return self._per_channel("mean", mean)
        top, left = (mean.shape[1] - self.size[0]) // 2, (mean.shape[2] - self.size[1]) // 2
        if mean.shape[0] != self.channel_count or min(top, left) < 0 or not np.isfinite(mean).all():
            raise ToolboxError(
                f"the mean image is {'×'.join(map(str, mean.shape))}; it must be finite and at least "
                f"{'×'.join(map(str, self.input_shape))}, the network's input"
            )
        return np.ascontiguousarray(mean[:, top : top + self.size[0], left : left + self.size[1]])
