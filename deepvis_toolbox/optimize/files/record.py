"""The JSON record of a picture: every parameter, every result, and what made it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepvis_toolbox.errors import reason_of
from deepvis_toolbox.identity import first_difference, first_other
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.optimize.files.shown_image import seen_part
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.canvas import canvas_of
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.method.result import FAILURES, AscentResult, Outcome
from deepvis_toolbox.optimize.method.starts import IMAGE, file_hash, is_picture
from deepvis_toolbox.regular_file import read_json
from deepvis_toolbox.unit_images.naturalness import PHOTOGRAPHS, Naturalness, naturalness
from deepvis_toolbox.unit_images.numbers import JudgeNumbers
from deepvis_toolbox.version import __version__
from deepvis_toolbox.words.images import RGBImage
from deepvis_toolbox.words.layer import Rect
from deepvis_toolbox.words.unit import Unit

TRACES = ("objective", "below", "largest", "is_max", "norm", "distance", "std")
DIGITS = 7
"""Significant digits of a trace's numbers in the record: all that a float32 has."""
PIXELS = "pixels"
"""The parametrization in which a picture and its parameters are the same."""
AS_IT_IS = "as it is"
"""Pictures that ascents in another parametrization begin with: until November 2026 they were taken for its parameters,
and what came of that is another picture."""
LARGEST_RECORD = 64 << 20
Record = dict[str, Any]


class BesidePhotographs(NamedTuple):
    """What photographs say of a picture, as far as it is known."""

    largest: float | None = None
    """The unit's largest activation on photographs."""
    path_similarity: float | None = None
    """How alike the layers below are for the picture and the unit's top photographs: 1 as these to each other, 0 as
    random ones."""


def identity(net: Network, picture: AscentTask, settings: AscentSettings) -> Record:
    """Return what decides how a picture looks: two pictures with equal identities are the same picture."""
    target = picture.target
    place = list(target.place) if isinstance(target.place, tuple) else target.place
    unit: Record = {"layer": target.layer, "address": str(target), "seed": picture.seed, "place": place}
    if isinstance(target, Unit):
        unit |= {"channel": target.channel}
    else:
        unit |= {"name": target.name, "values_sha256": target.key}
    if picture.beside:
        unit["beside"] = list(picture.beside)
    network = {"name": net.name, "weights_sha256": net.weights_hash}
    parameters = settings.as_record()
    if parameters["start_at"].startswith(IMAGE):
        parameters["start_image_sha256"] = file_hash(Path(parameters["start_at"].removeprefix(IMAGE)))
    if settings.parametrization != PIXELS and is_picture(settings.start_at):
        parameters["start_taken"] = AS_IT_IS
    return {
        "network": network,
        "input": net.preprocessing.identity(),
        "unit": unit,
        "settings": parameters,
        "answer": {name: value for name, value in net.answer.items() if name == target.layer},
    }


def record_of(
    net: Network,
    picture: AscentTask,
    settings: AscentSettings,
    result: AscentResult,
    best_shown: RGBImage,
    beside: BesidePhotographs = BesidePhotographs(),  # noqa: B008 - it cannot be changed
    transfer: Mapping[str, JudgeNumbers] | None = None,
) -> Record:
    """Return the whole record, plain data for JSON.

    `best_shown`: the best image as people see it, RGB uint8 (H, W, 3). `beside`: what photographs say of it.
    `transfer`: what other networks do, by their names.
    """
    best = float(result.objective[result.best_step]) if result.best_step >= 0 else None
    part = seen_part(net, picture.target, settings)
    return {
        "program": {"name": "deepvis-toolbox", "version": __version__},
        **identity(net, picture, settings),
        "engine": net.engine,
        "label": _label(net, picture),
        "seen_part": part._asdict(),
        "outcome": result.outcome,
        "steps": len(result.objective),
        **({"stopped_early": _stopped_early(settings, result)} if settings.min_gain else {}),
        "best_step": result.best_step,
        "best_objective": None if best is None else _plain(best),
        **_told_beside(beside, best),
        **({"transfer": {name: each.model_dump() for name, each in transfer.items()}} if transfer else {}),
        "naturalness": _naturalness(best_shown, part == Rect(0, 0, *canvas_of(settings, net.preprocessing).size)),
        "last_objective": _plain(result.objective[-1]) if len(result.objective) else None,
        "became_largest_at_step": int(result.is_max.argmax()) if result.is_max.any() else None,
        "traces": {name: [_plain(value) for value in getattr(result, name)] for name in TRACES},
    }


