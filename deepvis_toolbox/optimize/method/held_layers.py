"""The layers whose values a prior holds near those of photographs: which ones, and their values picture by picture."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.recording import Recording
from deepvis_toolbox.optimize.method.windows import cut
from deepvis_toolbox.words.layer import Rect


class HeldLayers:
    """Layers' values below their rectifiers: of a picture, those of all its views and of the places that count."""

    def __init__(self, names: Iterable[str], views: int, windows: Mapping[str, Rect] | None = None) -> None:
        """Take `windows`: by layer, the places that count; without one, all do."""
        self.names, self.views = tuple(names), views
        self._windows = dict(windows or {})

    def of_pictures(self, recording: Recording, name: str) -> torch.Tensor:
        """Return a layer's values, float32 (M, views * places, C), for a recording of the views, (M * views, …)."""
        values = cut(recording.below_rectifier(name), self._windows.get(name))
        count, channels = values.shape[:2]
        return values.permute(0, 2, 3, 1).reshape(count // self.views, -1, channels)

    def as_maps(self, by_value: torch.Tensor, recording: Recording, name: str) -> torch.Tensor:
        """Return derivatives by the values of `of_pictures` as such by the layer, float32 (M * views, C, H, W)."""
        whole = recording.below_rectifier(name)
        part = cut(whole, self._windows.get(name))
        count, channels, height, width = part.shape
        maps = by_value.reshape(count, height, width, channels).permute(0, 3, 1, 2)
        if part.shape == whole.shape:
            return maps
        found = torch.zeros_like(whole)
        cut(found, self._windows[name]).copy_(maps)
        return found


def held_names(net: Network, layers: Iterable[str], is_rectified: Mapping[str, bool]) -> list[str]:
    """Return the layers that are held, of those with known values (`is_rectified`: in the network's order).

    They are those that the objective's `layers` are computed from. Of these the first and the last count, and between
    them those without a rectifier, where there are some, else all.
    """
    below = {name for layer in layers for name in net.layers_below(layer)}
    known = [name for name in is_rectified if name in below]
    if all(is_rectified[name] for name in known):
        return known
    return [name for name in known if not is_rectified[name] or name in (known[0], known[-1])]
