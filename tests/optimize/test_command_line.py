"""`optimize_image.py` as a user runs it: its files, going on after a stop, the original's flags, wrong input."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import pytest

from deepvis_toolbox import ToolboxError, Unit, load_network, preferred_images
from deepvis_toolbox.optimize import AscentSettings
from deepvis_toolbox.optimize.cli.optimize_command import main
from deepvis_toolbox.optimize.cli.optimize_flags import make_parser
from deepvis_toolbox.optimize.cli.target_flags import targets_of
from deepvis_toolbox.optimize.files.shown_image import centred, seen_part, with_mean
from deepvis_toolbox.optimize.method.starts import start_image
from deepvis_toolbox.unit_images.montage import legible_montage, montage3x3, scaled_to
from deepvis_toolbox.unit_images.picture_file import read_picture
from deepvis_toolbox.unit_images.store import UnitImageStore

ROOT = Path(__file__).resolve().parents[2]
NETWORK = ["--model", "tests.optimize.networks:small_classifier", "--data-size", "(24,20)", "--mean", "110"]
METHOD = ["--max-iter", "5", "--lr-params", "{'lr': 1e3}", "--decay", "0.01"]
SETTINGS = AscentSettings(max_iter=5, lr_params={"lr": 1e3}, decay=0.01)


def run(*arguments, output):
    return main([*NETWORK, *METHOD, "--output", str(output), "--quiet", *arguments])


def as_jpeg(picture):
    """The picture after it was written as the store writes it, and read."""
    _, data = cv2.imencode(".jpg", picture[..., ::-1].copy(), [cv2.IMWRITE_JPEG_QUALITY, 88])
    return np.asarray(PIL.Image.open(io.BytesIO(data.tobytes())).convert("RGB"))


def files_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def arrays_in(folder):
    found = {}
    for path in sorted(folder.rglob("[!.]*.npz")):  # a killed run may leave a temporary file, whose name has a dot
        with np.load(path) as arrays:
            found[path.name] = {name: arrays[name] for name in arrays.files}
    return found


def test_pictures_montage_and_record_lie_in_the_store_that_the_window_reads(tmp_path, capsys):
    assert run("--units", "fc:2", "--seeds", "0-8", "--arrays", output=tmp_path) == 0
    assert "9 pictures made" in capsys.readouterr().out
    folder = tmp_path / "regularized_opt" / "fc"
    kinds = ["arrays.npz", "best_X.png", "best_Xpm.png", "info.json"]
    expected = [f"fc_0002_s{seed:04d}_{kind}" for seed in range(9) for kind in kinds]
    assert sorted(path.name for path in folder.iterdir()) == sorted([*expected, "fc_0002_montage.jpg"])
    net = load_network(NETWORK[1], input_size=(24, 20), mean=110)
    (result,) = preferred_images(net, [Unit("fc", 2)], [4], SETTINGS)
    part = seen_part(net, result.unit)
    for what, draw in (("X", centred), ("Xpm", with_mean)):
        shown = read_picture(folder / f"fc_0002_s0004_best_{what}.png").astype(int)
        assert np.abs(shown - draw(result.best, part, net.preprocessing)).max() <= 1
    reached = [json.loads((folder / f"fc_0002_s{n:04d}_info.json").read_text())["best_objective"] for n in range(9)]
    surest_first = sorted(range(9), key=lambda seed: -reached[seed])
    pictures = [read_picture(folder / f"fc_0002_s{seed:04d}_best_Xpm.png") for seed in surest_first]
    montage = UnitImageStore(tmp_path).read("regularized_opt", Unit("fc", 2))
    np.testing.assert_array_equal(montage, as_jpeg(legible_montage(pictures)))
    record = json.loads((folder / "fc_0002_s0004_info.json").read_text())
    assert record["network"] == {"name": net.name, "weights_sha256": net.weights_hash}
    assert record["settings"] == SETTINGS.as_record()
    assert record["program"]["version"]
    np.testing.assert_allclose(record["traces"]["objective"], result.objective, rtol=1e-4)
    arrays = arrays_in(folder)["fc_0002_s0004_arrays.npz"]
    np.testing.assert_allclose(arrays["best"], result.best, atol=1e-2)


def test_what_was_made_of_all_units_of_a_layer_is_said_as_json(tmp_path, capsys):
    assert run("--layers", "f?", "--seeds", "1", "--json", output=tmp_path) == 0
    record = json.loads(capsys.readouterr().out)
    assert {**record, "montages": []} == {"made": 5, "were_there": 0, "problems": [], "montages": []}
    names = [f"fc_{unit:04d}_montage.jpg" for unit in range(5)]
    assert sorted(Path(path).name for path in record["montages"]) == sorted([*names, "whole_layer.jpg"])
    assert run("--units", "fc:99,fc:1", "--seeds", "1", "--json", output=tmp_path) == 2
    record = json.loads(capsys.readouterr().out)
    assert (record["made"], record["were_there"], len(record["problems"])) == (0, 1, 1)


def test_pictures_of_conv_units_are_cropped_to_what_the_unit_sees(tmp_path, capsys):
    assert run("--units", "conv:1", "conv:1@0,0", "conv:3@mean", output=tmp_path) == 0
    assert "taken at the centre, 6,5" in capsys.readouterr().err
    folder = tmp_path / "regularized_opt" / "conv"
    sizes = {path.name: read_picture(path).shape[:2] for path in folder.glob("*Xpm.png")}
    assert sizes == {
        "conv_0001_s0000_best_Xpm.png": (5, 5),
        "conv_0001_p0-0_s0000_best_Xpm.png": (3, 3),
        "conv_0003_mean_s0000_best_Xpm.png": (24, 20),
    }


def test_run_again_finished_pictures_are_kept_and_the_missing_ones_made(tmp_path, capsys):
    arguments = ("--units", "fc:all", "--seeds", "0,1", "--batch-size", "3")
    assert run(*arguments, output=tmp_path) == 0
    before = {name: (tmp_path / name).read_bytes() for name in files_in(tmp_path)}
    assert "regularized_opt/fc/whole_layer.jpg" in before
    (tmp_path / "regularized_opt/fc/fc_0003_s0001_info.json").unlink()
    (tmp_path / "regularized_opt/fc/fc_0001_s0000_info.json").write_text('{"settings": ')
    kept = [name for name in before if "s0000_best" in name and "0001" not in name]
    stamps = {name: (tmp_path / name).stat().st_mtime_ns for name in kept}
    capsys.readouterr()
    assert run(*arguments, output=tmp_path) == 0
    assert "2 pictures made, 8 were there already" in capsys.readouterr().out
    assert {name: (tmp_path / name).stat().st_mtime_ns for name in stamps} == stamps
    assert files_in(tmp_path) == sorted(before)


def test_killed_at_any_moment_and_run_again_gives_what_one_run_gives(tmp_path):
    arguments = ["--units", "fc:all", "--seeds", "0-7", "--batch-size", "2", "--arrays", "--max-iter", "80"]
    command = [sys.executable, "optimize_image.py", *NETWORK, *METHOD, *arguments, "--output", str(tmp_path / "killed")]
    process = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list((tmp_path / "killed").rglob("*.json"))) < 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert 1 <= len(list((tmp_path / "killed").rglob("*.json"))) < 40
    assert run(*arguments, output=tmp_path / "killed") == 0
    assert run(*arguments, output=tmp_path / "whole") == 0
    left_over = [name for name in files_in(tmp_path / "killed") if Path(name).name.startswith(".")]
    assert set(files_in(tmp_path / "killed")) - set(left_over) == set(files_in(tmp_path / "whole"))
    whole, killed = arrays_in(tmp_path / "whole"), arrays_in(tmp_path / "killed")
    for name, arrays in whole.items():
        np.testing.assert_allclose(killed[name]["objective"], arrays["objective"], rtol=1e-3)


def test_pictures_made_otherwise_are_not_overwritten_unless_brave(tmp_path, capsys):
    assert run("--units", "fc:0", output=tmp_path) == 0
    assert run("--units", "fc:0", "fc:1", "--tv", "0.5", output=tmp_path) == 2
    told = capsys.readouterr()
    assert "of another run (tv: 0.0 there, 0.5 now); --brave overwrites it" in told.err
    assert "1 picture made" in told.out
    assert run("--units", "fc:0", "--tv", "0.5", "--brave", output=tmp_path) == 0
    record = json.loads((tmp_path / "regularized_opt/fc/fc_0000_s0000_info.json").read_text())
    assert record["settings"]["tv"] == 0.5


def test_what_does_not_exist_is_said_and_the_rest_goes_on(tmp_path, capsys):
    assert run("--units", "fc:99", "cnv:0", "fc:1", output=tmp_path) == 2
    told = capsys.readouterr()
    assert "units 0 to 4" in told.err
    assert 'did you mean "conv"' in told.err
    assert (tmp_path / "regularized_opt/fc/fc_0001_montage.jpg").is_file()
    with pytest.raises(ToolboxError, match="units 0 to 4"):
        run("--units", "fc:99", output=tmp_path)


def test_the_originals_flags_make_the_originals_files(tmp_path, capsys):
    prefix = tmp_path / "results" / "opt"
    arguments = [
        *NETWORK, "--push-layer", "conv", "--push-channel", "2", "--push-spatial", "(6,6)", "--push-dir", "1",
        "--decay", "0.0001", "--blur-radius", "1.0", "--blur-every", "4", "--small-val-percentile", "0",
        "--small-norm-percentile", "0", "--px-benefit-percentile", "0", "--px-abs-benefit-percentile", "0",
        "--lr-policy", "progress", "--lr-params", "{'max_lr': 1e8, 'desired_prog': 2.0}", "--max-iter", "6",
        "--start-at", "mean_plus_rand", "--rand-seed", "3", "--output-prefix", str(prefix), "--brave", "--skipbig",
        "--output-template", "%(p.push_layer)s_%(p.push_channel)04d_%(p.rand_seed)d",
        "--caffe-root", "/nowhere", "--quiet",
    ]  # fmt: skip
    assert main(arguments) == 0
    assert "--caffe-root is not needed" in capsys.readouterr().err
    names = set(files_in(tmp_path / "results"))
    start = "opt_conv_0002_3_"
    assert {start + name for name in ("best_X.jpg", "best_Xpm.jpg", "info.txt", "last_X.jpg")} <= names
    text = (tmp_path / "results" / f"{start}info.txt").read_text()
    assert "push_unit: conv:2@6,6" in text
    assert "rand_seed: 3" in text
    assert not any(name.endswith((".pkl", ".npz")) for name in names)


@pytest.mark.parametrize("template", ["%(p.nothing)s", "%(p.push_layer", "%d", "%(p.rand_seed)500d"])
def test_a_wrong_output_template_is_one_sentence(template, tmp_path):
    with pytest.raises(ToolboxError, match="output template"):
        main([*NETWORK, "--units", "fc:0", "--output-prefix", str(tmp_path / "o"), "--output-template", template])


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--lr-params", "__import__('os').mkdir('evaluated')"), "--lr-params"),
        (("--units", "fc:0", "--lr-params", "{'lr': 1, 'x': 2}"), "needs the parameters lr"),
        (("--decay", "much"), "--decay"),
        (("--push-spatial", "(6,)"), "--push-spatial"),
        (("--push-channel", "dog"), "--push-channel"),
        (("--seeds", "8-0"), "backwards"),
        (("--units", "fc:0", "--seeds", "99999999999"), "seed"),
        (("--units", "fc:0", "--batch-size", "0"), "--batch-size"),
        (("--units", "fc:0", "--preset", "paper5"), 'did you mean "paper'),
        (("--units", "fc:0", "--compare", "nothing,paper1"), 'no preset "nothing"'),
        (("--units", "fc:0", "--start-at", "image:nowhere.jpg"), "no such file"),
        (("--direction", "nowhere.npy"), "need a layer"),
        (("--direction", "nowhere.npy", "--push-layer", "conv"), "no file"),
        (("--units", "fc:0", "--push-layer", "fc"), "give one of them"),
        (("--units", "fc:0", "--video", "film.gif"), "must end in .mp4"),
        (("--deploy-proto", "x.prototxt"), "belong together"),
        (("--channel-swap-to-rgb", "(1,2,3)"), "(2,1,0)"),
        (("--channel-swap-to-rgb", "([0],1,2)"), "(2,1,0)"),
        (("--units", "fc:0", "--max-iter", "1e15"), "max_iter"),
        (("--units", "fc:0", "--tv", "1e300"), "tv is"),
        (("--units", "fc:0", "--decay", "9" * 400), "decay is"),
        (("--units", "fc:0", "--decay", "9" * 5000), "--decay"),
        (("--units", "fc:0", "--lr-params", "{'lr': " + "9" * 400 + "}"), "lr of the step policy"),
        (("--units", "fc:0", "--compare", ","), "names no preset"),
        (("--units", "conv:1@99,0"), "places 0,0 to 11,9"),
    ],
)
def test_wrong_flags_are_one_sentence_and_nothing_is_evaluated(arguments, says, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ToolboxError) as error:
        run(*arguments, output=tmp_path / "store")
    assert says in str(error.value)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "evaluated").exists()


def test_a_folder_that_cannot_be_written_is_found_out_before_any_work(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ToolboxError, match="is a file, not a folder"):
        run("--units", "fc:0", output=tmp_path / "file" / "store")


def test_a_mistake_ends_the_program_with_status_2_and_one_line():
    command = [sys.executable, "optimize_image.py", "--model", "efficientnet-lite1"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1


def test_without_arguments_it_tells_what_it_would_make_and_makes_nothing(tmp_path):
    ended = subprocess.run(
        [sys.executable, ROOT / "optimize_image.py"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout, list(tmp_path.iterdir())) == (2, "", [])
    told = " ".join(ended.stderr.split())
    assert "the default unit is made, number 130 of the classes, from seed 0" in told
    for arguments, _ in make_parser().examples:
        assert f"optimize_image.py {arguments}" in told
    assert told.endswith("optimize_image.py --help lists all flags.")


def test_the_film_has_a_frame_for_every_step(tmp_path):
    assert run("--units", "fc:0-2", "--seeds", "0,1", "--video", str(tmp_path / "film.mp4"), output=tmp_path) == 0
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    frames = []
    while (read := film.read())[0]:
        frames.append(read[1])
    assert len(frames) == 5
    assert frames[0].shape == (2 * 9 * 24, 3 * 9 * 20, 3)
    assert np.abs(frames[0].astype(int) - frames[-1]).mean() > 1


def test_batches_of_other_sizes_are_shown_whole_in_the_film(tmp_path):
    film = str(tmp_path / "film.mp4")
    assert run("--units", "conv:0", "fc:0-3", "--video", film, output=tmp_path / "both") == 0
    reader, frames = cv2.VideoCapture(film), []
    while (read := reader.read())[0]:
        frames.append(read[1])
    assert len(frames) == 10
    shown = np.abs(frames[-1].astype(int) - 128).max(2) > 8
    quarters = [part for half in np.array_split(shown, 2) for part in np.array_split(half, 2, axis=1)]
    assert min(quarter.mean() for quarter in quarters) > 0.1  # all four pictures


def test_a_film_that_was_not_written_whole_is_told(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cv2.VideoWriter, "write", lambda *_: None, raising=False)

    class Deaf:
        def __init__(self, path, *_):
            Path(path).write_bytes(b"no film")

        def isOpened(self):  # noqa: N802 - OpenCV's name
            return True

        def write(self, _frame):
            pass

        def release(self):
            pass

    writer = type("W", (Deaf,), {"fourcc": lambda *_: 0})
    monkeypatch.setattr("deepvis_toolbox.drawing.recording.cv2.VideoWriter", writer)
    assert run("--units", "fc:0", "--video", str(tmp_path / "film.mp4"), output=tmp_path) == 2
    assert re.search(r"error: .*film\.mp4.*disk is full", capsys.readouterr().err)
    assert not (tmp_path / "film.mp4").exists()
    assert list(tmp_path.rglob("fc_0000_montage.jpg")), "the pictures are made all the same"


def test_pictures_of_other_inputs_directions_and_start_pictures_are_other_pictures(tmp_path):
    cv2.imwrite(str(tmp_path / "start.png"), np.full((24, 20, 3), 90, np.uint8))
    np.save(tmp_path / "mix.npy", np.array([1.0, -1, 0, 2], np.float32))
    start = ("--units", "fc:1", "--start-at", f"image:{tmp_path / 'start.png'}")
    assert run("--units", "fc:0", output=tmp_path) == 0
    assert run(*start, output=tmp_path) == 0
    for mean in ("110", "100"):
        again = ["--units", "fc:0", "--mean", mean]
        assert run(*again, output=tmp_path) == (0 if mean == "110" else 2)
    cv2.imwrite(str(tmp_path / "start.png"), np.full((24, 20, 3), 160, np.uint8))
    assert run(*start, output=tmp_path) == 2
    for place in ("(0,0)", "(2,3)"):
        mix = ("--direction", str(tmp_path / "mix.npy"), "--push-layer", "conv", "--push-spatial", place)
        assert run(*mix, output=tmp_path) == 0
    names = files_in(tmp_path)
    assert all(f"regularized_opt/conv/conv_mix_{place}_s0000_best_X.png" in names for place in ("p0-0", "p2-3"))
    mix = ("--direction", str(tmp_path / "mix.npy"), "--push-layer", "conv", "--push-spatial", "(99,0)")
    with pytest.raises(ToolboxError, match="places 0,0 to"):
        run(*mix, output=tmp_path)


def test_two_pictures_of_one_name_are_refused_before_any_work(tmp_path):
    with pytest.raises(ToolboxError, match=r"conv:1@0,0, seed 0 and conv:1@5,5, seed 0 would both be written"):
        main([*NETWORK, "--units", "conv:1@0,0", "conv:1@5,5", "--output-prefix", str(tmp_path / "o"), "--quiet"])
    assert not files_in(tmp_path)


def test_a_file_that_cannot_be_written_costs_only_its_own_picture(tmp_path, capsys):
    (tmp_path / "regularized_opt").mkdir()
    (tmp_path / "regularized_opt" / "conv").write_text("in the way")
    assert run("--units", "fc:0", "conv:1", "fc:2", output=tmp_path) == 2
    told = capsys.readouterr()
    assert "2 pictures made" in told.out
    assert "is a file, not a folder" in told.err
    assert (tmp_path / "regularized_opt/fc/fc_0002_montage.jpg").is_file()


def test_compared_runs_are_not_what_the_window_shows_of_a_unit(tmp_path):
    np.save(tmp_path / "mix.npy", np.array([1.0, -1, 0, 2], np.float32))
    compare = [*NETWORK, "--compare", "paper1,paper2", "--max-iter", "3", "--quiet", "--output", str(tmp_path)]
    assert main([*compare, "--units", "fc:1"]) == 0
    assert main([*compare, "--direction", str(tmp_path / "mix.npy"), "--push-layer", "conv"]) == 0
    assert (tmp_path / "regularized_opt/conv/conv_mix_compare.jpg").is_file()
    store = UnitImageStore(tmp_path)
    assert store.read("regularized_opt", Unit("fc", 1)) is None
    assert store.units("regularized_opt", "fc") == []
    assert run("--units", "fc:1", output=tmp_path) == 0
    assert store.read_best("regularized_opt", Unit("fc", 1)).shape == (96, 80, 3)


def test_compare_puts_the_papers_presets_in_one_picture_two_above_two_below(tmp_path):
    names = "paper1,paper2,paper3,paper4"
    arguments = ["--units", "fc:1", "--seeds", "0-8", "--compare", names, "--max-iter", "5", "--quiet"]
    assert main([*NETWORK, *arguments, "--output", str(tmp_path)]) == 0
    folder = tmp_path / "regularized_opt" / "fc"
    picture = read_picture(folder / "fc_0001_compare.jpg")
    panel = (3 * 24 + 2) * 3 + 22 + 2 * 16, (3 * 20 + 2) * 3
    assert picture.shape == (2 * panel[0] + 24, 2 * panel[1] + 24, 3)
    singles = [read_picture(folder / f"fc_0001_compare-paper4_s{seed:04d}_best_Xpm.png") for seed in range(9)]
    montage = montage3x3(singles)
    expected = scaled_to(montage, montage.shape[0] * 3, montage.shape[1] * 3)
    shown = picture[-8 - expected.shape[0] : -8, -8 - expected.shape[1] : -8]
    assert np.corrcoef(shown.ravel(), expected.ravel())[0, 1] > 0.9


def test_other_objectives_from_the_command_line(tmp_path):
    np.save(tmp_path / "mix.npy", np.array([1.0, -1, 0, 2], np.float32))
    (tmp_path / "mix.txt").write_text("1 -1 0 2\n")
    cv2.imwrite(str(tmp_path / "photo.png"), np.random.default_rng(0).integers(0, 256, (30, 30, 3), dtype=np.uint8))
    for name in ("mix.npy", "mix.txt"):
        assert run("--direction", str(tmp_path / name), "--push-layer", "conv", "--brave", output=tmp_path / "o") == 0
    assert run("--like", str(tmp_path / "photo.png"), "--push-layer", "relu", output=tmp_path / "o") == 0
    names = files_in(tmp_path / "o")
    assert "regularized_opt/conv/conv_mix_s0000_best_Xpm.png" in names
    assert "regularized_opt/relu/relu_like-photo_s0000_best_Xpm.png" in names


def test_a_picture_to_match_has_its_name_where_units_have_a_number(tmp_path):
    cv2.imwrite(str(tmp_path / "photo.png"), np.full((20, 24, 3), 90, np.uint8))
    arguments = [*NETWORK, "--like", str(tmp_path / "photo.png"), "--push-layer", "relu", "--max-iter", "2", "--brave"]
    assert main([*arguments, "--output-prefix", str(tmp_path / "o"), "--quiet"]) == 0
    assert (tmp_path / "o_relu_photo_0_best_Xpm.jpg").is_file()


def test_names_that_are_no_text_name_pictures_to_match_directions_and_starts(tmp_path):
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    folder.mkdir()
    photo, mix = folder / os.fsdecode(b"\xff\xe9.png"), folder / os.fsdecode(b"m\xefx.npy")
    photo.write_bytes(cv2.imencode(".png", np.full((20, 24, 3), 90, np.uint8))[1].tobytes())
    mix.write_bytes(npy([1.0, -1, 0, 2]))
    for arguments in (
        ("--like", str(photo), "--push-layer", "relu"),
        ("--direction", str(mix), "--push-layer", "conv"),
        ("--units", "fc:0", "--start-at", f"image:{photo}"),
    ):
        for _ in range(2):  # made, then found there
            assert run(*arguments, "--brave", output=folder / "o") == 0
    names = files_in(folder / "o")
    assert "regularized_opt/relu/relu_like-%FF%E9_s0000_best_Xpm.png" in names
    assert "regularized_opt/conv/conv_m%EFx_s0000_best_Xpm.png" in names
    record = json.loads((folder / "o/regularized_opt/fc/fc_0000_s0000_info.json").read_text("utf-8"))
    assert record["settings"]["start_at"] == f"image:{photo}"


def npy(values):
    buffer = io.BytesIO()
    np.save(buffer, np.array(values, np.float32))
    return buffer.getvalue()


def test_a_picture_to_match_is_read_as_a_picture_to_look_at(tmp_path):
    deep = np.random.default_rng(0).integers(0, 65536, (20, 24), dtype=np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    hidden = np.dstack([np.full((20, 24, 3), 200, np.uint8), np.zeros((20, 24), np.uint8)])
    cv2.imwrite(str(tmp_path / "cut_out.png"), hidden)
    net = load_network(NETWORK[1], input_size=(24, 20), mean=110)
    expected = {"deep": np.rint(deep / 257.0)[..., None].repeat(3, 2), "cut_out": np.full((20, 24, 3), 128)}
    for name, picture in expected.items():
        path = tmp_path / f"{name}.png"
        given = make_parser().parse_args([*NETWORK, "--like", str(path), "--push-layer", "relu"])
        ((target,), _) = targets_of(given, net, print)
        np.testing.assert_array_equal(target.picture, picture)
        start = start_image(f"image:{path}", 0, net.preprocessing)
        seen = net.preprocessing.to_pixels(net.preprocessing.to_input(picture.astype(np.uint8)))
        np.testing.assert_array_equal(start, seen)


@pytest.mark.parametrize("flag", ["--like", "--direction", "--start-at"])
@pytest.mark.parametrize("kind", ["pipe", "eps", "device", "folder"])
def test_what_is_no_picture_file_is_refused_and_neither_waited_for_nor_run(tmp_path, flag, kind):
    path = tmp_path / "photo.jpg"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "eps":
        path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    elif kind == "folder":
        path.mkdir()
    place = "/dev/zero" if kind == "device" else str(path)
    given = (
        ("--units", "fc:0", flag, f"image:{place}") if flag == "--start-at" else (flag, place, "--push-layer", "conv")
    )
    with pytest.raises(ToolboxError, match=r"photo\.jpg|/dev/zero"):
        run(*given, output=tmp_path / "o")
    assert not (tmp_path / "o/regularized_opt").exists()
