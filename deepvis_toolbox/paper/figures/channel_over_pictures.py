"""Figure 2: what one channel of a convolution does on several pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from deepvis_toolbox.drawing.colours import Pixels, ramp_palette
from deepvis_toolbox.drawing.heat import paint_heat
from deepvis_toolbox.drawing.pictures import paint_map
from deepvis_toolbox.drawing.sheets import Tile, grid_sheet, scaled
from deepvis_toolbox.paper.channel_choice import channel_largest, channel_maps, chosen_unit, telling_channel
from deepvis_toolbox.paper.figure import Arrays, Drawn, Figure, Page, Piece, register_figure
from deepvis_toolbox.paper.study import Study
from deepvis_toolbox.progress import Progress

TILE = 150
BLACK_TO_WHITE = ramp_palette((255, 255, 255), [(0, 0, 0), (255, 255, 255)])


@register_figure("2")
class ChannelOverPictures(Figure):
    """One channel over several pictures: where it is active, and how much."""

    title = "Figure 2. One channel over several pictures"

    def pieces(self, study: Study) -> Sequence[Piece]:
        """Return the one piece: as the base class says."""
        layer, channel = chosen_unit(study)

        def make(progress: Progress) -> Arrays:
            found = channel
            if found is None:
                found = telling_channel(channel_largest(study.net, study.batches(progress), layer))
            maps = channel_maps(study.net, study.batches(progress), layer, found)
            return {"maps": maps, "channel": np.array([found])}

        identity = {"layer": layer.name, "channel": channel, "pictures": study.frames_hash}
        return [Piece("maps", identity, (2 if channel is None else 1) * len(study.frames), make)]

    def draw(self, study: Study, found: Mapping[str, Arrays]) -> Drawn:
        """Return the pictures, the maps, and both over each other: as the base class says."""
        maps, channel = found["maps"]["maps"], int(found["maps"]["channel"][0])
        layer, named = chosen_unit(study)
        shown = ends(maps.reshape(len(maps), -1).max(1), study.extent.pictures)
        seen = [study.frames[index] for index in shown]
        strongest = float(maps.max())
        rows = [
            [Tile(picture) for picture in seen],
            [Tile(map_picture(maps[index], strongest), f"largest {maps[index].max():.3g}") for index in shown],
            [Tile(_over(picture, maps[index], strongest)) for picture, index in zip(seen, shown, strict=True)],
        ]
        sheet = grid_sheet(rows, TILE, ["picture", "activation", "over it"], gap=6)
        size = "×".join(map(str, layer.map_shape))
        how = "as named" if named is not None else "the channel of its layer whose largest activation differs most"
        how += "" if named is not None else f" among the {len(study.frames)} pictures (by standard deviation)"
        caption = (
            f"Network {study.net.name}, unit {layer.name}:{channel}: {how}. Its {size} activations on "
            f"{len(shown)} of {len(study.frames)} pictures ({study.source}), half of them those with its largest "
            f"activation, half those with its smallest. White is {strongest:.4g}, the largest; black is 0 and below."
        )
        numbers = {"largest": [float(each) for each in maps.reshape(len(maps), -1).max(1)], "shown": shown}
        return Drawn([Page(sheet, caption)], numbers, {"layer": layer.name, "channel": channel})


def ends(values: NDArray[np.floating], count: int) -> list[int]:
    """Return the indices of the largest and the smallest of values (N,), any dtype, half each, the largest first."""
    order = [int(index) for index in np.argsort(-np.nan_to_num(values), kind="stable")]
    if len(order) <= count:
        return order
    return order[: (count + 1) // 2] + order[len(order) - count // 2 :]


def map_picture(values: NDArray[np.float32], strongest: float) -> Pixels:
    """Return a map, float32 (H, W), in greys, RGB: black for 0 and below, white for `strongest`."""
    share = np.clip(np.nan_to_num(values) / max(strongest, 1e-30), 0, 1)
    picture = np.empty((TILE, TILE, 3), np.uint8)
    picture[...] = 255
    box = paint_map(picture, np.rint(1 + 254 * share).astype(np.uint8), BLACK_TO_WHITE, smooth=False)
    return picture[box.top : box.bottom, box.left : box.right]


def _over(picture: Pixels, values: NDArray[np.float32], strongest: float) -> Pixels:
    large = scaled(picture, TILE).copy()
    paint_heat(large, values, max(strongest, 1e-30))
    return large
