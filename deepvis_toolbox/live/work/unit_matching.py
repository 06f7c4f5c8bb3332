"""Units of two networks that go together over a folder of pictures: found step by step, and kept on disk."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.atomic_files import write_bytes
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.work.request import MatchedUnits, Request
from deepvis_toolbox.measure import MostDifferent
from deepvis_toolbox.measure.matching import LayersMatcher, why_not_matched
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.npz_file import ArrayForm, read_arrays
from deepvis_toolbox.sources.decode import UnreadablePicture
from deepvis_toolbox.sources.picture_process import PictureNotDecoded, decode_apart
from deepvis_toolbox.words.comparison import OTHER_NETWORK, UnitMatching

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

_FORMAT = 1
LAYERS_AT_ONCE = 8
"""The sums of one take 32 MiB at most."""
_log = logging.getLogger(__name__)


class UnitMatcher:
    """Matches the shown layer's units; then, while units of several layers are asked for, the others' a few layers at
    a time. What was found is kept."""

    def __init__(self, network: Network, other: Network, pictures: list[Path], at_once: bool = False) -> None:
        """Take `at_once`: look at all pictures before the first answer, instead of one for each frame."""
        self._networks, self._pictures, self._at_once = (network, other), pictures, at_once
        self._found: dict[str, UnitMatching] = {}
        self._refused: dict[str, str] = {}
        self._layers: tuple[str, ...] = ()
        """Those that are being matched; all pictures have been seen for those of them that have been found."""
        self._matcher: LayersMatcher | None = None
        self._seen = self._readable = 0
        self.is_unfinished = False
        """Whether there is more to be found for the layers asked for last."""

    def follow(self, request: Request) -> dict[Question[Any], UnitMatching]:
        """Go a step on with the layers that the request asks about, one picture or one layer's matching; answer for the
        shown one, once it has been found."""
        self.is_unfinished = False  # what fails is not tried again by itself
        question = next((one for one in request.questions if isinstance(one, MatchedUnits)), None)
        wanted = self._wanted(question, request)
        while wanted:
            self._go_on_with(wanted)
            wanted = self._wanted(question, request)
            if not self._at_once:
                break
        if not wanted:
            self._matcher, self._layers = None, ()
        self.is_unfinished = bool(wanted)
        return {question: self._found[question.layer]} if question and question.layer in self._found else {}

    def _wanted(self, question: MatchedUnits | None, request: Request) -> tuple[str, ...]:
        """Return the layers to be matched next, the shown one before all others; none where all have been."""
        if question and self._is_missing(question.layer):
            return (question.layer,)
        listed = (one for one in request.measurements if isinstance(one, MostDifferent))
        missing = [name for one in listed if one.reference == OTHER_NETWORK for name in one.layers]
        return tuple(filter(self._is_missing, missing))[:LAYERS_AT_ONCE]

    def _is_missing(self, layer: str) -> bool:
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

    def _is_matched(self, layer: str) -> bool:
        is_class = layer in self._networks[0].label_layers
        return not (is_class or layer in self._refused or why_not_matched(*self._networks, layer))

    def _go_on_with(self, layers: tuple[str, ...]) -> None:
        if not set(layers) & set(self._layers):
            self._begin(layers)
        if self._matcher is None:
            return
        if self._seen < len(self._pictures):
            self._see_one_more(self._matcher)
        elif self._readable < 2:
            self._refused |= dict.fromkeys(self._layers, "--probe: fewer than two of its pictures can be read")
        else:
            self._match(self._matcher, next(filter(self._is_missing, self._layers)))

    def _begin(self, layers: tuple[str, ...]) -> None:
        for layer in layers:
            if kept := _read(self._file(layer), self._networks[0].layers[layer].channels):
                self._found[layer] = kept
        self._layers = tuple(filter(self._is_missing, layers))
        self._seen = self._readable = 0
        self._matcher = LayersMatcher(*self._networks, self._layers) if self._layers else None

    def _match(self, matcher: LayersMatcher, layer: str) -> None:
        try:
            self._found[layer] = matcher.matching(layer)
        except ToolboxError as error:
            self._refused[layer] = f"--probe: {error}"
            return
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

    @cached_property
    def _stamps(self) -> list[tuple[str, int, int]]:
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
