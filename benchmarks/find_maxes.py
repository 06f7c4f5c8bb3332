"""How fast a scan is beside the bare forward pass of the same network, and beside a plain version; in one run.

    python benchmarks/find_maxes.py --images ../shared/images

All work on the same decoded tensors, a few batches each in turn, so that a busy machine slows all of them alike. The
ratios are of pictures per second: scan over the bare network (PyTorch's own modules, in channels-last memory, which is
their fastest, and in their fastest batch size), scan over this program's own forward pass (which folds and overwrites,
and is faster than the modules), scan over the plain version.

A scan is slowest at its beginning, when nearly every picture enters the top of some units. Data sets are long, so where
`--pictures` are more than the folder has, their mirror images follow, then ever smaller middles of them, enlarged, each
with its mirror image.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
import torch.nn.functional as F

from deepvis_toolbox import load_network, tune_process
from deepvis_toolbox.network.full_precision import full_precision
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.scan.batch_scanner import BatchScanner
from deepvis_toolbox.scan.numbers.calibration import calibrate
from deepvis_toolbox.scan.numbers.held_out import held_out_pictures
from deepvis_toolbox.scan.numbers.unit_index import UnitIndex, chosen_layers
from deepvis_toolbox.scan.pictures.picture_batches import PictureBatch, PictureBatches
from deepvis_toolbox.scan.pictures.picture_list import list_pictures
from deepvis_toolbox.scan.scan_settings import ScanSettings, default_batch_size
from deepvis_toolbox.scan.scanning import statistics_device
from deepvis_toolbox.scan.tally import Tally

MOST_VERSIONS = 16
MIDDLES = 28
"""The n-th middle leaves out n of so many parts of the side at either end."""
Take = Callable[[PictureBatch], None]


def scanner(
    net: Network,
    layers: list[str] | None,
    first: PictureBatch,
    count: int,
    statistics: bool = False,
    is_labelled: bool = False,
) -> BatchScanner:
    """A scanner at the beginning of a scan of `count` pictures, which holds some of them out where they have labels."""
    index = UnitIndex.of(net.layers[name] for name in chosen_layers(net.layers, layers))
    labels = np.zeros(count if is_labelled else 0, np.int64)
    settings = ScanSettings(index, statistics=statistics, batch_size=len(first.inputs)).holding_out(labels, None)
    calibration = calibrate(net, index, first.inputs[torch.from_numpy(first.readable)])
    held_out = held_out_pictures(labels, settings.held_out or 0)
    return BatchScanner(net, Tally(settings, calibration, count, statistics_device(net), held_out))


def more_pictures(batches: list[PictureBatch], count: int) -> list[PictureBatch]:
    """`count` batches: the given ones and their mirror images, then ever smaller middles with theirs."""
    made = list(batches)
    for number in range(len(batches), count):
        version, source = divmod(number, len(batches))
        inputs = batches[source].inputs
        if version >= 2:
            margin = inputs.shape[2] * (version // 2) // MIDDLES
            middle = inputs[:, :, margin:-margin, margin:-margin]
            inputs = F.interpolate(middle, inputs.shape[2:], mode="bilinear").contiguous()
        if version % 2:
            inputs = inputs.flip(3)
        first = number * len(inputs)
        made.append(replace(batches[source], number=number, first=first, inputs=inputs))
    return made


def one_layer_a_block(net: Network) -> list[str]:
    """The last layer of each block, by the part of the name before the first dot."""
    last = {name.partition(".")[0]: name for name in list(net.layers)[1:]}
    return list(last.values())


def plain(net: Network, layers: list[str]) -> Take:
    """One picture at a time, a Python loop over the channels, lists of the best nine: as the original does."""
    best: dict[tuple[str, int], list[tuple[float, int, int]]] = {}

    def take(batch: PictureBatch) -> None:
        for offset in range(len(batch.inputs)):
            values = net.forward(batch.inputs[offset : offset + 1], layers)
            for name in layers:
                maps = values[name][0].cpu().numpy().reshape(net.layers[name].channels, -1)
                for channel in range(len(maps)):
                    place = int(maps[channel].argmax())
                    kept = best.setdefault((name, channel), [])
                    if len(kept) < 9 or maps[channel][place] > kept[-1][0]:
                        kept.append((float(maps[channel][place]), batch.first + offset, place))
                        kept.sort(key=lambda entry: -entry[0])
                        del kept[9:]

    return take


def bare(net: TorchNetwork) -> Callable[[torch.Tensor], object]:
    """The network as PyTorch's own modules compute it."""

    def run(inputs: torch.Tensor) -> object:
        with torch.inference_mode(), full_precision(net.device):
            return net.graph_module(inputs.to(net.device, memory_format=torch.channels_last))

    return run


