"""Actions of finding by name: while its entry is open, all keys go to it."""

from __future__ import annotations

from deepvis_toolbox.live.actions import go_to, select_layer
from deepvis_toolbox.live.finding import NO_NAMES, Found, matches
from deepvis_toolbox.live.state import State, TextEntry
from deepvis_toolbox.words.unit import Unit

LONGEST = 80
"""Characters: more are not taken."""


def open_entry(state: State) -> None:
    """Open the entry, where there is something to find."""
    if state.facts.layers:
        state.view.entry = TextEntry()
    else:
        state.facts.message = "there is nothing to find yet: the network is loading"


def take_key(state: State, name: str) -> None:
    """Let a key change the entry: a character, `space`, `backspace`; up and down choose, Enter goes, Esc leaves."""
    entry = state.view.entry
    if entry is None:
        return
    if name == "escape":
        state.view.entry = None
    elif name in ("up", "down", "tab"):
        count = max(1, len(found(state)))
        state.view.entry = TextEntry(entry.text, (entry.chosen + (-1 if name == "up" else 1)) % count)
    elif name == "enter":
        _go(state, entry)
    elif name == "backspace":
        state.view.entry = TextEntry(entry.text[:-1])
    elif name == "space" or len(name) == 1:
        state.view.entry = TextEntry((entry.text + (" " if name == "space" else name))[:LONGEST])


def choose(state: State, number: int) -> None:
    """Go to one of the names that are listed: what a click on it does."""
    if state.view.entry is not None:
        _go(state, TextEntry(state.view.entry.text, number))


def found(state: State) -> tuple[Found, ...]:
    """Return what is called most like the text that was typed, nearest first."""
    if state.view.entry is None or state.layer is None:
        return ()
    facts = state.facts
    label_layer = facts.label_layers[0] if facts.label_layers else ""
    names = facts.scan.names if facts.scan else NO_NAMES
    return matches(state.view.entry.text, facts.layers, state.layer.name, facts.labels, label_layer, names)


def _go(state: State, entry: TextEntry) -> None:
    names = found(state)
    if not entry.text.strip():
        state.view.entry = None
        return
    if entry.chosen >= len(names):
        state.facts.message = f'nothing here is called like "{entry.text}"'
        return
    chosen = names[entry.chosen]
    state.view.entry = None
    if chosen.unit is None:
        select_layer(state, [layer.name for layer in state.facts.layers].index(chosen.layer))
    else:
        go_to(state, Unit(chosen.layer, chosen.unit))
