"""Units of two networks that go together over a folder of pictures: found step by step, and kept on disk."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.atomic_files import write_bytes
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.measure.matching import LayersMatcher, why_not_matched
from deepvis_toolbox.npz_file import ArrayForm, read_arrays
from deepvis_toolbox.sources.decode import UnreadablePicture
from deepvis_toolbox.sources.picture_process import PictureNotDecoded, decode_apart
from deepvis_toolbox.words.comparison import UnitMatching

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

_FORMAT = 1
LAYERS_AT_ONCE = 8
"""The sums of one take 32 MiB at most."""
_log = logging.getLogger(__name__)


class ProbeMatcher:
    """Matches layers' units over pictures, a picture or a layer at a time. What was found is kept."""

    def __init__(self, network: Network, other: Network, pictures: list[Path]) -> None:
        self._networks, self._pictures = (network, other), pictures
        self._found: dict[str, UnitMatching] = {}
        self._refused: dict[str, str] = {}
        self._layers: tuple[str, ...] = ()
        """Those that are being matched; all pictures have been seen for those of them that have been found."""
        self._matcher: LayersMatcher | None = None
        self._stamps: list[tuple[str, int, int]] = []
        """The pictures' files as they were when this matching began."""
        self._seen = self._readable = 0

    def match(self, layers: Sequence[str], advance: Callable[[float], None]) -> None:
        """Match all of the layers, as far as they can be; `advance` is told of each by its share of the pictures."""
        for first in range(0, len(layers), LAYERS_AT_ONCE):
            group = tuple(layers[first : first + LAYERS_AT_ONCE])
            told = 0.0
            while wanted := tuple(filter(self.is_missing, group)):
                self.go_on_with(wanted)
                now = len(group) * self._seen / len(self._pictures) if self._layers else told
                advance(max(0.0, now - told))
                told = max(told, now)
            advance(len(group) - told)
        self.let_go()

    def is_missing(self, layer: str) -> bool:
        """Return whether the layer can be matched and has not been."""
        return layer not in self._found and self._is_matched(layer)

    def units_of(self, layer: str) -> NDArray[np.int32] | None:
        """Return the other network's units in the order of a layer's own, int32 (units,); None for classes, which are
        the same by their numbers.

        Raises `ToolboxError` that says how far it is, and where they cannot be matched.
        """
        if layer in self._found:
            return self._found[layer].units
        if self._is_matched(layer):
            seen = self._seen if layer in self._layers else 0
            raise ToolboxError(f"matching units over the probe's pictures: {seen} of {len(self._pictures)}")
        if refusal := self._refused.get(layer) or why_not_matched(*self._networks, layer):
            raise ToolboxError(refusal)
        return None

    def matching(self, layer: str) -> UnitMatching | None:
        """Return what was found for a layer; None where nothing was."""
        return self._found.get(layer)

    def _is_matched(self, layer: str) -> bool:
        is_class = layer in self._networks[0].label_layers
        return not (is_class or layer in self._refused or why_not_matched(*self._networks, layer))

    def go_on_with(self, layers: tuple[str, ...]) -> None:
        """Go a step on with layers that are missing: one picture, or one layer's matching."""
        if not set(layers) & set(self._layers):
            self._begin(layers)
        if self._matcher is None:
            return
        if self._seen < len(self._pictures):
            self._see_one_more(self._matcher)
        elif self._readable < 2:
            self._refused |= dict.fromkeys(self._layers, "--probe: fewer than two of its pictures can be read")
        else:
            self._match(self._matcher, next(filter(self.is_missing, self._layers)))

    def let_go(self) -> None:
        """Forget what is half done: all that was wanted has been found."""
        self._matcher, self._layers = None, ()

    def _begin(self, layers: tuple[str, ...]) -> None:
        self._stamps = self._stamps_now()
        for layer in layers:
            if kept := _read(self._file(layer), self._networks[0].layers[layer].channels):
                self._found[layer] = kept
        self._layers = tuple(filter(self.is_missing, layers))
        self._seen = self._readable = 0
        self._matcher = LayersMatcher(*self._networks, self._layers) if self._layers else None

    def _match(self, matcher: LayersMatcher, layer: str) -> None:
        try:
            self._found[layer] = matcher.matching(layer)
        except ToolboxError as error:
            self._refused[layer] = f"--probe: {error}"
            return
        if self._stamps == self._stamps_now():  # else some pictures were seen as they were, some as they are
            _write(self._file(layer), self._found[layer])

    def _see_one_more(self, matcher: LayersMatcher) -> None:
        path = self._pictures[self._seen]
        self._seen += 1
        try:
            matcher.see(decode_apart(path))
            self._readable += 1
        except PictureNotDecoded as error:  # without it, another matching would be kept for good
            self._refused |= dict.fromkeys(self._layers, f"--probe: {error}")
            self._matcher = None
        except UnreadablePicture as error:
            _log.warning("--probe: left out: %s", error)

    def _file(self, layer: str) -> Path:
        content = json.dumps([_FORMAT, self._identities, layer, self._stamps]).encode("utf-8", "surrogatepass")
        return _folder() / f"{hashlib.sha256(content).hexdigest()}.npz"

    def _stamps_now(self) -> list[tuple[str, int, int]]:
        return [(str(path), *_stamp(path)) for path in self._pictures]

    @cached_property
    def _identities(self) -> list[list[Any]]:
        return [_identity(each) for each in self._networks]


def _identity(network: Network) -> list[Any]:
    return [network.engine, network.weights_hash, network.preprocessing.identity(), dict(network.answer)]


def _stamp(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns


def _folder() -> Path:
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        return Path(cache).expanduser() / "deepvis-toolbox" / "matching"
    except RuntimeError:  # no home
        return Path(os.devnull) / "matching"


def _read(path: Path, units: int) -> UnitMatching | None:
    """Return a kept matching; None where there is none, or it is damaged."""
    forms = {"units": ArrayForm("int32", (units,)), "correlations": ArrayForm("float32", (units,))}
    try:
        found = read_arrays(path, forms) if path.exists() else None
    except (OSError, ToolboxError):
        return None
    if found is None or not np.array_equal(np.sort(found["units"]), np.arange(units)):
        return None
    return UnitMatching(found["units"], found["correlations"])


def _write(path: Path, matching: UnitMatching) -> None:
    """Keep a matching; where that cannot be, it is found again next time."""
    buffer = io.BytesIO()
    np.savez(buffer, units=matching.units, correlations=matching.correlations)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, buffer.getvalue())
    except (OSError, ToolboxError) as error:
        _log.warning("the matching of units is not kept: %s", error)
