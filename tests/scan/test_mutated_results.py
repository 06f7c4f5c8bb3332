"""Checks that a scan's files that are damaged or hostile are refused in one sentence, whichever part of them it is."""

from __future__ import annotations

import json
import shutil
import time
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.npz_file import WHOLE, ArrayForm, read_arrays
from deepvis_toolbox.scan.merging import merge
from deepvis_toolbox.scan.result_folder import ResultFolder
from deepvis_toolbox.scan.unit_classes import unit_classes
from find_maxes import TopImages, scan

LAYERS = ["relu1", "conv3", "fc"]


@pytest.fixture(scope="module")
def result(small_net, picture_paths, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("result") / "maxes"
    paths = [*picture_paths[:10], folder / "missing.png"]
    labels = [number % 2 for number in range(len(paths))]
    scan(
        small_net,
        paths,
        labels,
        layers=LAYERS,
        top=4,
        bottom=True,
        statistics=True,
        out=folder,
        batch_size=3,
        workers=0,
    )
    return folder


def read_all(folder: Path) -> TopImages:
    """All that can be asked of a result, by those who look at it and those who go on with it."""
    top = TopImages.load(folder)
    for layer in top.layers:
        assert top.values[layer].shape == top.images[layer].shape
        top.statistics(layer)
        top.place_statistics(layer)
        top.correlation(layer)
        unit_classes(top, layer)
    assert top.bottom is not None
    assert top.is_complete
    assert top.pictures_read + len(top.skipped) == len(top.paths) == len(top.labels) == 11
    merge([folder], folder.parent / "merged")
    return top


WRONG: dict[str, Any] = {
    "null": None,
    "a text": "x",
    "a list": [],
    "a number": 7,
    "a list of lists": [[0, 1, 2]],
    "negative": -1,
    "huge": 3 * 2**70,
    "a fraction": 1.5,
    "true": True,
    "a group": {"x": 1},
    "many digits": "DIGITS",
    "NaN": float("nan"),
    "infinite": float("inf"),
    "deep": "DEEP",
}


def places_in(record: Any, place: tuple = ()) -> Iterator[tuple]:
    """Every key and every first place of a list, however deep."""
    inside = record.items() if isinstance(record, dict) else enumerate(record[:1]) if isinstance(record, list) else ()
    for key, value in inside:
        yield (*place, key)
        yield from places_in(value, (*place, key))


def with_value(record: Any, place: tuple, value: Any) -> Any:
    changed = deepcopy(record)
    parent = changed
    for key in place[:-1]:
        parent = parent[key]
    if value is KeyError:
        del parent[place[-1]]
    else:
        parent[place[-1]] = value
    return changed


def test_deep_parts_that_are_not_looked_at_are_refused_before_anybody_compares_them(result, tmp_path):
    folder = tmp_path / "maxes"
    shutil.copytree(result, folder)
    record = json.loads((folder / "manifest.json").read_text())
    for depth in (70, *range(900, 1000, 7)):
        text = json.dumps(with_value(record, ("identity", "preprocessing"), {"x": "DEEP"}))
        assert "too deeply" in outcome_of(folder, text.replace('"DEEP"', "[" * depth + "]" * depth))


OF_NO_MATTER = ("preprocessing", "versions", "later_versions", "answer", "root")
"""Compared with what is wanted, never computed with; or told as it is."""


def outcome(folder: Path, look: Callable[[Path], object] = TopImages.load) -> str:
    """The sentence of the refusal; empty where the result was read."""
    said = ""
    try:
        look(folder)
    except ToolboxError as error:
        said = str(error)
    assert "\n" not in said
    assert len(said) < 600
    return said


def outcome_of(folder: Path, manifest: str) -> str:
    (folder / "manifest.json").write_text(manifest)
    return outcome(folder, read_all)


def test_every_part_of_a_manifest_that_is_missing_or_wrong_is_refused_in_a_sentence(result, tmp_path):
    folder = tmp_path / "maxes"
    shutil.copytree(result, folder)
    record = json.loads((folder / "manifest.json").read_text())
    record["identity"].pop("answer", None)
    places = [place for place in places_in(record) if place[-1] != "identity" and "preprocessing" not in place[:-1]]
    assert len(places) > 40
    began, cases = time.monotonic(), 0
    for place in places:
        for name, wrong in {"missing": KeyError, **WRONG}.items():
            text = json.dumps(with_value(record, place, wrong))
            text = text.replace('"DIGITS"', "9" * 5000).replace('"DEEP"', "[" * 100_000 + "]" * 100_000)
            said = outcome_of(folder, text)
            before = record
            for key in place:
                before = before[key]
            is_fitting = wrong == before or any(key in OF_NO_MATTER for key in place)
            texts = ("name", "engine", "weights_hash", "kind", "rectifier")
            is_fitting |= name == "a text" and (place[-1] in texts or place[0] == "skipped")
            is_fitting |= place[:2] == ("calibration", "clips")  # of fewer layers, or other ends
            is_fitting |= place == ("skipped", "10") and wrong is KeyError  # as if its values were no numbers
            is_fitting |= place == ("identity", "correlations") and wrong is False
            is_fitting |= place == ("identity", "held_out") and wrong == 7  # all but some, which were not read
            assert said or is_fitting, (place, name)
            cases += 1
    print(f"{cases} manifests in {time.monotonic() - began:.1f} s")


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "7", "null", '{"identity": 3}', '"x"', "\x00", "[" * 200_000, "[" * 70 + "]" * 70]
)
def test_what_is_no_record_at_all_is_refused_in_a_sentence(result, tmp_path, text):
    shutil.copytree(result, tmp_path / "maxes")
    assert "manifest.json" in outcome_of(tmp_path / "maxes", text)


