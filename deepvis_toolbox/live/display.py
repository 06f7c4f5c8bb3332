"""Whether a window can be opened here, and one sentence that says why not."""

from __future__ import annotations

import os
import sys
from importlib import metadata

import cv2

from deepvis_toolbox.errors import ToolboxError

_HEADLESS_HINT = "or start with --headless --snapshot out.png"


def check_display() -> None:
    """Raises `ToolboxError` where OpenCV cannot open a window: built without one, shadowed, or no display."""
    packages = opencv_packages()
    framework = cv2.currentUIFramework() if hasattr(cv2, "currentUIFramework") else ""
    if len(packages) > 1:
        raise ToolboxError(
            f"{' and '.join(packages)} are both installed and overwrite each other's files; "
            f"run: pip uninstall -y {' '.join(packages)} && pip install opencv-python"
        )
    if not framework:
        here = packages[0] if packages else "opencv-python"
        raise ToolboxError(
            f"this OpenCV ({here} {cv2.__version__}) was built without windows; "
            f"run: pip uninstall -y {here} && pip install opencv-python; {_HEADLESS_HINT}"
        )
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise ToolboxError(f"there is no display (DISPLAY is not set): start it on a desktop, {_HEADLESS_HINT}")


def opencv_packages() -> list[str]:
    """The installed Python packages that bring a `cv2` module; more than one shadow each other."""
    names = {(package.metadata["Name"] or "").lower().replace("_", "-") for package in metadata.distributions()}
    return sorted(name for name in names if name.startswith("opencv-") and "python" in name)
