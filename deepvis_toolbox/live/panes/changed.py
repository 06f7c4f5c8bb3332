"""What says that an answer is not the network's own: it is edited, or its input is perturbed."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.live.panes.caption import body_of, draw_badge
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.measure.measurement import Measurement


def changed_text(scene: Scene) -> str:
    """Return what was changed for the answers that are shown: `edited`, `perturbed`, both; empty where nothing was."""
    request = scene.snapshot.request if scene.snapshot else None
    if request is None:
        return ""
    return " and ".join(
        word for word, is_on in (("edited", request.edits), ("perturbed", request.perturbation)) if is_on
    )


def changed_title(title: str, scene: Scene) -> str:
    """Return a caption that says, too, where what is below it is of a changed network: for panes full of text, which a
    tag would cover."""
    return f"{title} · changed" if changed_text(scene) else title


def draw_changed_tag(pane: Pane, pixels: Pixels, scene: Scene) -> None:
    """Draw the tag on a pane that shows what a changed network answers, so that nobody takes it for its own answer."""
    text = changed_text(scene)
    if text and pane.slot is not Slot.OVERLAY and not pane.says_what_is_changed and _is_asked(pane, scene):
        body = body_of(pixels, scene.look)
        draw_badge(
            body[: scene.look.small.line_height + 2 * scene.look.px(6)], scene.look, text, colour=scene.look.warning
        )


def _is_asked(pane: Pane, scene: Scene) -> bool:
    return any(isinstance(one, Measurement) and not one.compares for one in pane.needs(scene.state))
