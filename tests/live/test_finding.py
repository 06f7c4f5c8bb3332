"""Finding by name: which names are near, what the keys do, where one gets; without a window."""

from __future__ import annotations

import pytest

from deepvis_toolbox.live.finding import MOST, matches
from deepvis_toolbox.live.layout import PANES
from deepvis_toolbox.live.state import State, TextEntry
from deepvis_toolbox.words.layer import Layer

from .scenes import KEYS, change, new_state
from .test_order import Show

LAYERS = (
    Layer("data", "input", (3, 32, 32)),
    Layer("block1.conv", "conv", (20, 8, 8)),
    Layer("block1.conv.relu", "relu", (20, 8, 8)),
    Layer("block10.conv", "conv", (300, 8, 8)),
    Layer("fc", "linear", (6,)),
    Layer("prob", "softmax", (6,)),
)
LABELS = ("golden retriever", "tabby cat", "cat", "tiger", "red fox", "catamaran, sail: 12")


def names(text: str, shown: str = "block1.conv") -> list[str]:
    return [found.name for found in matches(text, LAYERS, shown, LABELS, "fc")]


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("cat", ["cat", "catamaran, sail: 12", "tabby cat"]),
        ("CAT", ["cat", "catamaran, sail: 12", "tabby cat"]),
        ("block1.conv", ["block1.conv", "block1.conv.relu"]),
        ("conv", ["block1.conv", "block10.conv", "block1.conv.relu"]),
        ("b10", ["block10.conv"]),
        ("red f", ["red fox"]),
        ("fox red", ["red fox"]),
        ("7", ["block1.conv:7"]),
        ("block1.conv:7", ["block1.conv:7"]),
        ("block1:7", ["block1.conv:7", "block1.conv.relu:7", "block10.conv:7"]),
        ("block10:299", ["block10.conv:299"]),
        ("fc:tig", ["tiger"]),
        ("fc:2", ["fc:2"]),
        ("sail: 12", ["catamaran, sail: 12"]),
        ("", []),
        ("   ", []),
        ("qqqq", []),
        ("300", []),
        ("block1.conv:20", []),
        (":", ["catamaran, sail: 12"]),
    ],
)
def test_the_nearest_names_come_first(text: str, first: list[str]) -> None:
    assert names(text)[: len(first)] == first
    if not first:
        assert names(text) == []


def test_no_more_than_can_be_listed_and_none_twice() -> None:
    found = matches("c", LAYERS, "fc", tuple(f"class {number}" for number in range(1000)), "fc")
    assert len(found) == MOST == len(set(found))


def started() -> State:
    state = new_state(layers=LAYERS, labels=LABELS, label_layers=("fc", "prob"))
    return change(state, layer_index=1)


def type_keys(state: State, keys: str) -> State:
    for key in keys.split():
        assert KEYS.press(state, key)
    return state


@pytest.mark.parametrize(
    ("keys", "area", "address"),
    [
        ("/ t i g enter", "tiles", "fc:3"),
        ("/ b 1 0 enter", "layers", "block10.conv:0"),
        ("/ 1 2 enter", "tiles", "block1.conv:12"),
        ("/ c a t down down enter", "tiles", "fc:1"),
        ("/ c a t up enter", "tiles", "fc:1"),
        ("/ c a t down x backspace down enter", "tiles", "fc:5"),
        ("/ r e d space f enter", "tiles", "fc:4"),
        ("/ c a t escape", "layers", "block1.conv:0"),
        ("/ enter", "layers", "block1.conv:0"),
    ],
)
def test_typing_leads_there(keys: str, area: str, address: str) -> None:
    state = type_keys(started(), keys)
    assert (state.view.cursor_area, state.address, state.view.entry) == (area, address, None)


def test_while_something_is_typed_no_key_does_anything_else() -> None:
    state = type_keys(started(), "/")
    keys = ["q", "escape", "left", "p", "page down", "shift+left", "B", "R", "enter"]
    typed = [name for name in keys if len(name) == 1]
    for name in keys:
        if name not in ("escape", "enter"):
            KEYS.press(state, name)
    assert state.view.entry == TextEntry("".join(typed))
    assert state.orders == type(state.orders)()
    assert (state.view.backward, state.view.order, state.view.layer_index) == ("off", "number", 1)


def test_what_nothing_is_called_like_is_said_and_the_entry_stays_open() -> None:
    state = type_keys(started(), "/ q q q q enter")
    assert state.view.entry == TextEntry("qqqq")
    assert 'nothing here is called like "qqqq"' in state.facts.message


def test_before_there_are_layers_there_is_nothing_to_find() -> None:
    state = State()
    KEYS.press(state, "/")
    assert state.view.entry is None
    assert "loading" in state.facts.message


def test_the_card_lists_the_names_and_a_click_on_one_goes_there() -> None:
    state = type_keys(started(), "/ c a t")
    show = Show(state)
    show.draw()
    box = show.layout.boxes["find"]
    card = PANES["find"].card(box.height, box.width, show.scene)
    assert card
    middle = (card.left + card.right) // 2
    found = {}
    for y in range(card.top, card.bottom):
        under = show.at("find", middle, y)
        if under.what is not None:
            found.setdefault(under.what.name, under)  # type: ignore[attr-defined]
    assert list(found)[:3] == ["cat", "catamaran, sail: 12", "tabby cat"]
    assert show.at("find", card.right + 40, card.bottom + 40).what != found["cat"].what, "it goes to what lies below"
    assert found["tabby cat"].click
    found["tabby cat"].click(state)
    assert (state.address, state.view.entry) == ("fc:1", None)


def test_a_script_types_words_between_the_entry_s_key_and_enter() -> None:
    wanted = ("down", "/", "f", "c", ":", "2", "enter", "b", "/", "x", "escape", "h")
    assert KEYS.parse_script("down / fc:2 enter b / x escape h") == wanted


def test_units_of_an_added_layer_are_found_by_the_names_that_they_were_given() -> None:
    added = Layer("fc/concepts", "linear", (3,), added_to="fc", unit_names=("striped", "dotted fur", "sky"))
    found = matches("dotted", (*LAYERS, added), "block1.conv", LABELS, "fc")
    assert [(each.name, each.what, each.unit) for each in found] == [("dotted fur", "fc/concepts:1", 1)]
    (sky,) = matches("fc/concepts:sk", (*LAYERS, added), "block1.conv", LABELS, "fc")
    assert (sky.layer, sky.unit) == ("fc/concepts", 2)
