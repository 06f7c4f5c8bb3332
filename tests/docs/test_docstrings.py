"""Everything public has a docstring, but for methods that override a documented one."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import deepvis_toolbox


def _modules():
    for found in pkgutil.walk_packages(deepvis_toolbox.__path__, "deepvis_toolbox."):
        if not found.name.endswith(("_pb2", "__main__")):
            yield importlib.import_module(found.name)


def _plain(member):
    """The function behind a property, a class method or the like; None for anything else."""
    inner = (
        member.fget if isinstance(member, property) else getattr(member, "__func__", getattr(member, "func", member))
    )
    return inner if inspect.isfunction(inner) and inner.__name__ != "<lambda>" else None


def _overrides_a_documented_one(owner: type, name: str) -> bool:
    bases = [vars(base)[name] for base in owner.__mro__[1:] if name in vars(base)]
    is_forward = name == "forward" and any(base.__module__.startswith("torch.") for base in owner.__mro__)
    return is_forward or any(getattr(_plain(base) or base, "__doc__", None) for base in bases)


def test_public_functions_classes_and_methods_are_documented():
    missing = []
    for module in _modules():
        if not module.__doc__:
            missing.append(module.__name__)
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != module.__name__:
                continue
            if (inspect.isfunction(thing) or inspect.isclass(thing)) and not thing.__doc__:
                missing.append(f"{module.__name__}.{name}")
            members = vars(thing).items() if inspect.isclass(thing) else ()
            missing += [
                f"{module.__name__}.{name}.{attribute}"
                for attribute, member in members
                if not attribute.startswith("_") and (function := _plain(member)) and not function.__doc__
                and function.__name__ == attribute
                and not _overrides_a_documented_one(thing, attribute)
            ]  # fmt: skip
    assert not missing
