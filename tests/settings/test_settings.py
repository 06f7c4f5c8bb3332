"""Settings: where each value comes from, which one wins, and what is said of a wrong one."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from deepvis_toolbox import installation
from deepvis_toolbox.configuration.section import OneOf, allowed_values, section_of, validated
from deepvis_toolbox.configuration.yaml_file import read_yaml
from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.look import look_from
from deepvis_toolbox.settings.loading import Settings, load_settings
from deepvis_toolbox.settings.text import as_markdown, as_yaml, leaves

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory, and no settings_local.yaml of whoever runs the tests."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(installation, "CHECKOUT", tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    return tmp_path


def model_folder(folder: Path, settings: str) -> str:
    path = folder / "model.yaml"
    path.write_text(f"factory: a:b\n{settings}")
    return str(path)


def test_without_files_and_flags_every_value_is_built_in() -> None:
    settings = load_settings()
    assert settings.window.width is None
    assert {settings.origin(".".join(path)) for path, _ in leaves(settings)} == {"built-in"}


def test_later_places_overrule_earlier_ones_and_each_value_knows_its_place(elsewhere: Path) -> None:
    model = model_folder(elsewhere, "settings:\n  window: {width: 800, height: 600}\n  live:\n    goto: fc:1\n")
    (elsewhere / "settings_local.yaml").write_text("# mine\nwindow:\n  width: 900\n  title: Mine\n")
    settings = load_settings(model, overrides=["window.title=Set", "sources.input=[demo, camera:0]"])
    assert (settings.window.width, settings.window.height, settings.window.title) == (900, 600, "Set")
    assert (settings.live.goto, settings.sources.input) == ("fc:1", ("demo", "camera:0"))
    origins = {
        key: settings.origin(key) for key in ("window.width", "window.height", "window.title", "live.goto", "engine")
    }
    assert origins == {
        "window.width": "settings_local.yaml:3", "window.height": "model.yaml:3", "window.title": "--set",
        "live.goto": "model.yaml:5", "engine": "built-in",
    }  # fmt: skip
    assert (settings.model, settings.origin("model")) == (model, "--model")


def test_the_model_named_in_the_local_file_brings_its_own_settings(elsewhere: Path) -> None:
    model = model_folder(elsewhere, "settings: {window: {width: 801}}")
    (elsewhere / "settings_local.yaml").write_text(f"model: {model}\n")
    assert load_settings().window.width == 801


def test_a_model_without_a_model_yaml_brings_no_settings() -> None:
    assert load_settings("torchvision:alexnet").window.width is None


def test_the_users_own_file_goes_before_the_model_and_behind_the_local_file(elsewhere: Path) -> None:
    model = model_folder(elsewhere, "settings: {window: {width: 800, height: 600, max_fps: 10}}")
    own = elsewhere / "configuration" / "deepvis-toolbox" / "settings.yaml"
    own.parent.mkdir(parents=True)
    own.write_text("window: {width: 900, height: 700}\n")
    (elsewhere / "settings_local.yaml").write_text("window: {height: 710}\n")
    window = load_settings(model).window
    assert (window.width, window.height, window.max_fps) == (900, 710, 10)


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        load_settings().window.width = 3  # type: ignore[misc]


@pytest.mark.parametrize(("text", "parts"), [
    ("window:\n  wdth: 3", [":2", '"window.wdth"', 'did you mean "width"', "width, height, scale"]),
    ("window:\n  width: 3", [":2", '"window.width" is 3', "320 to 16384"]),
    ("\nwindow: 3", [":2", "group of keys: width, height"]),
    ("windo: {}", [":1", 'did you mean "window"']),
    ("sources: {mirror: perhaps}", [":1", "true or false"]),
    ("sources: {fit: crob}", [":1", "crop, stretch", 'did you mean "crop"']),
    ("sources: {input: [a, b, c]}", [":1", "one or two"]),
    ("look:\n  text: [1, 2, 999]", [":2", "0 to 255"]),
    ("look:\n  text: reddish", [":2", "#rrggbb"]),
    ("look:\n  text: '#12345g'", [":2", "#rrggbb"]),
    ("device: gpu", [":1", "cuda:N"]),
    ("window: {scale: .nan}", [":1", "a number"]),
    ("window: {width: 1}\nwindow: {width: 2}", [":2", "stands twice"]),
    ("model: nowhere", ['no model "nowhere"']),
    ("window: &a {width: 900}", [":1", "anchors"]),
])  # fmt: skip
def test_a_wrong_local_file_is_told_with_line_key_and_what_is_allowed(
    elsewhere: Path, text: str, parts: list[str]
) -> None:
    (elsewhere / "settings_local.yaml").write_text(text)
    with pytest.raises(ToolboxError) as caught:
        load_settings()
    assert [part for part in parts if part not in str(caught.value)] == []
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("assignment", "message"), [
    ("window.wdth=3", r'^--set: unknown key "window.wdth"; did you mean "width"'),
    ("window.width=3", r"^--set: .* 320 to 16384"),
    ("window.width", "write key=value"),
    ("=3", "write key=value"),
    ("window..width=3", "write key=value"),
    ("window.width=[", "not valid YAML"),
    ("window.title=5", r'in quotes: "5"'),
    ("window.width.more=3", "window.width"),
])  # fmt: skip
def test_a_wrong_assignment_is_told(assignment: str, message: str) -> None:
    with pytest.raises(ToolboxError, match=message):
        load_settings(overrides=[assignment])


@pytest.mark.parametrize(("settings", "message"), [
    ("settings:\n  window: {wdth: 1}", r"model.yaml:3: unknown key"),
    ("settings: [1]", r"model.yaml:2: .*group of keys"),
    ("settings:\n  model: x", r"model.yaml:3: a model.yaml cannot choose the model"),
])  # fmt: skip
def test_wrong_settings_of_a_model_name_its_file(elsewhere: Path, settings: str, message: str) -> None:
    with pytest.raises(ToolboxError, match=message):
        load_settings(model_folder(elsewhere, settings))


def test_a_local_file_that_was_asked_for_must_be_there(elsewhere: Path) -> None:
    with pytest.raises(ToolboxError, match="no file"):
        load_settings(local=elsewhere / "none.yaml")


def test_what_is_printed_can_be_read_back_as_a_local_file(elsewhere: Path) -> None:
    settings = load_settings(
        overrides=["window.title='a: #\"b\"'", 'look.text="#010203"', "sources.input=[demo, camera:0]"]
    )
    (elsewhere / "printed.yaml").write_text(as_yaml(settings, lambda _: "somewhere"))
    again = load_settings(local=elsewhere / "printed.yaml")
    assert again.model_dump() == settings.model_dump()
    assert again.window.title == 'a: #"b"'
    assert again.look.text == (1, 2, 3)


HARD_TEXTS = [
    *("1e-05", "010", "0x10", "1_000", "1:30", "2026-01-31", ".inf", ".nan", "~", "null", "True", "off", "no"),
    *("-", "''", "a: b", "a #b", "- a", "[a]", "{a}", "*a", "&a", "!a", "%a", "@a", "`a", " a", "a ", "...", "1."),
    *("a\nb", "a\r\nb", "\t", "\x00", "\x1b[31m", "\x85", "\u2028", "\ufeff", "\U0001f600", "ä"),
    *("9" * 400, "1" * 19, "-0", "+1"),
]


def values_of(field: FieldInfo) -> st.SearchStrategy[Any]:
    """Values that a setting may have, as its type and its limits say."""
    limits = {
        name: getattr(part, name) for part in field.metadata for name in ("ge", "gt", "le") if hasattr(part, name)
    }
    low, high = limits.get("ge", limits.get("gt", 0)), limits.get("le", 1)
    text = st.one_of(st.sampled_from(HARD_TEXTS), st.text(min_size=1, max_size=40)).filter(lambda one: "://" not in one)
    kinds = {
        bool: st.booleans(),
        int: st.integers(low, high),
        float: st.floats(low, high, exclude_min="gt" in limits),
        str: text,
        type(None): st.none(),
    }
    longest = min((part.max_length for part in field.metadata if hasattr(part, "max_length")), default=1000)
    kinds[str] = text.filter(lambda one: len(one) <= longest)
    choices = [part for part in (field.annotation, *get_args(field.annotation)) if part in kinds]
    if "Literal" in str(field.annotation):
        return st.sampled_from(get_args(field.annotation))
    if named := [part for part in field.metadata if isinstance(part, OneOf)]:
        return st.sampled_from(named[0].names())
    parts = get_args(field.annotation)
    if Ellipsis in parts:
        return st.lists(text, max_size=2).map(tuple)
    if len(parts) == 3:
        return st.tuples(*[st.integers(0, 255)] * 3)
    return st.one_of([kinds[part] for part in choices])


def any_section(section: type[BaseModel]) -> st.SearchStrategy[dict[str, Any]]:
    fields = {
        name: any_section(inner) if (inner := section_of(field)) else values_of(field)
        for name, field in section.model_fields.items()
        if name != "device"
    }
    return st.fixed_dictionaries(fields)


@given(any_section(Settings))
@hypothesis_settings(max_examples=60, deadline=None)
def test_any_settings_are_printed_so_that_they_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, values: dict[str, Any]
) -> None:
    settings = Settings.model_validate(values)
    path = tmp_path_factory.getbasetemp() / "printed.yaml"
    path.write_bytes(as_yaml(settings, lambda _: "x").encode("utf-8", "surrogatepass"))
    again = validated(Settings, read_yaml(path).values, lambda _: "printed.yaml")
    assert again.model_dump() == settings.model_dump()


@pytest.mark.parametrize(("number", "printed"), [
    (1e-05, "1e-05"), (0.1 + 0.2, "0.30000000000000004"), (99.999999, "99.999999"), (60.0, "60"), (0.7, "0.7"),
])  # fmt: skip
def test_a_number_is_printed_with_the_digits_that_it_needs(number: float, printed: str) -> None:
    settings = Settings.model_validate({"sources": {"demo_speed": number}})
    assert f"demo_speed: {printed} " in as_yaml(settings, lambda _: "x")


def test_every_setting_is_described_and_its_built_in_value_allowed() -> None:
    assert Settings.model_validate(Settings().model_dump()) == Settings()
    for path, _ in leaves(Settings()):
        *sections, name = path
        owner: type = Settings
        for section in sections:
            owner = type(getattr(owner.model_validate({}), section))
        assert owner.model_fields[name].description, path
        assert allowed_values(owner.model_fields[name])


def test_the_look_of_the_window_is_the_settings_section() -> None:
    section = load_settings(overrides=["look.text=#010203", "look.gap=7"]).look
    look = look_from(section, 2.5)
    assert (look.text, look.gap, look.px(look.gap), look.blur_radius) == ((1, 2, 3), 7, 7, 2.5)
    assert {name: getattr(look, name) for name in type(section).model_fields} == dict(section)


def test_the_page_of_all_settings_is_up_to_date() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    assert page == as_markdown(Settings), "run: python settings.py --markdown > docs/settings.md"


def run(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "settings.py"), *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)


def test_the_command_prints_values_with_where_they_came_from(elsewhere: Path) -> None:
    (elsewhere / "settings_local.yaml").write_text("window: {width: 900}\n")
    done = run("--set", "live.backward=deconv", "--settings", "settings_local.yaml", folder=elsewhere)
    lines = {line.split("#")[0].strip(): line.rpartition("# ")[2] for line in done.stdout.splitlines()}
    assert lines["width: 900"] == "settings_local.yaml:1"
    assert lines["backward: deconv"] == "--set"
    assert lines["engine: torch"] == "built-in"


def test_the_command_prints_the_same_values_as_json(elsewhere: Path) -> None:
    (elsewhere / "mine.yaml").write_text("window: {width: 900}\n")
    done = run("--settings", "mine.yaml", "--set", "look.text=[1, 2, 3]", "--json", folder=elsewhere)
    record = json.loads(done.stdout)
    assert record["window.width"] == {"value": 900, "from": "mine.yaml:1"}
    assert record["look.text"] == {"value": [1, 2, 3], "from": "--set"}
    assert record["engine"] == {"value": "torch", "from": "built-in"}
    assert list(record) == [".".join(path) for path, _ in leaves(Settings())]


def test_the_command_ends_with_status_2_and_one_line_for_a_mistake(elsewhere: Path) -> None:
    done = run("--set", "windw.width=3", folder=elsewhere)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("error: --set: unknown key")
    assert done.stderr.count("\n") == 1


def test_settings_are_read_without_loading_torch_or_opencv(elsewhere: Path) -> None:
    loaded = "[name for name in ('torch', 'cv2', 'numpy') if name in sys.modules]"
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import settings; settings.load_settings(); print({loaded})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_that_is_not_there_is_told_with_the_place_that_named_it(elsewhere: Path) -> None:
    (elsewhere / "settings_local.yaml").write_text("# mine\nmodel: nosuch\n")
    with pytest.raises(ToolboxError, match=r'^settings_local.yaml:2: "model": there is no model "nosuch"'):
        load_settings()
    with pytest.raises(ToolboxError, match=r'^--model: "model": there is no model "other"'):
        load_settings("other")


def test_a_flag_of_its_own_is_named_where_its_value_is_wrong() -> None:
    with pytest.raises(ToolboxError, match=r'^--device: "device" is "gpu"'):
        load_settings(flags={"device": "gpu", "engine": None})
    settings = load_settings(overrides=["device=cuda"], flags={"device": "cpu"})
    assert (settings.device, settings.origin("device")) == ("cpu", "--device")


def test_store_is_the_unit_images_folder_before_what_set_says() -> None:
    settings = load_settings(overrides=["unit_images.folder=there"], store="a: b")
    assert settings.unit_images.folder == "a: b"
    assert settings.origin("unit_images.folder") == "--store"
