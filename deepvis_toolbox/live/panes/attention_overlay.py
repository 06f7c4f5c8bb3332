"""Attention over the input picture: that of a layer, that of all up to one, and how large a layer's tokens are."""

from __future__ import annotations

import numpy as np

from deepvis_toolbox.drawing.colours import Pixels
from deepvis_toolbox.drawing.heat import paint_heat
from deepvis_toolbox.live.actions_where import attending_layer, layer_of_tokens
from deepvis_toolbox.live.panes.caption import draw_badge
from deepvis_toolbox.live.scene import Scene
from deepvis_toolbox.live.state import InputPixel, MapPlace, State
from deepvis_toolbox.measure import Attention, AttentionMaps, AttentionRollout, TokenNorms, TokenSizes
from deepvis_toolbox.words.images import Floats
from deepvis_toolbox.words.layer import Layer

AttentionQuestion = AttentionMaps | AttentionRollout | TokenNorms
AttentionAnswer = Attention | TokenSizes


def attention_question(state: State) -> AttentionQuestion | None:
    """Return what is asked of the network's attention; None where that is not shown."""
    layer = attending_layer(state)
    if state.view.overlay == "token norm":
        tokens = layer_of_tokens(state)
        return None if tokens is None else TokenNorms(tokens.name)
    if layer is None or state.view.overlay not in ("attention", "rollout"):
        return None
    token = _token(state, layer)
    return (
        AttentionMaps(layer.name, token) if state.view.overlay == "attention" else AttentionRollout(layer.name, token)
    )


def attention_title(scene: Scene, question: AttentionQuestion) -> str:
    """Return what the caption says of it."""
    if isinstance(question, TokenNorms):
        return "token norm"
    if isinstance(question, AttentionRollout):
        found = scene.answer(question)
        return f"rollout from {found.since}" if found and found.since else "rollout"
    head, attending = _head(scene.state), attending_layer(scene.state)
    where = ", in windows" if attending is not None and attending.attends_in_windows else ""
    return f"attention, all heads{where}" if head is None else f"attention, head {head}{where}"


def draw_attention(place: Pixels, found: AttentionAnswer, scene: Scene) -> None:
    """Draw an answer over `place`, the pixels of the picture, uint8 (H, W, 3), and say which token it is of."""
    if isinstance(found, TokenSizes):
        values, note = found.map, f"largest {found.map.max():.3g}, median {np.median(found.map):.3g}"
        if found.others.size:
            note += f", in front {', '.join(f'{each:.3g}' for each in found.others[:3])}"
        paint_heat(place, values, float(values.max(initial=0)))
        draw_badge(place, scene.look, note)
        return
    head = _head(scene.state) if scene.state.view.overlay == "attention" else None
    by_head = head is not None and head < len(found.maps)
    values = found.maps[head] if by_head else found.maps.mean(0)
    others = found.others[head] if by_head else found.others.mean(0)
    placeless = found.placeless[head] if by_head else found.placeless.mean()
    paint_heat(place, values, float(values.max(initial=0)))
    draw_badge(place, scene.look, _told(found, others, float(placeless)))


def _told(found: Attention, others: Floats, placeless: float) -> str:
    count = len(others)
    if found.token is None:
        whose = "of all tokens"
    elif found.token < count:
        whose = "of the class token" if found.token == 0 else f"of token {found.token}"
    else:
        row, column = divmod(found.token - count, found.maps.shape[2])
        whose = f"of {row},{column}"
    in_front = f"; {100 * float(others.sum()):.0f} % to tokens in front" if count else ""
    beside = f"; {100 * placeless:.0f} % beside the map" if placeless else ""
    return f"{whose}{in_front}{beside}"


def _head(state: State) -> int | None:
    """Return the head that the selected unit is of, where the units of the shown layer are the heads, or of these;
    None elsewhere."""
    layer = state.layer
    is_attending = layer is not None and layer == attending_layer(state) and layer.heads > 0
    return state.view.unit * layer.heads // layer.channels if layer is not None and is_attending else None


def _token(state: State, attending: Layer) -> int | None:
    """Return the token under the mouse, of those that a layer lets attend; None where it points at no place."""
    tokens = attending if attending.attends_in_windows else layer_of_tokens(state, attending.shape[-2])
    pointed = state.facts.pointed
    if tokens is None or pointed is None:
        return None
    (rows, columns), first = tokens.map_shape, tokens.other_tokens
    if isinstance(pointed, InputPixel):
        height, width = state.facts.layers[0].shape[1:]
        row, column = pointed.y * rows // height, pointed.x * columns // width
    elif (size := _map_of(state, pointed)) is not None:
        row, column = pointed.row * rows // size[0], pointed.column * columns // size[1]
    else:
        return None
    return first + min(row, rows - 1) * columns + min(column, columns - 1)


def _map_of(state: State, pointed: MapPlace) -> tuple[int, int] | None:
    """Return the size of the map that the mouse points at, where its places are those of the picture."""
    layer: Layer | None = next((each for each in state.facts.layers if each.name == pointed.layer), None)
    return None if layer is None or (layer.tells_attention and layer.is_spatial) else layer.map_shape
