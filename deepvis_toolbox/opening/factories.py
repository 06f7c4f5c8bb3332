"""PyTorch modules by name: `torchvision:NAME`, `timm:NAME`, and anybody's `package.module:function`."""

from __future__ import annotations

import importlib.util
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import nn

from deepvis_toolbox.errors import ToolboxError, nearest_name, reason_of, sentence_of

_OWN_PACKAGE = __name__.partition(".")[0]


@dataclass(frozen=True)
class MadeModule:
    """A module and what its maker knows of it, in the words of a model.yaml's `input` section."""

    module: nn.Module
    input: dict[str, Any] = field(default_factory=dict)
    labels: tuple[str, ...] = ()


Places = tuple[Path, ...]
"""Where a factory's module is looked for, behind what is installed."""


def make_module(
    factory: str, where: str, places: Places, *, trained: bool = True, only_there: bool = False
) -> MadeModule:
    """Call the factory. `trained`: with the weights it publishes, where it is a library of trained networks.
    `only_there`: its module must lie in one of the places; what is installed is neither imported nor called.

    Raises `ToolboxError` that starts with `where` when there is no such factory, it fails, or it returns no module.
    """
    library, _, name = factory.partition(":")
    if library in _LIBRARIES:
        made = _LIBRARIES[library](name, where, trained)
    else:
        made = _own(factory, where, places, only_there=only_there and factory not in _OWN_FACTORIES)
    if not isinstance(made.module, nn.Module):
        raise ToolboxError(f"{where}: {factory} returned {type(made.module).__name__}, not a torch.nn.Module")
    return made


def runs_no_code(factory: str, *, has_weights: bool) -> bool:
    """Return whether a factory may be called whoever names it: the program's own, and a library's network that gets its
    weights from a file (else the library would download them)."""
    return factory in _OWN_FACTORIES or (factory.partition(":")[0] in _LIBRARIES and has_weights)


_OWN_FACTORIES = frozenset(f"deepvis_toolbox.opening.efficientnet_lite:efficientnet_lite{size}" for size in range(3))


def _own(factory: str, where: str, places: Places, *, only_there: bool) -> MadeModule:
    module_name, _, function_name = factory.partition(":")
    if not all(part.isidentifier() for part in [*module_name.split("."), function_name]):
        raise ToolboxError(f'{where}: "{factory}" is not of the form package.module:function')
    top = module_name.partition(".")[0]
    with _importable(places):
        _check_place(top, factory, where, places, only_there=only_there)
        module = _imported(module_name, factory, where, ("" if only_there else "be installed, ") + _named(places))
        function = getattr(module, function_name, None)
        if function is None:
            callables = [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]
            hint = nearest_name(function_name, callables)
            raise ToolboxError(f'{where}: the module {module_name} has no "{function_name}"{hint}')
        if isinstance(function, nn.Module):
            return MadeModule(function)
        if not callable(function):
            raise ToolboxError(
                f"{where}: {factory} is of type {type(function).__name__}; it must be a function without arguments"
            )
        return MadeModule(_called(function, factory, where))


def _found_in(places: Places, name: str) -> Path | None:
    """Return the file of a module or package in the places."""
    files = (path for folder in places for path in (folder / f"{name}.py", folder / name / "__init__.py"))
    return next((path for path in files if path.is_file()), None)


def _named(places: Places) -> str:
    return f"lie in {', '.join(map(str, places))}, or in a folder that --path names"


