"""Which model.yaml a name means: a folder of models/, a folder, or the file itself. Imports nothing large."""

from __future__ import annotations

import os
from pathlib import Path

from deepvis_toolbox.errors import ToolboxError, nearest_name, shown_path
from deepvis_toolbox.installation import models_folders

MODEL_FILE = "model.yaml"
PROGRAM = ".pt2"
ONNX = ".onnx"
FACTORIES = ("torchvision:NAME", "timm:NAME", "package.module:factory")
"""The other ways to name a network, which need no model.yaml."""


def model_names() -> list[str]:
    """Return the folders of models/, and of the user's own folders of models (DEEPVIS_MODELS), sorted."""
    return sorted({path.parent.name for folder in models_folders() for path in folder.glob(f"*/{MODEL_FILE}")})


def model_forms() -> str:
    """Return all that may be written after `--model`, for help texts."""
    forms = ("a model.yaml or its folder", f"FILE{PROGRAM}", f"FILE{ONNX}", ", ".join(FACTORIES))
    return f"{', '.join(model_names())}; {'; '.join(forms)}".replace("%", "%%")


def is_factory(model: str) -> bool:
    """Return whether the name is of the form `package.module:factory` (also `torchvision:NAME`), not a path."""
    is_path = os.path.exists(model)  # noqa: PTH110 - answers False to names no system can have
    return ":" in model and not is_path and not model.endswith((".yaml", ".yml", PROGRAM, ONNX))


def is_program(model: str) -> bool:
    """Return whether the name is that of an exported program's file."""
    return model.endswith(PROGRAM) and not is_factory(model)


def is_onnx(model: str) -> bool:
    """Return whether the name is that of an ONNX file."""
    return model.endswith(ONNX) and not is_factory(model)


def has_no_model_file(model: str) -> bool:
    """Return whether the name stands for a network without a model.yaml."""
    return is_factory(model) or is_program(model) or is_onnx(model)


def model_path(model: str) -> Path:
    """Return the model.yaml that a name, a folder or a file means. `ToolboxError` with the known names where there
    is none."""
    try:
        return _found(model)
    except (OSError, RuntimeError, ValueError):  # a name too long for a file, ~nobody, a null character
        raise ToolboxError(f'"{model[:60]}" can be no file; known are {_known()}') from None


def _found(model: str) -> Path:
    given = Path(model).expanduser()
    named = [folder / model / MODEL_FILE for folder in models_folders()] if Path(model).name == model else []
    for path in named if model else []:
        if path.is_file():
            return path
    if given.is_dir():
        if (given / MODEL_FILE).is_file():
            return given / MODEL_FILE
        raise ToolboxError(f"the folder {shown_path(given)} has no {MODEL_FILE}; write one, or name one of {_known()}")
    if given.is_file():
        if given.suffix in (".yaml", ".yml"):
            return given
        raise ToolboxError(f"{shown_path(given)} is no {MODEL_FILE}; name the .yaml file that describes the network")
    hint = nearest_name(model, model_names())
    raise ToolboxError(f'there is no model "{model}"{hint}; known are {_known()}; or a path to a {MODEL_FILE}')


def _known() -> str:
    return ", ".join((*model_names(), *FACTORIES))


_USUAL_NAMES = frozenset({"deploy", "train_val", "trainval", "train", "test", "net", "network", "model", "prototxt"})
"""What a prototxt is called that has its network's name in the folder's."""


def name_by_place(prototxt: Path) -> str:
    """Return a network's name where none is given. What is kept under it (unit images) must not be another
    network's, so the file has a part in it, unless it is called as such files usually are."""
    folder, file = prototxt.parent.name, prototxt.stem
    return folder if file.lower() in _USUAL_NAMES or file == folder else f"{folder}-{file}"
