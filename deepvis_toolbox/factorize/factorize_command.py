"""Command: finds directions in a layer's activations over a data set, and writes them for `--add-layer`."""

from __future__ import annotations

import argparse
import re
import shlex
import sys
import warnings
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.ending import DONE, PROBLEMS
from deepvis_toolbox.command_line.flags import add_images_flags, add_network_flags, add_talk_flags
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.command_line.talking import begin_talking, note, print_json, progress_of
from deepvis_toolbox.errors import ToolboxError, user_path

if TYPE_CHECKING:
    from deepvis_toolbox.factorize.activation_sample import ActivationSample
    from deepvis_toolbox.factorize.methods import Factorization

METHODS = ("nmf", "topk-sae", "pca")
MOST_COMPONENTS = 1 << 16
LARGEST_SEED = (1 << 32) - 1


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "deepvis-factorize",
        "Finds directions in a layer's activations over a data set (parts, a sparse dictionary, principal axes), which "
        "--add-layer shows as units of a layer of their own.",
        [
            ("--layer block5.expand --images photos/ --components 24 --out parts.npz", ""),
            ("--layer block5.add --images photos/ --method topk-sae --components 512 --out sae.npz", ""),
        ],
        "The same seed gives the same file.",
    )
    add_network_flags(parser)
    parser.group("units").add_argument("--layer", required=True, metavar="LAYER", help="whose activations")
    add_images_flags(parser)
    _add_method(parser)
    results = parser.group("results out")
    results.add_argument("--out", required=True, metavar="FILE", help="the file that is written (.npz)")
    add_talk_flags(parser, json="what was found")
    return parser


def _add_method(parser: CommandParser) -> None:
    group = parser.group("method")
    group.add_argument("--method", choices=METHODS, default="nmf", help="(default: nmf)")
    add_flag(group, "--components", reader=partial(values.whole_number, least=1), default=32, metavar="K",
             help="directions (default: 32)")  # fmt: skip
    add_flag(group, "--active", reader=values.positive, metavar="N",
             help="topk-sae: units that are left at a place (default: a quarter of them, at most 16)")  # fmt: skip
    add_flag(group, "--samples", reader=values.positive, default=50_000, metavar="N",
             help="activations that are looked at, at most (default: 50000)")  # fmt: skip
    add_flag(group, "--steps", reader=values.positive, metavar="N",
             help="of fitting, at most (default: topk-sae 2000, nmf 300)")  # fmt: skip
    add_flag(
        group,
        "--seed",
        reader=partial(values.whole_number, most=LARGEST_SEED),
        default=0,
        metavar="N",
        help="(default: 0)",
    )
    add_flag(group, "--batch-size", reader=values.positive, default=12, metavar="N", help="pictures (default: 12)")
    add_flag(group, "--workers", reader=values.whole_number, metavar="N",
             help="decoding processes (default: half of the cores)")  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Factorize as the arguments say."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    _check(given)
    from deepvis_toolbox.factorize.methods import METHODS as FITTING
    from deepvis_toolbox.factorize.methods import Question, check_installed, measured, steps_of
    from deepvis_toolbox.opening.added_layer_file import write_added_layer

    check_installed(given.method)
    layer, sample = _sampled(given)
    asked = Question(given.components, given.seed, given.steps, given.active)
    fitting = progress_of(given, steps_of(given.method, asked), "fitting", "steps")
    with fitting as progress, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = FITTING[given.method](sample.fitted, asked, progress)
    for sentence in _unfinished(caught):
        note(sentence)
    out = user_path(given.out)
    name = re.sub(r"[^\w-]+", "_", out.stem)[:64]
    write_added_layer(out, found.added_layer(layer, name), {"decoder": found.decoder, "mean": found.mean})
    explained, dead = measured(found, sample.held_out).explained, measured(found, sample.fitted).dead
    _report(given, f"{layer}/{name}", sample, found, explained, dead)
    return PROBLEMS if sample.skipped else DONE


def _check(given: argparse.Namespace) -> None:
    """Refuse, before anything takes time, what would fail behind it."""
    from deepvis_toolbox.atomic_files import check_writable

    if given.images is None:
        raise ToolboxError("--images is missing: name the pictures to look at")
    if given.components > MOST_COMPONENTS:
        raise ToolboxError(f"--components {given.components} is more than {MOST_COMPONENTS}")
    if given.active is not None and given.method != "topk-sae":
        raise ToolboxError(f"--active is of --method topk-sae; {given.method} leaves all units")
    out = user_path(given.out)
    if out.suffix.lower() != ".npz":
        raise ToolboxError(f'--out is "{given.out}"; the file that is written ends in .npz')
    if out.is_dir():
        raise ToolboxError(f'--out is "{given.out}", which is a folder; name a file')
    check_writable(out.parent)


def _sampled(given: argparse.Namespace) -> tuple[str, ActivationSample]:
    """Return the layer's listed name, and what it gave."""
    from deepvis_toolbox.factorize.activation_sample import sample_activations
    from deepvis_toolbox.scan.pictures.given_pictures import given_pictures
    from deepvis_toolbox.scan.scanning import default_workers

    pictures = given_pictures(given)
    with opened_network(given) as net:
        layer = net.layers[net.layers.canonical(given.layer)]
        if len(layer.shape) > 3:
            raise ToolboxError(f'layer "{layer.name}" has neither places nor tokens; choose another one')
        workers = default_workers(pictures) if given.workers is None else given.workers
        with progress_of(given, min(len(pictures), given.samples), "sampling", "pictures") as progress:
            how = (given.samples, given.seed, given.batch_size, workers)
            return layer.name, sample_activations(net, layer, pictures, *how, progress)


def _unfinished(caught: Sequence[warnings.WarningMessage]) -> list[str]:
    """Return what a user should know of the fitting."""
    if any(type(each.message).__name__ == "ConvergenceWarning" for each in caught):
        return ["nmf was still getting better when its steps ended; more --steps go on"]
    return []


def _report(
    given: argparse.Namespace, layer: str, sample: ActivationSample, found: Factorization, explained: float, dead: Any
) -> None:
    counts = {"pictures": sample.pictures, "samples": len(sample.fitted), "components": len(found.directions)}
    if given.json:
        more = {"explained": explained, "dead": dead, "skipped": sample.skipped}
        print_json({"file": given.out, "layer": layer, "encoder": found.encoder, **counts, **more})
        return
    for name, reason in sample.skipped.items():
        print(f"skipped: {name}: {reason}", file=sys.stderr)
    held = "of the pictures held out" if sample.held_out is not sample.fitted else "of the same samples"
    print(
        f"{layer}: {len(found.directions)} units from {len(sample.fitted)} samples of {sample.pictures} pictures; "
        f"they explain {100 * explained:.1f} % of the variance {held}; {len(dead)} dead"
    )
    print(f"{given.out}\nto see it: {_command(given)}")


def _command(given: argparse.Namespace) -> str:
    from deepvis_toolbox.command_line.opened_network import written_flags
    from deepvis_toolbox.program_names import command_words

    flags = [word for pair in (("--model", given.model), *written_flags(given)) for word in pair]
    return shlex.join([*command_words("deepvis"), *flags, "--add-layer", str(given.out)])
