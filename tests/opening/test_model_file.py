"""A model.yaml says what it may, and each mistake in one is told with file, line, key and what is allowed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.installation import MODELS
from deepvis_toolbox.network.description import UnitImagesDescription
from deepvis_toolbox.opening.described import describe
from deepvis_toolbox.opening.model_file import ModelFile, model_from_values, read_model_file
from deepvis_toolbox.opening.model_folder import is_factory, model_names, model_path


def model_file(folder: Path, text: str) -> Path:
    path = folder / "model.yaml"
    path.write_text(text)
    return path


FULL = """\
name: squeezenet
framework: caffe
prototxt: deploy.prototxt
weights: weights.caffemodel
input: {size: [200, 240], channels: BGR, mean: [104, 117, 123], scale: 0.017, std: [1, 2, 3], crop: 0.9}
labels: labels.txt
label_layers: [fc8, prob]
deconv: {lrn: pass}
fetch:
  - http://example.org/weights.caffemodel
  - {url: "http://example.org/mean.npy", sha1: 405fc5acd08a3bb12de8ee5e23a96bec22f08204, bytes: 12, unpack: here}
presets: {sharp: {decay: 1e-4}}
unit_images: {folder: pictures, montage: 2x2, shared: {pool1: conv1}, looks: guided:norm}
settings: {live: {goto: "conv5:1"}}
"""


def test_everything_a_model_yaml_may_say_reaches_the_description(tmp_path: Path) -> None:
    (tmp_path / "labels.txt").write_text("tench\ngoldfish\n\n")
    description = describe(read_model_file(model_file(tmp_path, FULL)))
    how = description.preprocessing
    assert (description.name, how.size, how.channels, how.crop) == ("squeezenet", (200, 240), "BGR", 0.9)
    np.testing.assert_allclose(how.gain, [0.017, 0.0085, 0.017 / 3], rtol=1e-6)
    np.testing.assert_array_equal(how.mean, [104, 117, 123])
    assert description.labels == ("tench", "goldfish")
    assert description.label_layers == ("fc8", "prob")
    assert description.deconv_passes_lrn
    assert description.presets == {"sharp": {"decay": 1e-4}}
    assert description.unit_images == UnitImagesDescription(
        tmp_path / "pictures", "2x2", {"pool1": "conv1"}, looks=(("guided", "norm"),)
    )
    assert description.folder == tmp_path


def test_what_is_for_others_than_the_network_stays_in_the_model_file(tmp_path: Path) -> None:
    model = read_model_file(model_file(tmp_path, FULL))
    assert model.fetch[0].url == "http://example.org/weights.caffemodel"
    assert model.settings == {"live": {"goto": "conv5:1"}}


def test_a_network_described_on_a_command_line_has_no_folder_and_names_no_pictures() -> None:
    description = describe(model_from_values({"factory": "a:b", "input": {"size": 8}}))
    assert (description.folder, description.unit_images) == (None, UnitImagesDescription())


def test_what_is_left_out_is_found_out(tmp_path: Path) -> None:
    path = model_file(tmp_path, "framework: caffe\nprototxt: a\nweights: b")
    grey = describe(read_model_file(path), (28, 30), 1)
    colour = describe(read_model_file(path), (28, 30), 3)
    assert (grey.name, grey.preprocessing.input_shape) == (tmp_path.name, (1, 28, 30))
    assert colour.preprocessing.channels == "BGR"


@pytest.mark.parametrize(("text", "parts"), [
    ("framework: cafe", [":1", "framework", "torch, caffe", 'did you mean "caffe"']),
    ("framework: caffe", ["prototxt"]),
    ("name: x", ["factory"]),
    ("factory: a:b\ninput:\n  sise: 3", [":3", "input.sise", 'did you mean "size"', "channels"]),
    ("factory: a:b\ninput:\n  size: [1, 2, 3]", [":3", "input.size", "height"]),
    ("factory: a:b\ninput:\n  size: 0", [":3", "input.size", "8192"]),
    ("factory: a:b\ninput:\n  size: 100000", [":3", "input.size", "8192"]),
    ("factory: a:b\ninput:\n  mean: [1, x]", [":3", "input.mean", "number"]),
    ("factory: a:b\ninput:\n  std: 0", [":3", "input.std", "not be 0"]),
    ("factory: a:b\ninput:\n  crop: 1.5", [":3", "input.crop", "1.5"]),
    ("factory: a:b\ninput:\n  channels: RBG", [":3", "RGB, BGR, gray"]),
    ("factory: a:b\ninput: 4", [":2", "input", "group of keys"]),
    ("factory: a:b\n\ndeconv: {lrn: off}", [":3", "deconv.lrn", "pass, backprop"]),
    ("factory: a:b\nfetch: [{uri: x}]", [":2", "fetch.0.uri", 'did you mean "url"']),
    ("factory: a:b\nfetch:\n- x\n- 5", [":4", "fetch.1", "group of keys"]),
    ("factory: a:b\nunit_images: {montage: 3x3}", [":2", "1x1, 2x2"]),
    ("factory: a:b\nunit_images: {looks: [grad, guided:nrm]}", [":2", '"guided:nrm" is no look', "norm-blurred"]),
    ("factory: a:b\nunit_images: {looks: 3}", [":2", "MODE:VIEW"]),
    ("factory: a:b\nunit_images: {looks: []}", [":2", "looks"]),
    ("factory: a:b\npresets: {a: 4}", [":2", "presets.a"]),
    ("factory: a:b\nlabels: [a]", [":2", "labels", "text"]),
    ("factory: a:b\nframework: caffe\nprototxt: x", ["factory"]),
    ("faktory: a:b", [":1", 'unknown key "faktory"', 'did you mean "factory"']),
])  # fmt: skip
def test_a_mistake_is_told_with_line_key_and_what_is_allowed(tmp_path: Path, text: str, parts: list[str]) -> None:
    with pytest.raises(ToolboxError) as caught:
        read_model_file(model_file(tmp_path, text))
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "model.yaml"))
    assert [part for part in parts if part not in message] == []


def test_what_a_flag_got_wrong_is_said_of_the_command_line(tmp_path: Path) -> None:
    model = read_model_file(model_file(tmp_path, "factory: a:b\ninput: {std: 2}"))
    with pytest.raises(ToolboxError, match=r"^the command line: .*input.size.* is -1"):
        model.changed({}, {"size": -1})
    changed = model.changed({}, {"size": 8})
    assert changed.input.size == (8, 8)
    assert changed.input.std == (2.0,)
    assert changed.where("input", "size") == "the command line"
    assert changed.where("input", "std").endswith("model.yaml:2")


def test_an_input_size_that_nobody_tells_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match="--input-size"):
        describe(read_model_file(model_file(tmp_path, "factory: a:b")))


def test_the_centre_of_a_mean_file_larger_than_the_input_is_used(shared: Path) -> None:
    file = shared / "reference" / "ilsvrc_2012_mean.npy"
    model = model_from_values({"framework": "caffe", "prototxt": "p", "input": {"mean": str(file), "size": 227}})
    mean = np.load(file)
    np.testing.assert_array_equal(describe(model).preprocessing.mean, mean[:, 14:241, 14:241].astype(np.float32))


def test_a_missing_mean_file_tells_what_would_fetch_it(tmp_path: Path) -> None:
    path = model_file(
        tmp_path, "name: far\nfactory: a:b\ninput:\n  size: 8\n  mean: mean.npy\nfetch: [http://example.org/mean.npy]"
    )
    with pytest.raises(ToolboxError, match=r"model.yaml:5: .*mean.npy is not there; .*--fetch far downloads it"):
        describe(read_model_file(path))


@pytest.mark.parametrize(("content", "message"), [
    (b"no array", "not an array"),
    (b"", "not an array"),
    (np.zeros((2, 9, 9), np.float32), "at least 3×8×8"),
    (np.zeros((3, 9), np.float32), "shape C or C×H×W"),
    (np.zeros((3, 4, 4), np.float32), "at least 3×8×8"),
    (np.array(["a"]), "shape C or C×H×W"),
    (np.full(3, np.nan, np.float32), "finite"),
])  # fmt: skip
def test_a_mean_file_that_does_not_fit_is_refused(tmp_path: Path, content: bytes | np.ndarray, message: str) -> None:
    file = tmp_path / "mean.npy"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        np.save(file, content)
    model = model_from_values({"factory": "a:b", "input": {"mean": str(file), "size": 8}})
    with pytest.raises(ToolboxError, match=message):
        describe(model)


def test_a_pickle_in_a_mean_file_is_never_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return Path.touch, (tmp_path / "sprung",)

    np.save(tmp_path / "mean.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    model = model_from_values({"factory": "a:b", "input": {"mean": str(tmp_path / "mean.npy"), "size": 8}})
    with pytest.raises(ToolboxError, match="not an array"):
        describe(model)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("content", "message"), [(None, r"model.yaml:3: .*labels.txt is not there"), (b"\xff\xfe", "not a text file")]
)
def test_a_labels_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "labels.txt").write_bytes(content)
    path = model_file(tmp_path, "factory: a:b\ninput: {size: 8}\nlabels: labels.txt")
    with pytest.raises(ToolboxError, match=message):
        describe(read_model_file(path))


@pytest.mark.parametrize("name", model_names())
def test_every_model_that_comes_along_is_described_without_a_mistake(name: str) -> None:
    model = read_model_file(model_path(name))
    assert model.title == name
    for file in filter(None, (model.prototxt, model.labels)):
        assert model.path(file).is_file()


def test_a_name_a_folder_and_a_file_mean_the_same_model() -> None:
    expected = MODELS / "efficientnet-lite0" / "model.yaml"
    for name in ("efficientnet-lite0", str(expected.parent), str(expected)):
        assert model_path(name).samefile(expected)
        assert not is_factory(name)


@pytest.mark.parametrize(("name", "message"), [
    ("efficientnet-lite7", 'did you mean "efficientnet-lite'),
    ("xyz", "known are .*efficientnet-lite0.*torchvision:NAME"),
    ("..", "has no model.yaml"),
    (__file__, "no model.yaml"),
])  # fmt: skip
def test_an_unknown_model_is_told_with_the_known_ones(name: str, message: str) -> None:
    with pytest.raises(ToolboxError, match=message):
        model_path(name)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["lrn", "size", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from([*ModelFile.model_fields, "other"]), VALUES, max_size=5))
@settings(max_examples=300, deadline=None)
def test_any_values_make_a_model_or_one_sentence(values: dict) -> None:
    message = ""
    try:
        model_from_values({"factory": "a:b", **values})
    except ToolboxError as error:
        message = str(error)
    assert not message or message.startswith("the command line: ")
    assert "\n" not in message
