"""YAML is read as people mean it, and whatever is in a file costs one sentence at most."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepvis_toolbox.configuration.yaml_file import parse_value, read_yaml
from deepvis_toolbox.errors import ToolboxError


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "some.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_every_key_knows_its_line(tmp_path: Path) -> None:
    file = read_yaml(written(tmp_path, "# note\na: 1\nb:\n  c: [x,\n      y]\n  d: {e: 2}\n"))
    assert file.values == {"a": 1, "b": {"c": ["x", "y"], "d": {"e": 2}}}
    assert [file.where(key).rpartition(":")[2] for key in [("a",), ("b", "c"), ("b", "c", 1), ("b", "d", "e")]] == list(
        "2456"
    )
    assert file.where(("b", "d", "unknown")).endswith(":6")


@pytest.mark.parametrize(("text", "value"), [
    ("12", 12), ("-3", -3), ("1e-4", 1e-4), ("1.5", 1.5), (".5", 0.5), ("true", True), ("False", False), ("null", None),
    ("off", "off"), ("no", "no"), ("1:30", "1:30"), ("2024-01-01", "2024-01-01"), ("camera:0", "camera:0"),
    ("'12'", "12"), ("0x10", "0x10"), (".inf", ".inf"), ("[1, a]", [1, "a"]), ("{a: 1e3}", {"a": 1000.0}), ("", None),
    ('"\\udcff"', "\udcff"),
])  # fmt: skip
def test_words_and_numbers_mean_what_they_look_like(tmp_path: Path, text: str, value: object) -> None:
    assert read_yaml(written(tmp_path, f"key: {text}")).values["key"] == value
    assert parse_value(text, "--set") == value


def test_an_empty_file_is_an_empty_mapping(tmp_path: Path) -> None:
    assert read_yaml(written(tmp_path, "# nothing\n")).values == {}


@pytest.mark.parametrize(("text", "message"), [
    ("a: &x [1]\nb: *x", r":1: anchors"),
    ("a: !!python/object/apply:os.system [echo]", r":1: tags"),
    ("a: 1\nb: 2\na: 3", r':3: "a" stands twice; its first line is 1'),
    ("- a", "key: value"),
    ("word", "key: value"),
    ("a: b: c", r":1: not valid YAML"),
    ("a: [", "not valid YAML"),
    ("a: \x00", "not valid YAML"),
    ("a: " + "[" * 5000, "nested more than 20 deep"),
    ("[a]: 1", "a key must be a word"),
    (b"\xff\xfe\x00", "not a text file"),
    (b"#" * (1 << 21), "larger than"),
    ("a: " + "1" * 100_000, ":1: a text of more than 65536 characters"),
    ("a: [" + "1," * 500_000 + "]", ":1: more than 20000 keys and values"),
    ("".join(f"k{number}: 1\n" for number in range(90_000)), ":10000: more than 20000 keys and values"),
    ("a: " + "x " * 500_000, ":1: a text of more than"),
    ("a: 1\n---\nb: 2", "not valid YAML"),
])  # fmt: skip
def test_what_is_no_plain_mapping_is_refused_in_a_sentence(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ToolboxError, match=message) as caught:
        read_yaml(written(tmp_path, text))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["9" * 65_000, "9" * 65_000 + "x", "." * 65_000, "9." * 32_000, "1e" + "9" * 65_000])
def test_texts_that_look_like_numbers_for_long_take_no_time(tmp_path: Path, text: str) -> None:
    started = time.process_time()
    read_yaml(written(tmp_path, "\n".join(f"k{number}: {text}" for number in range(15))))
    assert time.process_time() - started < 1


def test_a_folder_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(ToolboxError, match="not a file but a folder"):
        read_yaml(tmp_path)
    with pytest.raises(ToolboxError, match=r"no file .*none.yaml"):
        read_yaml(tmp_path / "none.yaml")


@given(st.binary(max_size=200) | st.text(max_size=200, alphabet="ab:-[]{}&*!#'\"\n \t,|>?@%0.e").map(str.encode))
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_mapping_or_a_toolbox_error(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), data)
    message = ""
    try:
        assert isinstance(read_yaml(path).values, dict)
    except ToolboxError as error:
        message = str(error)
    assert "\n" not in message