def forward(net: Network) -> Callable[[torch.Tensor], object]:
    """This program's own forward pass."""
    last = next(reversed(net.layers))
    return lambda inputs: net.forward(inputs, [last])


def together(run: Callable[[torch.Tensor], object], at_once: int) -> Take:
    """Runs `at_once` pictures a call."""
    waiting: list[torch.Tensor] = []

    def take(batch: PictureBatch) -> None:
        waiting.append(batch.inputs)
        if sum(map(len, waiting)) >= at_once:
            for inputs in torch.cat(waiting).split(at_once):
                run(inputs)
            waiting.clear()

    return take


def flushing(scan: BatchScanner, last: PictureBatch) -> Take:
    """The scanner's `take`, with the statistics brought up to date at the end."""

    def take(batch: PictureBatch) -> None:
        scan.take(batch)
        if batch is last:
            scan.flush()

    return take


def finished(net: Network) -> None:
    """Waits until the device has computed what it was told to."""
    if net.device.type == "cuda":
        torch.cuda.synchronize()


def measure(net: Network, runs: dict[str, Take], batches: list[PictureBatch], in_turn: int) -> dict[str, float]:
    """Milliseconds a picture of each run, a few batches of each in turn."""
    seconds = dict.fromkeys(runs, 0.0)
    for begin in range(0, len(batches), in_turn):
        for name, take in runs.items():
            began = time.perf_counter()
            for batch in batches[begin : begin + in_turn]:
                take(batch)
            finished(net)
            seconds[name] += time.perf_counter() - began
    pictures = sum(len(batch.inputs) for batch in batches)
    return {name: 1000 * time_taken / pictures for name, time_taken in seconds.items()}


def report(measured: dict[str, float], modules: float, own: float) -> None:
    """Prints every run's milliseconds, and its rate over those of the bare network and the own forward pass."""
    print("                               ms a picture   of the bare network   of the own forward pass")
    for name, milliseconds in measured.items():
        print(f"{name:30} {milliseconds:12.2f}   {modules / milliseconds:19.2f}   {own / milliseconds:23.2f}")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="efficientnet-lite0")
    parser.add_argument("--images", required=True)
    parser.add_argument("--pictures", type=int, default=6000, help=f"at most {MOST_VERSIONS} times those in the folder")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--plain-pictures", type=int, default=24, help="so many for the plain version, which is slow")
    options = parser.parse_args()
    tune_process()
    torch.set_num_threads(options.threads)
    net = load_network(options.model, device=options.device)
    assert isinstance(net, TorchNetwork)
    pictures = list_pictures(options.images)
    batch_size = default_batch_size(net)
    with PictureBatches(pictures, net.preprocessing, batch_size) as cut:
        own = [cut.read(number) for number in range(min(options.pictures, len(pictures)) // batch_size)]
    count = min(options.pictures // batch_size, MOST_VERSIONS * len(own))
    batches = more_pictures(own, count)
    size, all_layers = count * batch_size, chosen_layers(net.layers, None)
    scanners = {
        "scan, all layers": scanner(net, None, batches[0], size),
        "scan, with labels": scanner(net, None, batches[0], size, is_labelled=True),
        "scan, with statistics": scanner(net, None, batches[0], size, statistics=True),
        "scan, one layer a block": scanner(net, one_layer_a_block(net), batches[0], size),
    }
    sizes = (4, 8, batch_size, 32) if net.device.type == "cpu" else (batch_size, 4 * batch_size)
    of_modules = {f"PyTorch's modules, {at_once} at once": together(bare(net), at_once) for at_once in sizes}
    of_forward = {f"own forward, {at_once} at once": together(forward(net), at_once) for at_once in sizes}
    of_scans = {name: flushing(scan, batches[-1]) for name, scan in scanners.items()}
    runs = of_modules | of_forward | of_scans
    measure(net, runs, batches[:8], 8)  # warm up; the tables then hold eight batches twice, which changes nothing here
    for scan in scanners.values():
        scan.tally.done.clear()
    memory_before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    measured = measure(net, runs, batches, 8)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory_before
    report(measured, min(measured[name] for name in of_modules), min(measured[name] for name in of_forward))
    some = batches[: max(1, options.plain_pictures // batch_size)]
    fresh = scanner(net, None, batches[0], size, False)
    beside = measure(net, {"plain": plain(net, all_layers), "scan": flushing(fresh, some[-1])}, some, 1)
    print(f"plain version: {beside['plain']:.2f} ms a picture; the scan beside it {beside['scan']:.2f}")
    print(f"over the plain version: {beside['plain'] / measured['scan, all layers']:.1f}×")
    print(f"peak memory grew by {grown / 1024:.0f} MiB over {size} pictures, {len(scanners)} scans at once")


if __name__ == "__main__":
    main()
