"""Whether a scan is one of this network: its weights, what it computes, and how pictures become its input."""

from __future__ import annotations

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.identity import first_difference, first_other
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.scan.top_images import TopImages


def check_scanned_network(top: TopImages, net: Network) -> None:
    """Raise `ToolboxError` where the scan was of another network, or of pictures prepared otherwise.

    It reads all weights and runs the network once, the first time that somebody asks.
    """
    scan = top.manifest["identity"]["network"]
    if scan["engine"] != net.engine:  # their hashes of the same weights differ
        raise ToolboxError(
            f"the scan was made with --engine {scan['engine']}, not {net.engine}; give that engine, or scan again"
        )
    if scan["weights_hash"] != net.weights_hash:
        raise ToolboxError(f"the scan is of other weights ({scan['name']}) than those of {net.name}; scan again")
    layer = first_other(top.manifest["identity"].get("answer"), net.answer)
    if layer:
        raise ToolboxError(
            f'the scan is of another network than {net.name}, of the same weights: layer "{layer}" computed '
            "something else; scan again"
        )
    other = first_difference(top.manifest["identity"]["preprocessing"], net.preprocessing.identity())
    if other:
        what = other.key.replace("mean_scale_std", "mean, scale or std")
        raise ToolboxError(f"the scan was made with another preprocessing (its {what} differs); give it, or scan again")