def _imported(name: str, factory: str, where: str, must: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise ToolboxError(f'{where}: there is no module "{error.name}" for {factory}; it must {must}') from None
        raise ToolboxError(f"{where}: importing {name} failed: {_own_line(error)}") from error
    except Exception as error:  # whatever a user's module does when it is imported
        raise ToolboxError(f"{where}: importing {name} failed: {_own_line(error)}") from error


def _check_place(name: str, factory: str, where: str, places: Places, *, only_there: bool) -> None:
    """Refuse a module before it is imported: one that would come from elsewhere where a place of ours holds one of its
    name; of `only_there`, every one that does not lie in a place."""
    here, files = None if name == _OWN_PACKAGE else _found_in(places, name), _files_of(name)
    if here is not None and files is not None and not (files and _is_file(here, files[0])):
        other = files[0] if files else "one that is part of Python"
        raise ToolboxError(
            f"{where}: the module {name} of {here.resolve()} cannot be imported, since {other} has been imported "
            "under that name, or is installed; give it another name, or start anew"
        )
    if only_there and files is not None and not (files and all(_lies_in(places, name, file) for file in files)):
        raise ToolboxError(
            f"{where}: {factory} is not run: of the code that is installed, a model's folder may name none, trusted or "
            f"not. If it makes your network, name it yourself (--model {factory}), or write a module beside the "
            "model.yaml that imports it, and name that one"
        )


def _files_of(name: str) -> list[Path] | None:
    """Return the file that a top-level module comes from, or the folders of a package without one, links followed;
    nothing of what Python has built in or made at run time, None where there is no such module."""
    try:
        found = importlib.util.find_spec(name)
    except ValueError:  # what was made at run time, such as `__main__`
        return []
    if found is None:
        return None
    if found.has_location and found.origin:
        return [Path(found.origin)]
    return [Path(folder) for folder in found.submodule_search_locations or ()]


def _lies_in(places: Places, name: str, file: Path) -> bool:
    """Return whether a module's file is a place's own: `name.py`, or what is in the folder `name`; links that lead
    elsewhere are not."""
    real = file.resolve()
    inside = [real.relative_to(place.resolve()) for place in places if real.is_relative_to(place.resolve())]
    return any(path.parts and path.parts[0].partition(".")[0] == name for path in inside)


def _is_file(path: Path, other: Path) -> bool:
    return other.exists() and path.samefile(other)


def _called(function: Callable[[], Any], factory: str, where: str) -> Any:
    try:
        return function()
    except ToolboxError:
        raise
    except Exception as error:  # whatever a user's factory does
        raise ToolboxError(f"{where}: {factory} failed: {_own_line(error)}") from error


def _downloaded(function: Callable[[], Any], factory: str, where: str) -> Any:
    """Do as `_called`; these libraries download their weights, which is what fails most often."""
    try:
        return _called(function, factory, where)
    except ToolboxError as error:
        raise ToolboxError(f"{error}; weights from a file can be given with --weights") from None


def _own_line(error: Exception) -> str:
    """Return the error in one line, with the last line of code that it passed."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    at = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames and not frames[-1].filename.startswith("<") else ""
    return f"{sentence_of(error)}{at}"


@contextmanager
def _importable(places: Places) -> Iterator[None]:
    """Let modules be found in the places, behind all others. Python's caches beside the sources are not believed."""
    added, prefix = [str(folder) for folder in places], sys.pycache_prefix
    sys.path += added
    with tempfile.TemporaryDirectory() as caches:
        sys.pycache_prefix = caches
        importlib.invalidate_caches()
        try:
            yield
        finally:
            sys.pycache_prefix = prefix
            for folder in added:
                if folder in sys.path:
                    sys.path.reverse()
                    sys.path.remove(folder)
                    sys.path.reverse()


def _torchvision(name: str, where: str, trained: bool) -> MadeModule:
    models = _library("torchvision.models", "torchvision")
    if name not in models.list_models():
        raise _unknown("torchvision", name, models.list_models(), where)
    weights = getattr(models.get_model_weights(name), "DEFAULT", None)
    if trained and weights is None:
        raise ToolboxError(f"{where}: torchvision publishes no weights of {name}; give a file with --weights")
    module = _downloaded(
        lambda: models.get_model(name, weights=weights if trained else None), f"torchvision:{name}", where
    )
    if weights is None:
        return MadeModule(module)
    transforms = weights.transforms()
    values: dict[str, Any] = {"mean": _in_pixel_units(transforms.mean), "std": _in_pixel_units(transforms.std)}
    if getattr(transforms, "crop_size", None):
        values["size"] = int(transforms.crop_size[0])
        values["crop"] = min(1.0, transforms.crop_size[0] / transforms.resize_size[0])
    # Other weights than the published ones may know other classes, yet mostly expect the same pictures.
    return MadeModule(module, values, tuple(weights.meta.get("categories", ())) if trained else ())


def _timm(name: str, where: str, trained: bool) -> MadeModule:
    timm = _library("timm", "timm")
    if not timm.is_model(name):
        raise _unknown("timm", name, timm.list_models(), where)
    module = _downloaded(lambda: timm.create_model(name, pretrained=trained), f"timm:{name}", where)
    config = getattr(module, "pretrained_cfg", {})
    values: dict[str, Any] = {}
    if config.get("input_size"):
        values["size"] = tuple(int(side) for side in config["input_size"][1:])
    for key in ("mean", "std"):
        if config.get(key):
            values[key] = _in_pixel_units(config[key])
    if config.get("crop_pct"):
        values["crop"] = float(config["crop_pct"])
    return MadeModule(module, values)


_LIBRARIES: dict[str, Callable[[str, str, bool], MadeModule]] = {"torchvision": _torchvision, "timm": _timm}


def _library(module: str, package: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name in (package, module):
            raise ToolboxError(
                f"{package} is not installed; it is an optional extra: pip install {package}, the one for torch "
                f"{torch.__version__}"
            ) from None
        raise _unusable(package, error) from None
    except Exception as error:  # one made for another torch fails with a RuntimeError, among others
        raise _unusable(package, error) from None


def _unusable(package: str, error: Exception) -> ToolboxError:
    return ToolboxError(
        f"{package} cannot be imported ({reason_of(error)}); install the one made for torch {torch.__version__}"
    )


def _unknown(library: str, name: str, known: list[str], where: str) -> ToolboxError:
    hint = nearest_name(name, known) or f"; it has {len(known)}, such as {', '.join(known[:5])}"
    return ToolboxError(f'{where}: {library} has no model "{name}"{hint}')


def _in_pixel_units(values: Any) -> list[float]:
    """Scale from the libraries' 0-1 scale to pixels of 0-255."""
    return [float(value) * 255 for value in values]
