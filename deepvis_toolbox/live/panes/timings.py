"""The debug display: milliseconds of each step of the worker, and of drawing."""

from __future__ import annotations

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.grid import Box
from deepvis_toolbox.drawing.shapes import bar
from deepvis_toolbox.drawing.text import draw_text
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.keys import Binding
from deepvis_toolbox.live.look import Look
from deepvis_toolbox.live.panes.card import draw_card
from deepvis_toolbox.live.panes.pane import Pane, Slot
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import State
from deepvis_toolbox.live.work.snapshot import Snapshot


class TimingsPane(Pane):
    """A card at the bottom right: name, bar, milliseconds."""

    name = "timings"
    slot = Slot.OVERLAY
    keys = (Binding(("5",), actions.toggle_timings, "Window", "timings on or off"),)

    def is_shown(self, state: State, snapshot: Snapshot | None) -> bool:  # noqa: ARG002
        """Return whether a key asked for it."""
        return state.view.show_timings

    def draw(self, pixels: Pixels, scene: Scene) -> None:
        """Draw the card, a line for each step."""
        look, snapshot = scene.look, scene.snapshot
        timings = dict(snapshot.timings) if snapshot else {}
        total = sum(time for time in timings.values() if time == time)
        drawing = [(f"drawing: {name}", time) for name, time in scene.state.facts.window_timings.items()]
        lines = [*timings.items(), ("all steps", total), *drawing]
        pad, row, width = look.px(14), look.px(20), look.px(330)
        height = row * len(lines) + 2 * pad
        bottom, right = pixels.shape[0] - look.px(12), pixels.shape[1] - look.px(12)
        card = draw_card(pixels, Box(bottom - height, right - width, bottom, right), look)
        for number, (name, time) in enumerate(lines):
            inside = card[pad + number * row : pad + (number + 1) * row, pad : card.shape[1] - pad]
            _draw_step(inside, name, time, total, look)


def _draw_step(pixels: Pixels, name: str, time: float, total: float, look: Look) -> None:
    height, width = pixels.shape[:2]
    baseline = (height + look.font.capital_height) // 2
    draw_text(pixels, name, 0, baseline, look.font, look.dim, width=look.px(130))
    draw_text(pixels, f"{time:.2f} ms", width, baseline, look.font, look.text, "right")
    middle = height // 2
    box = Box(middle - look.px(1.5), look.px(140), middle + look.px(1.5), width - look.px(80))
    bar(pixels, box, time / total if total else 0.0, look.accent, look.line)
