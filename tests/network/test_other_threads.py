"""Networks are opened in one thread while others compute: what torch.fx patches is everybody's."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from deepvis_toolbox.words.network import TraceWay
from tests.nets import opened


class Plain(nn.Module):
    """Modules in modules."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1))
        self.fc = nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(torch.relu(self.body(x)).mean((2, 3)))


class Slow(Plain):
    """Its forward waits, so that it is traced for long enough."""

    at_work: threading.Event
    go_on: threading.Event

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if type(x) is not torch.Tensor:
            type(self).at_work.set()
            assert type(self).go_on.wait(20)
        return super().forward(x)


@pytest.mark.parametrize("way", ["fx", "export"])
def test_a_network_computes_the_same_while_another_one_is_traced(way: TraceWay) -> None:
    Slow.at_work, Slow.go_on = threading.Event(), threading.Event()
    net, module, slow = opened(Plain(0)), Plain(0).eval(), Slow(1)
    x = torch.randn(1, *net.input_shape)
    wanted = net.forward(x, list(net.layers))
    with ThreadPoolExecutor(1) as pool, torch.no_grad():
        opening = pool.submit(opened, slow, way=way)
        assert Slow.at_work.wait(20)
        try:
            found, plain = net.forward(x, list(net.layers)), module(x)
            gradient = net.backward(x, "fc", torch.ones(1, 2), at=[net.input_name])[net.input_name]
        finally:
            Slow.go_on.set()
        other = opening.result(20)
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value)
    torch.testing.assert_close(plain, wanted["fc"], rtol=1e-4, atol=1e-6)
    assert gradient.any()
    torch.testing.assert_close(other.forward(x, ["fc"])["fc"], Plain(1).eval()(x).detach(), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("way", ["fx", "export"])
def test_networks_that_are_opened_at_once_are_what_they_are_alone(way: TraceWay) -> None:
    call, attribute = nn.Module.__call__, nn.Module.__getattr__
    x = torch.randn(1, 3, 32, 32)
    modules = [Plain(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        nets = list(pool.map(lambda module: opened(module, way=way), modules))
    assert (nn.Module.__call__, nn.Module.__getattr__) == (call, attribute)
    for module, net in zip(modules, nets, strict=True):
        wanted = module.eval()(x).detach()
        torch.testing.assert_close(net.forward(x, ["fc"])["fc"], wanted, rtol=1e-4, atol=1e-6)
