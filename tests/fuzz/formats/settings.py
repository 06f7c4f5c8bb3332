"""The user's settings."""

from __future__ import annotations

from pathlib import Path

from deepvis_toolbox.settings.loading import load_settings
from deepvis_toolbox.settings.text import as_yaml
from tests.fuzz.harness import Files, Harness, harness

_SHORT = """
window: {width: 1280, height: 800}
sources:
  input: demo
"""
_FULL = "model: 'torchvision:alexnet'\n" + _SHORT


@harness("settings")
class SettingsFiles(Harness):
    """Settings in YAML (`settings_local.yaml`, `--settings FILE`)."""

    def seeds(self) -> list[Files]:
        texts = [_FULL.encode(), b"model: torchvision:alexnet\n# nothing else\n"]
        printed = as_yaml(load_settings("torchvision:alexnet"), lambda _: "here")
        return [{"settings.yaml": text} for text in [*texts, printed.encode()]]

    def use(self, folder: Path) -> None:
        settings = load_settings(local=folder / "settings.yaml")
        as_yaml(settings, lambda path: settings.origin(".".join(map(str, path))))
