"""Speed of preferred images: against the bare network, and against the plain way, one picture at a time.

    python benchmarks/optimize.py [--quick] [--threads 1]

Every ratio is a median over pairs measured in turn in this one run, so that a busy machine hurts both sides alike.
"""

from __future__ import annotations

import argparse
import copy
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import fx, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from deepvis_toolbox import AscentSettings, Unit, load_network, preferred_images, tune_process
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.full_precision import full_precision
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace
from deepvis_toolbox.optimize.files.presets import PAPER_PRESETS
from deepvis_toolbox.optimize.method.batch_size import automatic_batch_size, bytes_per_picture, free_bytes
from deepvis_toolbox.optimize.method.regularizers import active
from tests.optimize import plain_ascent

BATCH = {"cpu": 9, "cuda": 128}
"""Pictures at once: on a CPU the nine of a montage."""


def alexnet(classes: int = 1000) -> nn.Module:
    """AlexNet's layers, without groups, with random weights."""
    torch.manual_seed(0)
    layers: list[tuple[str, nn.Module]] = []
    widths, kernels = (3, 64, 192, 384, 256, 256), (11, 5, 3, 3, 3)
    for number, kernel in enumerate(kernels, start=1):
        stride, padding = (4, 2) if number == 1 else (1, kernel // 2)
        layers += [
            (f"conv{number}", nn.Conv2d(widths[number - 1], widths[number], kernel, stride, padding)),
            (f"relu{number}", nn.ReLU()),
        ]
        if number in (1, 2, 5):
            layers.append((f"pool{number}", nn.MaxPool2d(3, 2)))
    layers += [("flat", nn.Flatten()), ("fc6", nn.Linear(9216, 4096)), ("relu6", nn.ReLU())]
    layers += [("fc7", nn.Linear(4096, 4096)), ("relu7", nn.ReLU()), ("fc8", nn.Linear(4096, classes))]
    module = nn.Sequential()
    for name, layer in layers:
        module.add_module(name, layer)
    return module


def networks(device: torch.device) -> list[TorchNetwork]:
    """The default network, and AlexNet with random weights."""
    preprocessing = Preprocessing((224, 224), mean=120.0, std=60.0)
    graph = trace(alexnet(), preprocessing.input_shape)
    description = ModelDescription(name="alexnet (random weights)", preprocessing=preprocessing)
    default = load_network(device=str(device))
    assert isinstance(default, TorchNetwork)
    return [default, TorchNetwork(graph, description, device)]


def batch_of(net: TorchNetwork) -> int:
    """Pictures at once on the network's device."""
    return BATCH[net.device.type]


def seconds(work: Callable[[], object]) -> float:
    """How long `work` takes."""
    began = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began


def in_turn(first: Callable[[], object], second: Callable[[], object], pairs: int) -> tuple[float, float, float]:
    """Median seconds of both, and the median of first / second, measured in turn."""
    first(), second()
    times = [(seconds(first), seconds(second)) for _ in range(pairs)]
    ones, others = zip(*times, strict=True)
    return statistics.median(ones), statistics.median(others), statistics.median(a / b for a, b in times)


def bare_steps(net: TorchNetwork, layer: str, steps: int) -> Callable[[], None]:
    """`steps` forward and backward passes of a batch, and nothing else."""
    x = torch.randn(batch_of(net), *net.input_shape).to(net.device, memory_format=torch.channels_last)
    module = net.graph_module if layer == list(net.layers)[-1] else None

    def work() -> None:
        for _ in range(steps):
            leaf = x.detach().requires_grad_()
            if module is not None:
                with full_precision(net.device):
                    torch.autograd.grad(module(leaf)[:, 9].sum(), leaf)
            else:
                net.ascent_pass(layer, None)(x, torch.full((len(x),), 9))

    return work


def our_steps(net: TorchNetwork, unit: Unit, settings: AscentSettings, pictures: int) -> Callable[[], None]:
    """A batch's ascent of `settings.max_iter` steps."""
    return lambda: preferred_images(net, [unit], range(pictures), settings, batch_size=pictures) and None


def plain_network(net: TorchNetwork, layer: str) -> nn.Module:
    """The network as far as the layer (below its rectifier): PyTorch's own modules in its own memory format."""
    top = net.nodes_of(layer).below
    graph, copies = fx.Graph(), {}
    for node in net.graph_module.graph.nodes:
        copies[node] = graph.node_copy(node, copies.__getitem__)
        if node is top:
            graph.output(copies[node])
            break
    return fx.GraphModule(copy.deepcopy(net.graph_module), graph).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload,no-any-return]


def plain_steps(net: TorchNetwork, unit: Unit, settings: AscentSettings) -> Callable[[], None]:
    """One picture, the full image, the network up to the unit by PyTorch's autograd, NumPy and SciPy."""
    layer = net.layers[unit.layer]
    at = (0, unit.channel, *(unit.place or layer.centre or ()))
    gain = net.preprocessing.gain.reshape(-1, 1, 1)
    mean = net.preprocessing.mean_map
    module = plain_network(net, layer.name)

    def look(x: np.ndarray) -> tuple[float, np.ndarray]:
        leaf = torch.from_numpy(np.float32(x * gain))[None].to(net.device).requires_grad_()
        value = module(leaf)[at]
        gradient = torch.autograd.grad(value, leaf)[0][0].cpu().numpy() * gain
        return value.item(), gradient + 1e-12  # the plain step divides by its square, and a unit may fall silent

    def work() -> None:
        x = np.random.RandomState(0).normal(0, 10, net.input_shape)
        for step in range(settings.max_iter):
            x = plain_ascent.next_image(x, look, step, settings, mean)

    return work


