"""Keys: what a binding is, and the table of them that drives the keyboard, the help overlay and `--script`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from deepvis_toolbox.errors import ToolboxError, nearest_name
from deepvis_toolbox.live import actions, actions_find
from deepvis_toolbox.live.state import State

Action = Callable[[State], None]

GROUPS = ("Move", "Mouse", "Backward", "Tiles", "Pictures", "Unit images", "Why", "What if", "Compare", "Window")
"""The help's headings in their order; others follow."""


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
    while_held: bool = False
    """Whether it does its thing only as long as the key is down, where that is held; pressed shortly, for good."""

    @property
    def sentence(self) -> str:
        """What the help says of it. Where it lists names that may be added to, it lists those that there are now."""
        return self.help if isinstance(self.help, str) else self.help()

    @property
    def label(self) -> str:
        """The keys as the help writes them: `e or PgDn`."""
        return self.shown or " or ".join(self.names)


def moves(name: str, letter: str, move: Callable[[State, int], None], text: str, arrow: str) -> tuple[Binding, Binding]:
    """Return the bindings of an arrow key and its letter: one step, and with Shift several."""

    def fast(state: State) -> None:
        move(state, actions.FAST_STEP)

    return (
        Binding((name, letter), lambda state: move(state, 1), "Move", text, f"{arrow} or {letter}"),
        Binding((f"shift+{name}", letter.upper()), fast, "Move", ""),
    )


FIND_KEY = "/"
ENTRY_KEYS = ("up", "down", "enter", "escape", "backspace", "space")
"""Of a script, while something is typed."""


def _want_values(state: State) -> None:
    state.orders.save_values = True


def _toggle_recording(state: State) -> None:
    state.orders.toggle_recording = True


WINDOW_KEYS = (
    Binding(("p",), actions.want_screenshot, "Window", "save a screenshot"),
    Binding(("P",), _toggle_recording, "Window", "film what the window shows; again: end the film"),
    Binding(("D",), _want_values, "Window", "save the layer's values (.npz), and what they are (.json)"),
    Binding(("escape",), actions.reset, "Window", "reset", "Esc"),
    Binding(("q",), actions.quit_toolbox, "Window", "quit"),
)
"""What belongs to no pane."""


class KeyTable:
    """All keys of a window."""

    def __init__(self, bindings: Iterable[Binding]) -> None:
        """Raise `ToolboxError` where one key means two things."""
        self.bindings = tuple(bindings)
        self._by_name: dict[str, Binding] = {}
        for binding in self.bindings:
            for name in binding.names:
                if name in self._by_name:
                    taken = self._by_name[name].sentence or self._by_name[name].group
                    raise ToolboxError(f'the key "{name}" ({binding.sentence}) is taken already: {taken}')
                self._by_name[name] = binding

    def press(self, state: State, name: str) -> bool:
        """Do what the key called `name` does; return False where it does nothing."""
        if state.view.entry is not None:
            actions_find.take_key(state, name)
            return True
        binding = self._by_name.get(name)
        if binding is None:
            return False
        state.facts.message = ""
        binding.action(state)
        return True

    def let_go(self, state: State, name: str) -> bool:
        """Undo what a held key has done by doing it again; return False where it is not of that sort, or was typed."""
        return state.view.entry is None and self.waits(name) and self.press(state, name)

    def waits(self, name: str) -> bool:
        """Return whether the key, held down, is not pressed again and again, but waits until it is let go."""
        binding = self._by_name.get(name)
        return binding is not None and binding.while_held

    def meaning(self, name: str) -> str:
        """Return what the key called `name` does, as a sentence; empty where it does nothing."""
        binding = self._by_name.get(name)
        return (binding.sentence or "faster") if binding else ""

    def label_for(self, action: Action) -> str:
        """Return the key, as the help writes it, that does this action."""
        return next((binding.label for binding in self.bindings if binding.action is action), "?")

    def groups(self) -> list[tuple[str, list[Binding]]]:
        """Return the bindings that have a sentence, by heading."""
        told: dict[str, list[Binding]] = {group: [] for group in GROUPS}
        for binding in self.bindings:
            if binding.help:
                told.setdefault(binding.group, []).append(binding)
        return [(group, bindings) for group, bindings in told.items() if bindings]

    def parse_script(self, script: str) -> tuple[str, ...]:
        """Return the keys of `--script "down right b z"`: the table's names, `pagedown`, `esc` and `wait` among them.

        `wait` lets one frame pass. Behind `/`, until `enter` or `escape`, words are typed letter by letter. Raises
        `ToolboxError` for a name that is no key.
        """
        keys: list[str] = []
        is_typing = False
        for word in script.split():
            if is_typing and word not in ENTRY_KEYS:
                keys += word
                continue
            keys.append(word if is_typing else self._script_key(word))
            is_typing = keys[-1] == FIND_KEY or (is_typing and word not in ("enter", "escape"))
        return tuple(keys)

    def _script_key(self, word: str) -> str:
        names = {name.replace(" ", ""): name for name in self._by_name}
        names |= {"pgdn": "page down", "pgup": "page up", "esc": "escape", "wait": ""}
        for spelling in (word, word.lower()):
            if spelling in names:
                return names[spelling]
        hint = nearest_name(word.lower(), [name for name in names if len(name) > 1])
        raise ToolboxError(f'--script: "{word}" is no key{hint}; --help and key h list them')