def change(arrays: dict[str, Any], name: str, how: Callable) -> dict[str, Any]:
    return {**arrays, name: how(arrays[name])}


WRONG_ARRAYS: dict[str, Callable] = {
    "shorter": lambda a: a[:-1],
    "longer": lambda a: np.concatenate([a, a]),
    "flat": lambda a: a.ravel()[None],
    "of text": lambda a: a.astype("U9"),
    "of complex numbers": lambda a: a.astype(np.complex64),
    "of float64": lambda a: a.astype(np.float64),
    "in the other byte order": lambda a: a.astype(a.dtype.newbyteorder()),
    "empty": lambda a: a[:0],
    "one number": lambda a: a.flat[0],
}


def with_first(value: Any) -> Callable:
    def changed(array: Any) -> Any:
        array = array.copy()
        array.flat[0] = np.array(value).astype(array.dtype)
        return array

    return changed


@pytest.fixture(scope="module")
def arrays(result) -> dict[str, Any]:
    with np.load(result / "top_images.npz") as file:
        return dict(file)


def refused(folder: Path, arrays: dict[str, Any]) -> str:
    np.savez(folder / "top_images.npz", **arrays)
    with pytest.raises(ToolboxError) as error:
        read_all(folder)
    with pytest.raises(ToolboxError):
        ResultFolder(folder).read_tally()
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning", "ignore:invalid value")
def test_every_array_that_is_missing_or_of_another_form_is_refused_in_a_sentence(result, arrays, tmp_path):
    folder = tmp_path / "maxes"
    shutil.copytree(result, folder)
    assert len(arrays) == 25
    for name in arrays:
        missing = {other: array for other, array in arrays.items() if other != name}
        assert f'the array "{name}" is missing' in refused(folder, missing)
        for how in WRONG_ARRAYS.values():
            if how(arrays[name]).dtype == arrays[name].dtype and how(arrays[name]).shape == arrays[name].shape:
                continue  # a byte has no order
            assert f'the array "{name}" ' in refused(folder, change(arrays, name, how))
    np.savez(folder / "top_images.npz", **{**arrays, "more": np.arange(3)})
    read_all(folder)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("top.images", 11, "the pictures of the list"),
        ("top.images", -2, "the pictures of the list"),
        ("top.images", -1, "missing pictures"),
        ("top.values", np.nan, "missing pictures"),
        ("top.values", -1e30, "the order of the values"),
        ("bottom.values", 1e30, "the order of the values"),
        ("top.places", 16 * 16, "the places"),
        ("top.places", -1, "the places"),
        ("top.places", -5, "the places"),
        ("maxima.count", 11, "the number of values"),
        ("maxima.count", -1, "the number of values"),
        ("places.count", 9, "cannot be right"),
        ("maxima.zeros", 11, "the sums (zeros)"),
        ("maxima.not_positive", -1, "the sums (not_positive)"),
        ("maxima.sum", 2**62, "the sums cannot be right"),
        ("maxima.squares", -1, "the sums (squares)"),
        ("maxima.histogram", 9, "the histograms"),
        ("correlation.2", 5, 'the correlations of "fc"'),
        ("held_out.images", 11, "the pictures held out"),
        ("held_out.images", -1, "the pictures held out"),
    ],
)
def test_values_that_cannot_be_right_are_refused(result, arrays, tmp_path, name, value, said):
    shutil.copytree(result, tmp_path / "maxes")
    assert f"{said}" in refused(tmp_path / "maxes", change(arrays, name, with_first(value)))


