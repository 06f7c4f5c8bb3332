"""A user's `torch.autograd.Function`, whose backward is not the derivative of its forward, in a graph: kept whole."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import fx

_Function = type[torch.autograd.Function]


class AppliedFunction:
    """Calls a `torch.autograd.Function`: a graph's function, under the name of the user's class."""

    def __init__(self, function: _Function) -> None:
        self._function = function
        self.__name__, self.__module__ = function.__name__, function.__module__

    def __call__(self, *given: Any, **named: Any) -> Any:
        """Return what the function gives; a pass backward then goes by its own rule.

        It gets copies that lie in memory as in plain torch, since it may look at that, or overwrite what it reads.
        """
        given, named = fx.node.map_aggregate((given, named), _copy)
        return self._function.apply(*given, **named)


Keep = Callable[[AppliedFunction, Callable[..., Any], tuple[Any, ...], dict[str, Any]], Any]
"""keep(function, what computes it now, arguments, named ones) -> what the call gives, recorded as one node;
`NotImplemented` where it is not to be recorded."""


def _kept_as_proxy(function: AppliedFunction, _: Callable[..., Any], given: Any, named: Any) -> Any:
    proxies = proxies_in((given, named))
    return proxies[0].tracer.create_proxy("call_function", function, given, named) if proxies else NotImplemented


@contextmanager
def functions_kept_whole(keep: Keep = _kept_as_proxy) -> Iterator[None]:
    """While it lasts, a user's function that is applied to what is being traced is recorded as one node.

    Traced through, its forward would be differentiated, and its own backward (a straight-through estimator, a reversed
    gradient) be lost. What torch itself makes of such functions, as for checkpoints, is traced through.
    """
    thread = threading.get_ident()  # what others compute meanwhile is theirs
    base: Any = torch.autograd.Function.__mro__[1]  # what Function.apply calls, also where a user has kept that by name

    def apply(cls: _Function, *given: Any, **named: Any) -> Any:
        compute = super(base, cls).apply
        if cls.__module__.partition(".")[0] == "torch" or threading.get_ident() != thread:
            return compute(*given, **named)
        found = keep(AppliedFunction(cls), compute, given, named)
        return compute(*given, **named) if found is NotImplemented else found

    base.apply = classmethod(apply)
    try:
        yield
    finally:
        del base.apply


def _copy(value: Any) -> Any:
    return value.clone(memory_format=torch.contiguous_format) if isinstance(value, torch.Tensor) else value


def proxies_in(given: Any) -> list[fx.Proxy]:
    """Return the proxies among arguments, also in tuples, lists and dicts."""
    proxies: list[fx.Proxy] = []
    fx.node.map_aggregate(given, lambda value: _collect(value, proxies))
    return proxies


def _collect(value: Any, proxies: list[fx.Proxy]) -> Any:
    if isinstance(value, fx.Proxy):
        proxies.append(value)
    return value
