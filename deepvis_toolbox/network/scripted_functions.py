"""Functions under `@torch.jit.script`, which take no proxies: in a graph they are what they were made from."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx

from deepvis_toolbox.network.own_derivatives import proxies_in

_TAKE_OFF = "it is compiled by torch.jit.script; take the decorator off"


@contextmanager
def scripted_functions_opened(
    is_traced: Callable[[Any], bool] = lambda given: bool(proxies_in(given)),
) -> Iterator[None]:
    """While it lasts, a scripted function that is called with what is being traced runs as the Python that it was
    written in."""
    thread = threading.get_ident()  # what others compute meanwhile is theirs
    kind: Any = torch.jit.ScriptFunction
    compiled = kind.__call__

    def call(function: Any, *given: Any, **named: Any) -> Any:
        if threading.get_ident() != thread or not is_traced((given, named)):
            return compiled(function, *given, **named)
        original = getattr(function, "_torchdynamo_inline", None)  # as torch.jit.script notes it for torch.compile
        if original is None:
            raise fx.proxy.TraceError(_TAKE_OFF)
        return original(*given, **named)

    kind.__call__ = call
    try:
        yield
    finally:
        kind.__call__ = compiled