def _told_beside(beside: BesidePhotographs, best: float | None) -> Record:
    found = {"path_similarity": beside.path_similarity, "natural": beside.largest}
    if best is not None and beside.largest is not None and beside.largest > 0:
        found["over_natural"] = best / beside.largest
    return {name: _plain(value) for name, value in found.items() if value is not None}


def _naturalness(picture: RGBImage, is_whole: bool) -> Record:
    """Return a picture's colour and contrast; of one that shows the whole image, where those of nine of ten photographs
    lie, too: a part of a photograph is calmer."""
    own = {name: _plain(value) for name, value in naturalness(picture)._asdict().items()}
    ranges = {name: list(both) for name, both in PHOTOGRAPHS._asdict().items()}
    return {**own, "photographs": ranges} if is_whole else own


def whole_naturalness(record: Record) -> Naturalness | None:
    """Return a record's colour and contrast where they can be put beside those of photographs; None where not."""
    found = record.get("naturalness")
    if not isinstance(found, dict) or "photographs" not in found:
        return None
    colour, contrast = (
        float(each) if isinstance(each, int | float) and 0 <= each <= 255 else None
        for each in (found.get("colour"), found.get("contrast"))
    )
    return Naturalness(colour, contrast) if colour is not None and contrast is not None else None


def _stopped_early(settings: AscentSettings, result: AscentResult) -> bool:
    """Return whether it ended since the objective gained less than `min_gain`."""
    return result.outcome not in FAILURES and len(result.objective) < settings.max_iter


def as_text(record: Record) -> str:
    """Return JSON with a line for each key, and one for each trace."""
    traces = ",\n".join(f"  {json.dumps(name)}: {json.dumps(trace)}" for name, trace in record["traces"].items())
    lines = [
        f" {json.dumps(key)}: {json.dumps(value, ensure_ascii=False, allow_nan=False)}"
        for key, value in record.items()
        if key != "traces"
    ]
    return "{\n" + ",\n".join([*lines, ' "traces": {\n' + traces + "\n }"]) + "\n}\n"


class RecordSchema(BaseModel):
    """What a record on disk must be for anything to be made of it; it may have more."""

    model_config = ConfigDict(extra="ignore", strict=True, allow_inf_nan=False)

    network: dict[str, str | None]
    input: dict[str, Any]
    unit: dict[str, Any]
    settings: dict[str, Any]
    answer: dict[str, list[float]] = Field(default_factory=dict, description="not in those of former versions")
    outcome: Outcome
    steps: int = Field(ge=0, le=1 << 53)
    best_step: int = Field(ge=-1, le=1 << 53)
    best_objective: float | None


def read_record(path: Path, say: Callable[[str], None] = lambda _: None) -> Record | None:
    """Return a record on disk; None where there is none or it is damaged, so that its picture is made again.

    `say` is told what is damaged, with the file and the field.
    """
    try:
        record = read_json(path, LARGEST_RECORD, is_finite=False)  # a trace may end in what is not finite
        RecordSchema.model_validate(record)
        json.dumps({**record, "traces": None})  # what is too deep or too long for it cannot be compared
        return dict(record)
    except FileNotFoundError:
        return None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        reason = f'at "{".".join(map(str, first["loc"]))}": {first["msg"]}'
    except (OSError, ValueError, RecursionError) as error:
        reason = reason_of(error)
    say(f'"{path}" is damaged ({reason}); its picture is made again')
    return None


def difference(record: Record, wanted: Record) -> str:
    """Return the first thing in which a record on disk is not the wanted identity, in words; empty where they are
    the same."""
    exact = {key: value for key, value in wanted.items() if key != "answer"}
    found = first_difference(record, exact, depth=2)
    if found:
        return f"{found.key}: {found.there!r} there, {found.wanted!r} now"
    layer = first_other(record.get("answer"), wanted["answer"])
    if layer:
        return f'network: of the same weights, "{layer}" computed something else there'
    return _unknown_setting(record.get("settings"), wanted["settings"])


def _unknown_setting(there: Any, wanted: Record) -> str:
    """Return a parameter that the record has beside the wanted ones: of a regularizer that is off now, or not
    loaded."""
    unknown = [key for key in there if key not in wanted] if isinstance(there, dict) else []
    return f"{unknown[0]}: {there[unknown[0]]!r} there, off now" if unknown else ""


def _label(net: Network, picture: AscentTask) -> str | None:
    target = picture.target
    if not isinstance(target, Unit) or target.layer not in net.label_layers or target.channel >= len(net.labels):
        return None
    return net.labels[target.channel]


def _plain(value: Any) -> int | float | bool:
    if isinstance(value, np.bool_ | np.integer):
        return value.item()
    return float(f"{value:.{DIGITS}g}")
