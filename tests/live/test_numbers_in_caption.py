"""How far to trust preferred images, in the caption: whole, or without what has no room, never cut."""

import numpy as np
import pytest

from deepvis_toolbox.live.panes import caption, unit_images
from deepvis_toolbox.live.pictures.unit_pictures import ShownPicture, UnitPictures

from .scenes import scene_of, state_at

WHOLE = "1.3× · 93% · natural · path 0.48"


@pytest.mark.parametrize(
    ("width", "owner", "said"),
    [
        (800, "", f"{WHOLE} · fc:9"),
        (800, "head:9", f"{WHOLE} · of head:9"),
        (175, "", "1.3×"),
        (256, "", "1.3× · 93% · natural"),
    ],
)
def test_what_has_no_room_is_left_out_and_nothing_is_cut(monkeypatch, width, owner, said):
    written = []
    draw = caption.draw_text
    monkeypatch.setattr(
        caption,
        "draw_text",
        lambda pixels, text, *how, **more: written.append(text) or draw(pixels, text, *how, **more),
    )
    picture = ShownPicture(np.zeros((90, 90, 3), np.uint8), numbers=WHOLE)
    pictures = UnitPictures("fc:9", {"regularized_opt": picture}, owner)
    scene = scene_of(state_at("fc", 9, unit_pictures=pictures, has_unit_images=True), None)
    unit_images._draw_kind(np.zeros((300, width, 3), np.uint8), "regularized_opt", scene)
    assert written[0] == "preferred images"
    assert written[1:] == [said]
