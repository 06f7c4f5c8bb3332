"""The backward result: what the backward pass brought to the input."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from deepvis_toolbox.drawing.backward_views import (
    backward_picture,
    contributions_picture,
    smoothed_contributions,
)
from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.pictures import paint_picture
from deepvis_toolbox.drawing.shapes import clear, dim
from deepvis_toolbox.live import actions, actions_backward
from deepvis_toolbox.live.kept import Same
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.panes.caption import body_of, draw_badge, draw_caption, draw_note, missing_note
from deepvis_toolbox.live.panes.naming import ORIGIN_MARK
from deepvis_toolbox.live.panes.pane import Hit, Pane, Slot
from deepvis_toolbox.live.panes.questions import BackwardQuestion, backward_question
from deepvis_toolbox.live.panes.slow_scale import SlowScale
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.request import GrowingAverage
from deepvis_toolbox.measure import ContributionMap, InputGradient
from deepvis_toolbox.measure.measurement import Question
from deepvis_toolbox.words.backward import (
    BACKWARD_VIEWS,
    CONTRIBUTION_VIEWS,
    OFF,
    chosen_backward_modes,
    chosen_backward_views,
)
from deepvis_toolbox.words.images import Floats

STALE_BRIGHTNESS = 0.6


def _title(mode: str, view: str) -> str:
    """Return what the caption says, short where the view is that of the gradient only: the origin stands beside it."""
    return view if mode == "grad" and view in CONTRIBUTION_VIEWS else f"{mode} · {view}"


def _simple_backward() -> str:
    return ", ".join(mode if mode == OFF else f"{mode} {view}" for mode, view in actions_backward.simple_backward())


def _modes() -> str:
    return f"expert: mode {', '.join(chosen_backward_modes())}"


def _views() -> str:
    return f"expert: view {', '.join(chosen_backward_views())}"


class BackwardPane(Pane):
    """The picture with the unit it started from, or why there is none."""

    name = "backward"
    slot = Slot.LEFT
    keys = (
        Binding(("b",), actions_backward.cycle_backward, "Backward", _simple_backward),
        Binding(("n",), actions_backward.cycle_backward_mode, "Backward", _modes),
        Binding(("m",), actions_backward.cycle_backward_view, "Backward", _views),
        Binding(
            ("d",),
            actions_backward.toggle_frozen_origin,
            "Backward",
            "freeze the origin at the selected unit, or let it go",
        ),
        *(
            Binding((), lambda _: None, "Backward", views.meaning(view), view)
            for views in (CONTRIBUTION_VIEWS, BACKWARD_VIEWS)
            for view in views
        ),
    )

    def needs(self, state: State) -> Iterable[Question[Any]]:
        """Return the question of the backward picture, where the backward pass is on."""
        question = backward_question(state)
        if isinstance(question, GrowingAverage):
            return (question, question.of)
        return () if question is None else (question,)

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the caption with the origin, and the picture below it."""
        view, look = scene.state.view, scene.look
        title = "backward" if view.backward == OFF else _title(view.backward, view.backward_view)
        colour = look.accent if view.frozen_origin else look.dim
        draw_caption(pixels, look, title, _origin_text(scene), colour)
        body = body_of(pixels, look)
        clear(body, look.panel)
        draw_result(body, scene)

    def hit(self, height: int, width: int, scene: Scene, x: int, y: int) -> Hit:  # noqa: ARG002
        """Answer the mouse: a double click enlarges the result."""
        return Hit(double_click=lambda state: actions.toggle_zoom(state, "backward"))


def draw_result(pixels: Pixels, scene: Scene) -> None:
    """Draw the backward picture, as large as the pixels allow."""
    look, shown = scene.look, _shown(scene)
    if scene.state.view.backward == "off":
        draw_note(pixels, look, f"backward is off; press {scene.keys.label_for(actions_backward.cycle_backward)}")
    elif shown is None or not _values(shown[1]).size:
        draw_note(pixels, look, missing_note(scene, backward_question(scene.state)))
    elif not _values(shown[1]).any():
        draw_note(pixels, look, shown[1].note or "the gradient is exactly zero here")
    else:
        question, gradient = shown
        box = paint_picture(pixels, _picture(gradient, scene))
        place = pixels[box.top : box.bottom, box.left : box.right]
        if question != backward_question(scene.state):
            dim(place, STALE_BRIGHTNESS)
        if note := gradient.note or _repetitions(gradient):
            draw_badge(place, look, note)


def _shown(scene: Scene) -> tuple[BackwardQuestion, InputGradient | ContributionMap] | None:
    """Return the newest picture that came, also where it answers what was asked before, and its question."""
    question = backward_question(scene.state)
    return scene.snapshot.newest(question, (type(question),)) if scene.snapshot and question else None


def _values(gradient: InputGradient | ContributionMap) -> Floats:
    return gradient.gradient if isinstance(gradient, ContributionMap) else gradient.image


def _repetitions(gradient: InputGradient | ContributionMap) -> str:
    return f"mean of {gradient.repetitions}" if isinstance(gradient, ContributionMap) and gradient.repetitions else ""


def _picture(gradient: InputGradient | ContributionMap, scene: Scene) -> Pixels:
    look = scene.look
    if isinstance(gradient, InputGradient):
        return backward_picture(gradient.image, scene.state.view.backward_view, look.blur_radius)
    smooth, size = scene.kept.value("contributions", (Same(gradient),), lambda: smoothed_contributions(gradient.map))
    scale = scene.kept.value("scale of contributions", (backward_question(scene.state),), SlowScale)
    is_still = scene.snapshot is not None and scene.snapshot.frame.is_still
    return contributions_picture(smooth, scale.follow(gradient, size, is_still), look.gradient_palette)


def _origin_text(scene: Scene) -> str:
    """Return where the picture that is shown started, which can lag behind the state."""
    view = scene.state.view
    if view.backward == "off" or scene.state.origin is None:
        return ""
    shown = _shown(scene)
    origin = shown[0].origin if shown else scene.state.origin
    return f"{origin} {ORIGIN_MARK}" if view.frozen_origin else str(origin)
