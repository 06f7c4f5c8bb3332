"""Settings as people read them: the effective values as YAML, and the page that lists them all."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import yaml
from pydantic import BaseModel

from deepvis_toolbox.configuration.section import Section, allowed_values, section_of
from deepvis_toolbox.configuration.yaml_file import KeyPath, parse_value
from deepvis_toolbox.shown_text import settings_without_secrets


def leaves(section: BaseModel, at: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield every value below a section with its path, in the order of definition."""
    for name in type(section).model_fields:
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from leaves(value, (*at, name))
        else:
            yield (*at, name), value


def as_yaml(settings: Section, origin: Callable[[KeyPath], str]) -> str:
    """Return the effective settings, as they could be written into settings_local.yaml, each with where it came
    from; without passwords, which each such line says."""
    lines: list[str] = []
    section: tuple[str, ...] = ()
    for path, value in leaves(settings):
        *parents, name = path
        if tuple(parents) != section:
            section = tuple(parents)
            lines += ["", f"{section[-1]}:"]
        told = settings_without_secrets(value)
        left_out = "" if told == value else "; what may be secret in the URL is left out"
        lines.append(f"{'  ' * len(parents) + f'{name}: {_in_yaml(told)}':<52} # {origin(path)}{left_out}")
    return "\n".join(lines)


_PLAIN_WORDS = re.compile(r"[\w./](?:[\w ./()-]*[\w./()-])?", re.ASCII)


def _in_yaml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_in_yaml, value))}]"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        plain = _PLAIN_WORDS.fullmatch(value) and parse_value(value, "") == value
        return value if plain else yaml.safe_dump(value, default_style='"', allow_unicode=True, width=1 << 30).strip()
    return _shortest(value) if isinstance(value, float) else str(value)


def _shortest(value: float) -> str:
    """Return the number as `60` or `0.1`, with all its digits where it is read back as another one."""
    short = f"{value:g}"
    return short if float(short) == value else repr(value)


def as_markdown(settings: type[Section]) -> str:
    """Return the page docs/settings.md."""
    return _INTRODUCTION + "\n".join(_rows(settings)) + "\n"


_INTRODUCTION = """# Settings

Every setting has a built-in value. A model's `model.yaml` overrules it in its section `settings`, your own file
`~/.config/deepvis-toolbox/settings.yaml` (or in `$XDG_CONFIG_HOME`) overrules that, a file `settings_local.yaml` beside
`settings.py`, or the one after `--settings`, overrules that, and `--set key=value` on the command line overrules all.
A `settings_local.yaml` in the working directory is not read without `--settings`: it may be anybody's. A `model.yaml`
cannot set where pictures come from, nor what is read and written elsewhere (`sources`, `log`, `live.screenshots`,
`unit_images.folder`, `unit_images.maxes`, `unit_images.maxes_labels`, `look.font_path`).
`python settings.py` (installed: `deepvis-settings`) prints the effective settings and where each came from. This page
is written by `python settings.py --markdown`.

| key | built-in | allowed | meaning |
|---|---|---|---|
"""


def _rows(section: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in section.model_fields.items():
        inner = section_of(field)
        if inner is not None:
            yield from _rows(inner, f"{prefix}{name}.")
        else:
            yield f"| `{prefix}{name}` | `{_in_yaml(field.default)}` | {allowed_values(field)} | {field.description} |"