def with_steps(preset: str, steps: int) -> AscentSettings:
    """A preset of the paper, shorter."""
    return AscentSettings(**{**PAPER_PRESETS[preset], "max_iter": steps})


def against_the_bare_network(net: TorchNetwork, pairs: int) -> None:
    """The class units: picture-steps a second as a share of bare forward and backward passes."""
    layer = net.label_layers[0] if net.label_layers else list(net.layers)[-1]
    steps, batch = 8 if net.device.type == "cpu" else 24, batch_of(net)
    print(f"\n{net.name}: class units ({layer}), batches of {batch}, picture-steps per second")
    print("| preset | bare forward+backward | preferred images | share |\n|---|---|---|---|")
    for preset in ("paper3", "paper1", "paper4"):
        ours = our_steps(net, Unit(layer, 9), with_steps(preset, steps), batch)
        bare_time, our_time, share = in_turn(bare_steps(net, layer, steps), ours, pairs)
        rate = batch * steps
        print(f"| {preset} | {rate / bare_time:.1f} | {rate / our_time:.1f} | {share:.2f} |", flush=True)


def against_the_plain_way(net: TorchNetwork, layers: Sequence[str], pairs: int) -> None:
    """Every layer: how many times faster than one picture at a time, and where the time goes."""
    batch = batch_of(net)
    print(f"\n{net.name}: preset paper1, seconds for a picture-step, per layer")
    print("| layer | plain way | preferred images | times faster | regularizers' share |\n|---|---|---|---|---|")
    for name in layers:
        unit = climbing_unit(net, name, with_steps("paper1", 40))
        settings = with_steps("paper1", steps_for(net, unit))
        plain, ours = plain_steps(net, unit, settings), our_steps(net, unit, settings, batch)
        plain_time, our_time, ratio = in_turn(plain, ours, pairs)
        share = regularizer_seconds(net, settings) / (our_time / settings.max_iter)
        print(
            f"| {name} | {plain_time / settings.max_iter:.5f} | {our_time / settings.max_iter / batch:.5f} "
            f"| {ratio * batch:.1f} | {share:.0%} |",
            flush=True,
        )


def steps_for(net: TorchNetwork, unit: Unit) -> int:
    """About two seconds' worth, so that drawing the start images does not decide; 40 to the preset's own 500."""
    ours = our_steps(net, unit, with_steps("paper1", 20), batch_of(net))
    ours()
    return max(40, min(500, int(2 / seconds(ours) * 20)))


def climbing_unit(net: TorchNetwork, layer: str, settings: AscentSettings) -> Unit:
    """The layer's first unit of which all pictures climb to the end: on a zero gradient an ascent ends at once."""
    for channel in range(net.layers[layer].channels):
        batch = batch_of(net)
        results = preferred_images(net, [Unit(layer, channel)], range(batch), settings, batch_size=batch)
        if all(result.outcome != "zero gradient" for result in results):
            return Unit(layer, channel)
    raise SystemExit(f"no unit of {layer} has a gradient on noise")


def regularizer_seconds(net: TorchNetwork, settings: AscentSettings) -> float:
    """What the regularizers of a batch take in a step, on average over the blur's interval."""
    x = torch.randn(batch_of(net), *net.input_shape, device=net.device) * 50
    gradient = torch.randn_like(x)

    def work() -> None:
        for step in range(4):
            for regularizer in active(settings.regularizers):
                regularizer.apply(x.clone(), gradient, step)

    work()
    return statistics.median(seconds(work) for _ in range(5)) / 4


def peak_bytes(net: TorchNetwork) -> int:
    """The most memory that was in use so far: the GPU's, where the network is there."""
    if net.device.type == "cuda":
        return torch.cuda.max_memory_reserved()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def memory(net: TorchNetwork, layer: str) -> None:
    """What `--batch-size auto` takes of what is free."""
    free = free_bytes(net.device)
    size = automatic_batch_size(net, Unit(layer, 0))
    before = peak_bytes(net)
    our_steps(net, Unit(layer, 9), with_steps("paper1", 3), size)()
    grown = max(0, peak_bytes(net) - before)
    estimate = bytes_per_picture(net, Unit(layer, 0)) * size
    print(
        f"{net.name}, {layer}: batch size {size}; {free / 2**20:.0f} MiB free, estimated {estimate / 2**20:.0f} MiB, "
        f"the peak grew by {grown / 2**20:.0f} MiB ({grown / free:.0%} of what was free)"
    )


def main() -> None:
    """Runs everything."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer layers and repetitions")
    parser.add_argument("--pairs", type=int, help="measurements of every ratio; default 7, with --quick 3")
    parser.add_argument("--begin", help="the table's first layer, where the network has it")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1), help="default 2")
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    quick = given.quick
    tune_process()
    torch.set_num_threads(given.threads)
    pairs = given.pairs or (3 if quick else 7)
    load = os.getloadavg()[0]
    print(
        f"{torch.get_num_threads()} threads, PyTorch {torch.__version__}; load of the machine at the start {load:.1f}"
    )
    print("\nmemory")
    nets = networks(torch.device(given.device))
    for net in nets:
        memory(net, net.label_layers[0])
    for net in nets:
        against_the_bare_network(net, pairs)
        layers = [layer.name for layer in net.layers.values() if layer.kind in ("conv", "linear")]
        shown = [layers[0], layers[len(layers) // 4], layers[len(layers) // 2], layers[-1]] if quick else layers
        shown = shown[shown.index(given.begin) if given.begin in shown else 0 :]
        against_the_plain_way(net, shown, pairs)


if __name__ == "__main__":
    main()
