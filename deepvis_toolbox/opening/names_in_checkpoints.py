"""Finds a network's weights under the names that what it was trained in gave them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from typing import TypeVar

from deepvis_toolbox.errors import first_few

_WRAPPING = frozenset({"module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"})
"""Parts of names that come from what a module was wrapped in while it was trained: DataParallel, torch.compile, …"""
_USUAL = ("model", "net", "network", "backbone", "encoder", "student", "ema_model")
"""Where several names hold the same network, the first of these is taken."""

Value = TypeVar("Value")


def named_as_in(
    wanted: Collection[str], needed: set[str], state: dict[str, Value]
) -> tuple[dict[str, Value], list[str]]:
    """Return the values under the module's own names, and what is said of those that were left out.

    The two may differ by what either was wrapped in (`module.`, `_orig_mod.`), and by a name that all of a network
    stands below: `model.` of a LightningModule, beside whatever else that holds, where most of what is `needed` is.
    """
    plain = {_unwrapped(name): value for name, value in state.items()}
    own = {_unwrapped(name): name for name in wanted}
    is_clear = len(own) == len(wanted) and len(plain) == len(state)
    if not needed or needed <= state.keys() or not is_clear:
        return state, []
    found, left_out = _below_a_name(plain, {_unwrapped(name) for name in needed})
    named = {own.get(name, name): value for name, value in found.items()}
    return named, left_out


def _below_a_name(state: dict[str, Value], needed: set[str]) -> tuple[dict[str, Value], list[str]]:
    """Return the values below the name where most of what is needed stands, or below a name that they lack where all
    that is needed has it, and a sentence where others were left out; else the values as they are."""
    counts = Counter(name for each in state for name in _names_above(each, needed))
    most = max(counts.values(), default=0)
    if 2 * most > len(needed):
        name = min((name for name, count in counts.items() if count == most), key=_rank)
        others = sorted(each for each in state if not each.startswith(name))
        told = f'the weights are those below "{name[:-1]}" in their file; left out: {first_few(others)}'
        own = {each.removeprefix(name): value for each, value in state.items() if each.startswith(name)}
        return own, [told] if others and name else []
    own_name = f"{min(needed).partition('.')[0]}."
    if all(each.startswith(own_name) and each.removeprefix(own_name) in state for each in needed):
        return {own_name + each: value for each, value in state.items()}, []
    return state, []


def _names_above(name: str, needed: set[str]) -> Iterator[str]:
    """Yield what stands before any needed name that a name ends in, its last dot included."""
    rest, above = name, ""
    while rest:
        if rest in needed:
            yield above
        first, dot, rest = rest.partition(".")
        above += first + dot


def _rank(name: str) -> tuple[int, str]:
    plain = name[:-1]
    return (_USUAL.index(plain) if plain in _USUAL else len(_USUAL), plain)


def _unwrapped(name: str) -> str:
    return ".".join(part for part in name.split(".") if part not in _WRAPPING)
