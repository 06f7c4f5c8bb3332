"""The effective settings: gathered from where they were written, and where each value came from.

Built-in values are overruled by the section `settings` of the model's model.yaml, those by the user's own file in their
configuration folder, those by settings_local.yaml, those by `--set key=value` on the command line.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from deepvis_toolbox import installation
from deepvis_toolbox.configuration.gathered_values import GatheredValues
from deepvis_toolbox.configuration.section import validated
from deepvis_toolbox.configuration.yaml_file import parse_value, read_yaml
from deepvis_toolbox.errors import ToolboxError, user_path
from deepvis_toolbox.opening.model_folder import has_no_model_file, model_path
from deepvis_toolbox.settings.sections import Settings

LOCAL_FILE = "settings_local.yaml"
_log = logging.getLogger(__name__)


def load_settings(
    model: str | None = None,
    local: str | Path | None = None,
    overrides: Sequence[str] = (),
    flags: Mapping[str, str | None] | None = None,
    store: str | None = None,
    maxes: str | None = None,
) -> Settings:
    """Return the effective settings.

    `model`: as `--model`. `local`: the file to read instead of settings_local.yaml (beside a checkout's scripts).
    `overrides`: `key=value` with dotted keys, as after `--set`. `flags`: keys that have a
    flag of their own, `--key`; None where it is not given. `store`, `maxes`: as `--store` and `--maxes`, for
    `unit_images.folder` and `unit_images.maxes`.
    Raises `ToolboxError` that names file, line, key and the allowed values for what is unknown or wrong.
    """
    set_by_user = GatheredValues()
    for path in (_users_file(), _local_file() if local is None else user_path(local)):
        if path is not None:
            file = read_yaml(path)
            set_by_user.take(file.values, file.where)
    for assignment in overrides:
        set_by_user.take(_assigned(assignment), lambda _: "--set")
    for key, value in {"model": model, **(flags or {})}.items():
        if value is not None:
            set_by_user.take({key: str(value)}, lambda path: f"--{path[0]}")
    if store is not None:
        set_by_user.take({"unit_images": {"folder": store}}, lambda _: "--store")
    if maxes is not None:
        set_by_user.take({"unit_images": {"maxes": maxes}}, lambda _: "--maxes")
    effective = GatheredValues()
    _take_model_settings(effective, _checked(set_by_user))
    effective.take(set_by_user.values, set_by_user.where)
    return _checked(effective)


def _checked(gathered: GatheredValues) -> Settings:
    settings = validated(Settings, gathered.values, gathered.where)
    settings._origins = gathered.origins
    return settings


def _take_model_settings(effective: GatheredValues, chosen: Settings) -> None:
    if has_no_model_file(chosen.model):
        return
    try:
        path = model_path(chosen.model)
    except ToolboxError as error:
        raise ToolboxError(f'{chosen.origin("model")}: "model": {error}') from None
    file = read_yaml(path)
    section = file.values.get("settings") or {}
    if not isinstance(section, Mapping):
        raise ToolboxError(f'{file.where(("settings",))}: "settings" must be a group of keys')
    for group, key in _NOT_A_MODELS:
        values = section.get(group)
        if group in section and (not key or (isinstance(values, Mapping) and key in values)):
            what, line = (f"{group}.{key}" if key else group), file.where(("settings", group, *([key] if key else [])))
            raise ToolboxError(f'{line}: a model.yaml cannot set "{what}"; it is for your own settings')
    if "model" in section:
        raise ToolboxError(f"{file.where(('settings', 'model'))}: a model.yaml cannot choose the model")
    effective.take(section, lambda path: file.where(("settings", *path)))


_NOT_A_MODELS = (
    ("log", ""),
    ("sources", ""),
    ("web", ""),
    ("live", "screenshots"),
    ("unit_images", "folder"),
    ("unit_images", "maxes"),
    ("unit_images", "maxes_labels"),
    ("unit_images", "cache_megabytes"),
    ("look", "font_path"),
)
"""What a model's folder, which may come from anybody, has no say in: where pictures come from, what is read and written
elsewhere, how much memory may be taken, and what viewers in a browser may do."""


def _users_file() -> Path | None:
    """Return `settings.yaml` in the user's configuration folder, where there is one."""
    folder = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    try:
        path = Path(folder).expanduser() / "deepvis-toolbox" / "settings.yaml"
        return path if path.exists() else None
    except (RuntimeError, OSError):  # no home, or one that may not be entered
        return None


def _local_file() -> Path | None:
    """Return the file beside a checkout's scripts. One in the working directory may be anybody's."""
    own = installation.CHECKOUT / LOCAL_FILE if installation.CHECKOUT else None
    here = Path(LOCAL_FILE)
    if here.exists() and not (own and own.exists() and own.samefile(here)):
        _log.warning("%s of this folder is not read, since it may be anybody's; --settings %s reads it", here, here)
    return own if own and own.exists() else None


def _assigned(assignment: str) -> dict[str, Any]:
    """Return `window.width=1200` as nested mappings."""
    key, equals, text = assignment.partition("=")
    parts = key.strip().split(".")
    if not equals or not all(parts):
        raise ToolboxError(f"--set {assignment}: write key=value, such as --set window.width=1200")
    value = parse_value(text, f"--set {assignment}")
    for part in reversed(parts):
        value = {part: value}
    return dict(value)
