"""Whose pictures a store holds: a small file that the first network to write there leaves behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from deepvis_toolbox.atomic_files import write_json
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.identity import Answer, first_other
from deepvis_toolbox.regular_file import read_json

if TYPE_CHECKING:
    from deepvis_toolbox.network.interface import Network

CLAIM = "network.json"
LARGEST_CLAIM = 16 << 20


@dataclass(frozen=True)
class NetworkIdentity:
    """What tells one network's pictures from another's."""

    name: str
    engine: str
    weights_sha256: str
    answer: Answer = field(default_factory=dict)
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
    found = _read(folder)
    if found is not None and not found.is_same(network()):
        raise ToolboxError(
            f'"{folder}" holds the unit images of {_other(found, network())} ({found.name}, '
            f"{found.weights_sha256[:8]}); choose "
            "another folder (--store or --out; in the window --set unit_images.folder=FOLDER) or remove it"
        )


def is_of(folder: Path, network: Callable[[], NetworkIdentity]) -> bool:
    """Return whether the pictures in `folder` are the network's, or nobody says whose."""
    found = _read(folder)
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
    found = _read(folder) if added else None
    if found is not None and any(name in net.answer and name not in found.answer for name in added):
        own = {name: net.answer[name] for name in added if name in net.answer}
        write_json(folder / CLAIM, asdict(replace(found, answer={**found.answer, **own})))


def write_claim(folder: Path, network: Callable[[], NetworkIdentity]) -> None:
    """Note that from now on the folder is this network's."""
    write_json(folder / CLAIM, asdict(network()))


def _read(folder: Path) -> NetworkIdentity | None:
    try:
        record = read_json(folder / CLAIM, LARGEST_CLAIM)
        names = (str(record["name"]), str(record["engine"]), str(record["weights_sha256"]))
        answer = record.get("answer")
        return NetworkIdentity(*names, answer if isinstance(answer, dict) else {})
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        RecursionError,
    ):  # without a claim, or with a damaged one, it is read as it is
        return None
