"""Prints the effective settings: `python settings.py --help`. The same as the command `deepvis-settings`."""

if __name__ == "__main__":
    from deepvis_toolbox.programs import settings as run

from deepvis_toolbox.settings.loading import load_settings
from deepvis_toolbox.settings.sections import Settings

__all__ = ["Settings", "load_settings"]

if __name__ == "__main__":
    run()