@pytest.mark.parametrize("file", ["manifest.json", "top_images.npz", "pictures.jsonl"])
def test_bytes_changed_anywhere_never_end_in_anything_but_a_sentence(result, tmp_path, file):
    folder = tmp_path / "maxes"
    shutil.copytree(result, folder)
    sound, random, refusals = (folder / file).read_bytes(), np.random.default_rng(8), 0
    for case in range(120):
        damaged = bytearray(sound)
        for at in random.integers(0, len(sound), 1 + case % 3):
            damaged[at] = random.integers(256)
        if case % 5 == 0:
            del damaged[random.integers(len(sound)) :]
        (folder / file).write_bytes(damaged)
        refusals += bool(outcome(folder))
    assert refusals > 60


@pytest.mark.parametrize(
    "line",
    [
        *('["a.png"]', '["a.png", 1, 2]', '["a.png", "1"]', '["a.png", 1.0]', '["a.png", true]', "{}", "", "null"),
        *("[1, 1]", '["a.png", -2]', '["a.png", 9999999999999999999999]', '["\\ud800.png", 1]', "[" * 10_000),
        '["a.png", ' + "9" * 6000 + "]",
    ],
)
def test_a_list_of_pictures_with_a_wrong_line_is_refused(result, tmp_path, line):
    shutil.copytree(result, tmp_path / "maxes")
    (tmp_path / "maxes" / "pictures.jsonl").write_text(f"{line}\n")
    with pytest.raises(ToolboxError, match=r"pictures\.jsonl"):
        TopImages.load(tmp_path / "maxes")


def test_a_list_of_pictures_with_a_line_of_gigabytes_is_not_taken_into_memory(result, tmp_path):
    shutil.copytree(result, tmp_path / "maxes")
    with (tmp_path / "maxes" / "pictures.jsonl").open("ab") as file:
        file.truncate(40 << 30)  # a hole, which takes no room on the disk
    with pytest.raises(ToolboxError, match=r"pictures\.jsonl"):
        TopImages.load(tmp_path / "maxes")


@pytest.mark.parametrize("part", ["[],", "{},", '"",', "0,"])
def test_a_record_of_millions_of_parts_is_refused_before_it_is_read(result, tmp_path, part):
    shutil.copytree(result, tmp_path / "maxes")
    (tmp_path / "maxes" / "manifest.json").write_text(f'{{"more": [{part * 9_000_000}0]}}')
    started = time.process_time()
    with pytest.raises(ToolboxError, match=r"manifest\.json.*more than 8 million parts"):
        TopImages.load(tmp_path / "maxes")
    assert time.process_time() - started < 2


def npz(path: Path, header: str, packed: int = zipfile.ZIP_STORED, body: bytes = b"\0" * 12) -> Path:
    text = header.encode().ljust(118) + b"\n"
    with zipfile.ZipFile(path, "w", packed) as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body)
    return path


FORM = {"a": ArrayForm("float32", (3,))}
OTHER_HEADERS = [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (10**12,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,)}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-3,)}",
    "{'descr': '|O', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': '<f8', 'fortran_order': False, 'shape': (3,)}",
    "{'descr': '<f4', 'shape': (3,)}",
    "{'descr': __import__('os'), 'fortran_order': False, 'shape': (3,)}",
    "{'descr': [('x', '<f4')], 'fortran_order': False, 'shape': (3,)}",
    "(((((((((((((",
    "'''",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (3L,",
    "",
]


@pytest.mark.filterwarnings("ignore:Reading")
@pytest.mark.parametrize("header", OTHER_HEADERS)
def test_headers_of_arrays_are_refused_without_memory(tmp_path, header):
    path = npz(tmp_path / "a.npz", header)
    tracemalloc.start()
    try:
        with pytest.raises(ToolboxError, match=r"a\.npz"):
            read_arrays(path, FORM)
        assert tracemalloc.get_traced_memory()[1] < 4 << 20
    finally:
        tracemalloc.stop()


def test_packed_cut_and_sound_arrays(tmp_path):
    sound = "{'descr': '<f4', 'fortran_order': False, 'shape': (3,), }"
    assert read_arrays(npz(tmp_path / "a.npz", sound), FORM)["a"].tolist() == [0, 0, 0]
    huge = sound.replace("(3,)", f"({1 << 21},)")
    bomb = npz(tmp_path / "b.npz", huge, zipfile.ZIP_DEFLATED, bytes(4 << 21))
    with pytest.raises(ToolboxError, match="not stored as it is"):
        read_arrays(bomb, {"a": ArrayForm("float32", (1 << 21,))})
    with pytest.raises(ToolboxError, match="cut off"):
        read_arrays(npz(tmp_path / "c.npz", huge), {"a": ArrayForm("float32", (1 << 21,))})
    with pytest.raises(ToolboxError, match="of type float32, not whole numbers"):
        read_arrays(tmp_path / "a.npz", {"a": ArrayForm(WHOLE, (3,))})
    with pytest.raises(ToolboxError, match="folder"):
        read_arrays(tmp_path, FORM)
