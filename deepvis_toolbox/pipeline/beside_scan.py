"""What a scan that is there anyway says of preferred images: for their records, and never at the cost of a picture."""

from __future__ import annotations

from pathlib import Path

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.output import Beside
from deepvis_toolbox.optimize.files.record import BesidePhotographs
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.targets import Target
from deepvis_toolbox.optimize.natural.photographs import Photographs
from deepvis_toolbox.progress import Say
from deepvis_toolbox.scan.pictures.picture_list import PictureList
from deepvis_toolbox.scan.scanned_network import check_scanned_network
from deepvis_toolbox.scan.top_images import TopImages
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.unit import Unit


def beside_scan(net: Network, maxes: Path, pictures: PictureList | None, say: Say) -> Beside | None:
    """Return what tells what the scan in `maxes` says of a picture; None where there is none of this network.

    `pictures`: where its photographs are now, if known. Where they cannot be read, `say` is told once, and what the
    best photograph reaches is all that is told.
    """
    try:
        top = TopImages.load(maxes)
        check_scanned_network(top, net)
        if pictures is not None:
            top.pictures = top.pictures.below(pictures.root)
    except ToolboxError:
        return None
    photographs = Photographs(net, top)
    problems: list[str] = []

    def beside(target: Target, picture: RGBImage, settings: AscentSettings) -> BesidePhotographs:
        if not problems:
            try:
                return photographs.beside(target, picture, settings)
            except ToolboxError as error:
                problems.append(str(error))
                say(f"no path similarity: {error}")
        return BesidePhotographs(photographs.largest(target) if isinstance(target, Unit) else None)

    return beside
