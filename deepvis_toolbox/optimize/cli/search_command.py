"""The paper's random search for parameters: `python -m deepvis_toolbox.optimize.search --units fc:9 --count 300`.

Makes pictures with random sets of parameters and a contact sheet to choose from by looking; the chosen set can be saved
as a preset of the model. Run again, it goes on with the trials that are not done.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from deepvis_toolbox.atomic_files import check_writable, write_text
from deepvis_toolbox.command_line import values
from deepvis_toolbox.command_line.flags import add_network_flags, add_talk_flags, add_unit_flags, addresses_with
from deepvis_toolbox.command_line.opened_network import opened_network
from deepvis_toolbox.command_line.parser import CommandParser, add_flag
from deepvis_toolbox.command_line.talking import begin_talking, progress_of
from deepvis_toolbox.errors import ToolboxError, os_reason_of
from deepvis_toolbox.folder_lock import FolderLock
from deepvis_toolbox.network.interface import Network
from deepvis_toolbox.opening.model_folder import has_no_model_file, model_path
from deepvis_toolbox.optimize.files.contact_sheet import Trial, contact_sheet
from deepvis_toolbox.optimize.files.output import INFO, RECORD_SUFFIX, SHOWN, Output
from deepvis_toolbox.optimize.files.picture_files import StoreFiles
from deepvis_toolbox.optimize.files.preset_writing import save_preset
from deepvis_toolbox.optimize.files.record import read_record
from deepvis_toolbox.optimize.method.ascent_settings import settings_from
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.method.search_space import STEPS, sampled
from deepvis_toolbox.optimize.method.targets import checked_target
from deepvis_toolbox.optimize.production import Summary, make_pictures, pictures_to_make, store_files
from deepvis_toolbox.program_names import command_line
from deepvis_toolbox.progress import Progress
from deepvis_toolbox.unit_images.file_names import file_name_of
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.network import DEFAULT_MODEL
from deepvis_toolbox.words.unit import parse_units

SHEET = "contact_sheet.html"


def main(arguments: Sequence[str] | None = None) -> int:
    """Search, or save a row as a preset. -> exit status."""
    given = parser().parse_args(arguments)
    begin_talking(given)
    if given.save_preset is not None:
        return _save(given)
    if not (given.units or given.layers):
        raise ToolboxError("name the units to make pictures of, such as --units fc:9 fc:366")
    with opened_network(given) as net:
        folder = Path(given.out or Path("search") / file_name_of(net.name))
        check_writable(folder)
        addresses = addresses_with(given, net.layers.matching(given.layers or ()))
        units = [unit for address in addresses for unit in parse_units(address, net.layers, net.class_names)]
        pictures = [AscentTask(checked_target(unit, net), 0) for unit in dict.fromkeys(units)]
        trials, summary = [], Summary()
        with (
            FolderLock(folder) as lock,
            progress_of(given, given.count * len(pictures), "search", "picture") as progress,
        ):
            for number in range(given.count):
                trials.append(_trial(net, pictures, given, number, folder, lock, summary, progress))
                _write_sheet(folder, net, given, trials)
            lock.check()
    print(f"{summary.made} pictures made, {summary.skipped} were there already")
    print(folder / SHEET)
    return 0


def _trial(
    net: Network,
    pictures: Sequence[AscentTask],
    given: argparse.Namespace,
    number: int,
    folder: Path,
    lock: FolderLock,
    summary: Summary,
    progress: Progress,
) -> Trial:
    """Make one trial's pictures, unless they are there."""
    parameters = sampled(given.seed, number, given.max_iter)
    settings = settings_from(parameters, f"trial {number}")
    files = store_files(net, UnitImageStore(folder), ".jpg", f"trial{number:04d}")
    output = Output(files, failed_too=True, how_to_overwrite="", lock=lock)
    targets = [picture.target for picture in pictures]
    wanted = pictures_to_make(net, targets, [0], settings, output, summary)
    progress.advance(len(pictures) - len(wanted))
    if summary.problems:
        raise ToolboxError(f"{summary.problems[0]}; or choose another folder with --out")
    made = make_pictures(net, wanted, settings, output, Summary(), progress)
    if made.made < len(wanted):
        raise ToolboxError(made.problems[0])
    summary.made += made.made
    return Trial(number, parameters, tuple(_shown(files, picture) for picture in pictures))


def _shown(files: StoreFiles, picture: AscentTask) -> tuple[str, float, bytes]:
    record = read_record(files.path(picture, INFO, RECORD_SUFFIX)) or {}
    path = files.path(picture, SHOWN, files.suffix)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ToolboxError(f'cannot read "{path}": {os_reason_of(error)}; run it again') from None
    objective = record.get("best_objective")
    return str(picture.target), float("nan") if objective is None else float(objective), data


def _write_sheet(folder: Path, net: Network, given: argparse.Namespace, trials: Sequence[Trial]) -> None:
    model = "" if given.model == DEFAULT_MODEL else f" --model {given.model}"
    command = (
        f"{command_line('search')}{model} --seed {given.seed} --max-iter {given.max_iter} "
        "--trial NUMBER --save-preset NAME"
    )
    write_text(folder / SHEET, contact_sheet(f"{net.name}: {len(trials)} random sets of parameters", command, trials))


def _save(given: argparse.Namespace) -> int:
    if given.trial is None:
        raise ToolboxError("--save-preset needs --trial, the number of the row in the contact sheet")
    if given.prototxt:
        raise ToolboxError("a preset is kept in a model.yaml; write one with --save-model, and name it by --model")
    if has_no_model_file(given.model):
        raise ToolboxError(f"{given.model} has no model.yaml to keep a preset in; write one for it first")
    path = model_path(given.model)
    save_preset(path, given.save_preset, sampled(given.seed, given.trial, given.max_iter))
    print(f'preset "{given.save_preset}" saved in {path}')
    return 0


def parser() -> CommandParser:
    """Return the command's flags."""
    parser = CommandParser(
        "search",
        "The paper's random search for parameters: pictures with random sets of them, to choose from by looking.",
        [
            ("--units fc:9 fc:366 --count 300", ""),
            ("--trial 17 --save-preset mine", "keeps a row of the contact sheet"),
        ],
        "Run again, it goes on with the trials that are not done.",
    )
    add_network_flags(parser)
    add_unit_flags(parser, "name some, to judge by their pictures")
    group = parser.group("method")
    add_flag(group, "--count", aliases=["--trials"], reader=values.positive, default=300, metavar="N",
             help="how many random sets (default: 300)")  # fmt: skip
    add_flag(
        group, "--seed", reader=values.whole_number, default=0, metavar="N", help="of the random sets (default: 0)"
    )
    add_flag(group, "--max-iter", reader=values.positive, default=STEPS, metavar="N",
             help=f"steps of a trial (default: {STEPS})")  # fmt: skip
    results = parser.group("results out")
    add_flag(results, "--out", aliases=["--output"], metavar="DIR",
             help="where the trials are kept (default: search/MODEL)")  # fmt: skip
    add_flag(results, "--trial", reader=values.whole_number, metavar="N", help="with --save-preset: the row to save")
    results.add_argument(
        "--save-preset", metavar="NAME", help="save a row as a preset of the model, and do nothing else"
    )
    add_talk_flags(parser)
    return parser
