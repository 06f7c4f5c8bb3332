"""Whose pictures a store holds: a small file that the first network to write there leaves behind."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError, WrapValidator

from deepvis_toolbox.atomic_files import write_json
from deepvis_toolbox.checked_json import read_checked
from deepvis_toolbox.errors import ToolboxError, reason_of
from deepvis_toolbox.identity import Answer, first_other

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

_log = logging.getLogger(__name__)
CLAIM = "network.json"
LARGEST_CLAIM = 16 << 20


def _or_nothing(value: Any, check: Callable[[Any], Answer]) -> Answer:
    """Take an answer that is none for one that nobody has asked for: the claim's names still tell whose it is."""
    try:
        return check(value)
    except ValidationError:
        return {}


_LONGEST = 65_536
"""Characters of a name."""
_Name = Annotated[str, Field(max_length=_LONGEST)]


@dataclass(frozen=True)
class NetworkIdentity:
    """What tells one network's pictures from another's."""

    name: _Name
    engine: _Name
    weights_sha256: _Name
    answer: Annotated[Answer, WrapValidator(_or_nothing)] = field(default_factory=dict)
    """What it makes of fixed images (`network.answer`); empty where nobody has asked it."""

    @classmethod
    def of(cls, net: Network) -> NetworkIdentity:
        """Return a network's. It reads all weights, the first time, and runs once."""
        return cls(net.name, net.engine, net.weights_hash, net.answer)

    @classmethod
    def by_weights(cls, net: Network) -> NetworkIdentity:
        """Return a network's without running it, which only the thread may that uses it."""
        return cls(net.name, net.engine, net.weights_hash)

    def is_same(self, other: NetworkIdentity) -> bool:
        """Return whether it is the same network. The engines' hashes differ, so that between them only the name can
        tell."""
        if self.engine != other.engine:
            return self.name == other.name
        return self.weights_sha256 == other.weights_sha256 and not first_other(self.answer, other.answer)


def check_claim(folder: Path, network: Callable[[], NetworkIdentity]) -> None:
    """Raise `ToolboxError` where the pictures in `folder` are another network's; a folder without a claim is
    anybody's."""
    found = claim_of(folder)
    if found is not None and not found.is_same(network()):
        raise ToolboxError(
            f'"{folder}" holds the unit images of {_other(found, network())} ({found.name}, '
            f"{found.weights_sha256[:8]}); choose "
            "another folder (--store or --out; in the window --set unit_images.folder=FOLDER) or remove it"
        )


def is_of(folder: Path, network: Callable[[], NetworkIdentity]) -> bool:
    """Return whether the pictures in `folder` are the network's, or nobody says whose."""
    found = claim_of(folder)
    return found is None or found.is_same(network())


def _other(found: NetworkIdentity, network: NetworkIdentity) -> str:
    if found.weights_sha256 != network.weights_sha256:
        return "other weights"
    layer = first_other(found.answer, network.answer)
    return f'another network of the same weights, which computes something else in "{layer}"'


def extend_claim(folder: Path, net: Network) -> None:
    """Note what the network makes of its added layers where the claim does not know them: pictures of another file's
    under the same name must not come beside them."""
    added = [layer.name for layer in net.layers.values() if layer.added_to]
    found = claim_of(folder) if added else None
    if found is not None and any(name in net.answer and name not in found.answer for name in added):
        own = {name: net.answer[name] for name in added if name in net.answer}
        write_json(folder / CLAIM, asdict(replace(found, answer={**found.answer, **own})))


def write_claim(folder: Path, network: Callable[[], NetworkIdentity]) -> None:
    """Note that from now on the folder is this network's."""
    write_json(folder / CLAIM, asdict(network()))


def claim_of(folder: Path) -> NetworkIdentity | None:
    """Return whose pictures a folder holds; None where nothing says so, or it is damaged, which the log then tells."""
    try:
        return read_checked(folder / CLAIM, LARGEST_CLAIM, _CLAIM)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:  # with a damaged claim, pictures are read as without one
        _log.warning('"%s" is damaged (%s): nothing says whose pictures these are', folder / CLAIM, reason_of(error))
        return None


_CLAIM = TypeAdapter(NetworkIdentity)
