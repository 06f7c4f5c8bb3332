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
from deepvis_toolbox.measure.matching import LayerMatcher, why_not_matched
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.npz_file import ArrayForm, read_arrays
from deepvis_toolbox.sources.decode import UnreadablePicture, decode_picture
from deepvis_toolbox.words.comparison import UnitMatching

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

_FORMAT = 1
_log = logging.getLogger(__name__)


class UnitMatcher:
    """Looks for the matching of one layer at a time, the last one asked for; those that were found are kept."""

    def __init__(self, network: Network, other: Network, pictures: list[Path], at_once: bool = False) -> None:
        """Take `at_once`: look at all pictures before the first answer, instead of one for each frame."""
        self._networks, self._pictures, self._at_once = (network, other), pictures, at_once
        self._found: dict[str, UnitMatching] = {}
        self._refused: dict[str, str] = {}
        self._layer = ""
        self._matcher: LayerMatcher | None = None
        self._seen = self._readable = 0

    @property
    def is_unfinished(self) -> bool:
        """Whether there are pictures left to look at for the layer asked for last."""
        return self._matcher is not None

    def follow(self, request: Request) -> dict[Question[Any], UnitMatching]:
        """Look at one picture more for the layer that the request asks about, and answer once all have been seen."""
        question = next((one for one in request.questions if isinstance(one, MatchedUnits)), None)
        if question is None or not self._is_matched(question.layer):
            self._matcher = None
            return {}
        if question.layer not in self._found:
            if question.layer != self._layer or self._matcher is None:
                self._begin(question.layer)
            while self._matcher is not None:
                self._see_one_more(self._matcher)
                if not self._at_once:
                    break
        return {question: self._found[question.layer]} if question.layer in self._found else {}

    def units_of(self, layer: str) -> NDArray[np.int32] | None:
        """Return the other network's units in the order of a layer's own, int32 (units,); None for classes, which are
        the same by their numbers.

        Raises `ToolboxError` that says how far it is, and where they cannot be matched.
        """
        if layer in self._found:
            return self._found[layer].units
        if self._is_matched(layer):
            seen = self._seen if layer == self._layer else 0
            raise ToolboxError(f"matching units over the probe's pictures: {seen} of {len(self._pictures)}")
        if refusal := self._refused.get(layer) or why_not_matched(*self._networks, layer):
            raise ToolboxError(refusal)
        return None

    def _is_matched(self, layer: str) -> bool:
        is_class = layer in self._networks[0].label_layers
        return not (is_class or layer in self._refused or why_not_matched(*self._networks, layer))

    def _begin(self, layer: str) -> None:
        self._layer, self._seen, self._readable = layer, 0, 0
        if kept := _read(self._file(layer), self._networks[0].layers[layer].channels):
            self._found[layer], self._matcher = kept, None
        else:
            self._matcher = LayerMatcher(*self._networks, layer)

    def _see_one_more(self, matcher: LayerMatcher) -> None:
        self._matcher = None  # what fails is not tried again by itself
        path = self._pictures[self._seen]
        self._seen += 1
        try:
            matcher.see(decode_picture(path))
            self._readable += 1
        except UnreadablePicture as error:
            _log.warning("--probe: left out: %s", error)
        if self._seen < len(self._pictures):
            self._matcher = matcher
        elif self._readable < 2:
            self._refused[self._layer] = "--probe: fewer than two of its pictures can be read"
        else:
            self._found[self._layer] = matcher.matching()
            _write(self._file(self._layer), self._found[self._layer])

    def _file(self, layer: str) -> Path:
        pictures = [(str(path), *_stamp(path)) for path in self._pictures]
        content = json.dumps([_FORMAT, self._identities, layer, pictures]).encode("utf-8", "surrogatepass")
        return _folder() / f"{hashlib.sha256(content).hexdigest()}.npz"

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
