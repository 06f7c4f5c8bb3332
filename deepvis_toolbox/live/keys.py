"""The one table of keys: it drives the keyboard, the help overlay and `--script`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from deepvis_toolbox.errors import ToolboxError, nearest_name
from deepvis_toolbox.live import actions
from deepvis_toolbox.live.actions import FAST_STEP
from deepvis_toolbox.live.state import State
from deepvis_toolbox.words.backward import BACKWARD_VIEWS, OFF, chosen_backward_modes

Action = Callable[[State], None]


@dataclass(frozen=True)
class Binding:
    """Keys that do the same thing, and the sentence that the help shows for them."""

    names: tuple[str, ...]
    """Key names: a character, or `left`, `page down`, …; `shift+left` with Shift."""
    action: Action
    group: str
    """Heading under which the help lists it."""
    help: str | Callable[[], str]
    """What it does, `sentence` as it reads now; empty for a variant that the help shows with another binding."""
    shown: str = ""
    """How the help writes the keys, where it is not just their names."""

    @property
    def sentence(self) -> str:
        """What the help says of it. Where it lists names that may be added to, it lists those that there are now."""
        return self.help if isinstance(self.help, str) else self.help()

    @property
    def label(self) -> str:
        """The keys as the help writes them: `e or PgDn`."""
        return self.shown or " or ".join(self.names)


def _moves(name: str, letter: str, move: Callable[[State, int], None], text: str, arrow: str) -> tuple[Binding, ...]:
    """An arrow key and its letter: one step, and with Shift several."""

    def fast(state: State) -> None:
        move(state, FAST_STEP)

    return (
        Binding((name, letter), lambda state: move(state, 1), "Move", text, f"{arrow} or {letter}"),
        Binding((f"shift+{name}", letter.upper()), fast, "Move", ""),
    )


def _simple_backward() -> str:
    return ", ".join(mode if mode == OFF else f"{mode} {view}" for mode, view in actions.simple_backward())


def _backward_modes() -> str:
    return f"expert: mode {', '.join(chosen_backward_modes())}"


def _backward_views() -> str:
    return f"expert: view {', '.join(BACKWARD_VIEWS)}"


KEYS: tuple[Binding, ...] = (
    *_moves("left", "j", actions.move_left, "unit to the left; in the layer list, previous layer", "←"),
    *_moves("right", "l", actions.move_right, "unit to the right; in the layer list, next layer", "→"),
    *_moves("up", "i", actions.move_up, "unit above; from the top row, back to the layer list", "↑"),
    *_moves("down", "k", actions.move_down, "unit below; from the layer list, into the tiles", "↓"),
    Binding((), lambda _: None, "Move", f"{FAST_STEP} steps at a time", "Shift + the above"),
    Binding(("u",), actions.previous_layer, "Move", "previous layer, without moving the cursor"),
    Binding(("U",), partial(actions.previous_layer, steps=FAST_STEP), "Move", ""),
    Binding(("o",), actions.next_layer, "Move", "next layer, without moving the cursor"),
    Binding(("O",), partial(actions.next_layer, steps=FAST_STEP), "Move", ""),
    Binding(("b",), actions.cycle_backward, "Backward", _simple_backward),
    Binding(("n",), actions.cycle_backward_mode, "Backward", _backward_modes),
    Binding(("m",), actions.cycle_backward_view, "Backward", _backward_views),
    Binding(("d",), actions.toggle_frozen_origin, "Backward", "freeze the origin at the selected unit, or let it go"),
    Binding(("a",), actions.toggle_gradients, "Tiles", "activations or gradients (negative red, positive green)"),
    Binding(("z",), actions.cycle_zoom, "Tiles", "zoom: all tiles, selected unit, backward result"),
    Binding(("t",), actions.cycle_gamma, "Tiles", "boost faint values: gamma 1, 0.7, 0.5, 0.3"),
    Binding(("T",), actions.cycle_channel_boost, "Tiles", "boost each channel on its own: 0, 0.3, 0.5, 0.8, 1"),
    Binding(("f",), actions.toggle_camera_frozen, "Pictures", "freeze the picture, or let it run"),
    Binding(("c",), actions.switch_source, "Pictures", "toggle between the two inputs (camera and files)"),
    Binding(("e", "page down"), actions.next_picture, "Pictures", "next picture", "e or PgDn"),
    Binding(("w", "page up"), actions.previous_picture, "Pictures", "previous picture", "w or PgUp"),
    Binding(("0",), actions.toggle_stretch, "Pictures", "crop to a square, or stretch to it"),
    Binding(("9",), actions.toggle_unit_images, "Unit images", "the selected unit's pictures on or off"),
    Binding(("s",), actions.toggle_pattern_preferred, "Unit images", "pattern mode: every unit's preferred image"),
    Binding(("S",), actions.toggle_pattern_top, "Unit images", "pattern mode: every unit's top image"),
    Binding(("g",), actions.want_pictures, "Unit images", "make the selected unit's preferred images now"),
    Binding(("8",), actions.toggle_labels, "Window", "class labels on or off"),
    Binding(("p",), actions.want_screenshot, "Window", "save a screenshot"),
    Binding(("5",), actions.toggle_timings, "Window", "timings on or off"),
    Binding(("h",), actions.toggle_help, "Window", "this help on or off"),
    Binding(("escape",), actions.reset, "Window", "reset", "Esc"),
    Binding(("q",), actions.quit_toolbox, "Window", "quit"),
)

_ACTIONS: dict[str, Action] = {name: binding.action for binding in KEYS for name in binding.names}


def press(state: State, name: str) -> bool:
    """Does what the key called `name` does; False where it does nothing."""
    action = _ACTIONS.get(name)
    if action is None:
        return False
    state.message = ""
    action(state)
    return True


def parse_script(script: str) -> tuple[str, ...]:
    """The keys of `--script "down right b z"`: names of the table, `pagedown` and `esc` among them, and `wait`.

    `wait` lets one frame pass. Raises `ToolboxError` for a name that is no key.
    """
    return tuple(_script_key(word) for word in script.split())


_SCRIPT_NAMES = {name.replace(" ", ""): name for name in _ACTIONS} | {
    "pgdn": "page down",
    "pgup": "page up",
    "esc": "escape",
    "wait": "",
}


def _script_key(word: str) -> str:
    for spelling in (word, word.lower()):
        if spelling in _SCRIPT_NAMES:
            return _SCRIPT_NAMES[spelling]
    known = [name for name in _SCRIPT_NAMES if len(name) > 1]
    raise ToolboxError(f'--script: "{word}" is no key{nearest_name(word.lower(), known)}; --help and key h list them')
