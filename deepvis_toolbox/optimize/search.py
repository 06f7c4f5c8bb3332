"""The paper's random search for parameters: `python -m deepvis_toolbox.optimize.search --units fc:9 --trials 300`.

Makes pictures with random sets of parameters and a contact sheet to choose from by looking; the chosen set can be saved
as a preset of the model. Run again, it goes on with the trials that are not done.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deepvis_toolbox.atomic_files import check_writable, write_text
from deepvis_toolbox.command_line.ending import run_command
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.opening.loading import DEFAULT_MODEL, load_network
from deepvis_toolbox.opening.model_folder import is_factory, model_path
from deepvis_toolbox.optimize.files.contact_sheet import Trial, contact_sheet
from deepvis_toolbox.optimize.files.output import RECORD_SUFFIX, SHOWN, Output
from deepvis_toolbox.optimize.files.picture_files import StoreFiles
from deepvis_toolbox.optimize.files.preset_writing import save_preset
from deepvis_toolbox.optimize.files.record import read_record
from deepvis_toolbox.optimize.method.ascent_settings import settings_from
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.method.search_space import STEPS, sampled
from deepvis_toolbox.optimize.method.targets import checked_target
from deepvis_toolbox.optimize.production import Summary, make_pictures, pictures_to_make, store_files
from deepvis_toolbox.progress import Progress, show_progress
from deepvis_toolbox.unit_images.file_names import file_name_of
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import parse_units

SHEET = "contact_sheet.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Searches, or saves a row as a preset. -> exit status."""
    given = _parser().parse_args(arguments)
    if given.save_preset is not None:
        return _save(given)
    if given.trials < 1 or given.seed < 0:
        raise ToolboxError("--trials must be at least 1, and --seed not negative")
    if not given.units:
        raise ToolboxError("name the units to make pictures of, such as --units fc:9 fc:366")
    with load_network(given.model, device=given.device) as net:
        folder = Path(given.output or Path("search") / file_name_of(net.name))
        check_writable(folder)
        units = [unit for address in given.units for unit in parse_units(address, net.layers)]
        pictures = [AscentTask(checked_target(unit, net), 0) for unit in dict.fromkeys(units)]
        trials, summary = [], Summary()
        with show_progress(given.trials * len(pictures), "search", "picture") as progress:
            for number in range(given.trials):
                trials.append(_trial(net, pictures, given, number, folder, summary, progress))
                _write_sheet(folder, net, given, trials)
    print(f"{summary.made} pictures made, {summary.skipped} were there already")
    print(folder / SHEET)
    return 0


def _trial(
    net: Network,
    pictures: Sequence[AscentTask],
    given: argparse.Namespace,
    number: int,
    folder: Path,
    summary: Summary,
    progress: Progress,
) -> Trial:
    """Makes one trial's pictures, unless they are there."""
    parameters = sampled(given.seed, number, given.max_iter)
    settings = settings_from(parameters, f"trial {number}")
    files = store_files(net, UnitImageStore(folder), ".jpg", f"trial{number:04d}")
    output = Output(files, how_to_overwrite="")
    targets = [picture.target for picture in pictures]
    wanted = pictures_to_make(net, targets, [0], settings, output, summary)
    progress.advance(len(pictures) - len(wanted))
    if summary.problems:
        raise ToolboxError(f"{summary.problems[0]}; or choose another folder with --output")
    make_pictures(net, wanted, settings, output, Summary(), progress)
    summary.made += len(wanted)
    return Trial(number, parameters, tuple(_shown(files, picture) for picture in pictures))


def _shown(files: StoreFiles, picture: AscentTask) -> tuple[str, float, bytes]:
    record = read_record(files.path(picture, "info", RECORD_SUFFIX)) or {}
    data = files.path(picture, SHOWN, files.suffix).read_bytes()
    objective = record.get("best_objective")
    return str(picture.target), float("nan") if objective is None else float(objective), data


def _write_sheet(folder: Path, net: Network, given: argparse.Namespace, trials: Sequence[Trial]) -> None:
    model = "" if given.model == DEFAULT_MODEL else f" --model {given.model}"
    command = (
        f"python -m deepvis_toolbox.optimize.search{model} --seed {given.seed} --max-iter {given.max_iter} "
        "--trial NUMBER --save-preset NAME"
    )
    write_text(folder / SHEET, contact_sheet(f"{net.name}: {len(trials)} random sets of parameters", command, trials))


def _save(given: argparse.Namespace) -> int:
    if given.trial is None or given.trial < 0:
        raise ToolboxError("--save-preset needs --trial, the number of the row in the contact sheet")
    if is_factory(given.model):
        raise ToolboxError(f"{given.model} has no model.yaml to keep a preset in; write one for it first")
    path = model_path(given.model)
    save_preset(path, given.save_preset, sampled(given.seed, given.trial, given.max_iter))
    print(f'preset "{given.save_preset}" saved in {path}')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m deepvis_toolbox.optimize.search",
        description=(__doc__ or "").splitlines()[0],
        allow_abbrev=False,
    )
    parser.add_argument(
        "--units", nargs="+", default=[], metavar="ADDRESS", help="whose pictures to judge by: fc:9 fc:366"
    )
    parser.add_argument("--trials", type=int, default=300, metavar="N", help="how many random sets (default 300)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the random sets (default 0)")
    parser.add_argument("--max-iter", type=int, default=STEPS, metavar="N", help=f"steps of a trial (default {STEPS})")
    parser.add_argument("--model", default=DEFAULT_MODEL, metavar="NAME", help=f"the network (default {DEFAULT_MODEL})")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, … (default auto)")
    parser.add_argument("--output", metavar="FOLDER", help="where the trials are kept (default search/<network>)")
    parser.add_argument("--trial", type=int, metavar="N", help="with --save-preset: the row to save")
    parser.add_argument(
        "--save-preset", metavar="NAME", help="save a row as a preset of the model, and do nothing else"
    )
    return parser


if __name__ == "__main__":
    sys.exit(run_command(main))
