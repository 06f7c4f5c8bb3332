"""Whether a window can be opened here, and one sentence that says why not."""

from __future__ import annotations

import ctypes
import logging
import os
import sys
from importlib import metadata
from pathlib import Path

import cv2

from deepvis_toolbox.errors import ToolboxError

_log = logging.getLogger(__name__)
_HEADLESS_HINT = "or start with --headless --snapshot out.png"


def check_display() -> None:
    """Raise `ToolboxError` where OpenCV cannot open a window: built without one, shadowed, or no display."""
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
    if sys.platform.startswith("linux"):
        _check_linux_display()


def _check_linux_display() -> None:
    """Qt ends the program where it cannot connect, or has no such platform, so both are seen to first."""
    platforms = Path(cv2.__file__).parent / "qt" / "plugins" / "platforms"
    needs_x = platforms.is_dir()  # OpenCV's wheels: their Qt speaks X only
    display = os.environ.get("DISPLAY")
    if needs_x:
        _choose_platform(platforms)
    elif os.environ.get("QT_QPA_PLATFORM", "xcb") != "xcb" or os.environ.get("WAYLAND_DISPLAY"):
        return
    if not display:
        wayland = ", and OpenCV's windows need X11 or Xwayland" if os.environ.get("WAYLAND_DISPLAY") else ""
        why = f"DISPLAY is not set{wayland}"
        raise ToolboxError(f"there is no display ({why}): start it on a desktop, {_HEADLESS_HINT}")
    if not _answers(display):
        raise ToolboxError(
            f'the display "{display}" (DISPLAY) does not answer or refuses us: start it on a desktop, {_HEADLESS_HINT}'
        )


def _choose_platform(platforms: Path) -> None:
    """Let a platform that the environment asks for, and that this Qt does not have, give way to X11.

    Desktops ask for `wayland` for all their programs; their Xwayland shows X11's windows.
    """
    asked = os.environ.get("QT_QPA_PLATFORM", "")
    names = [name.partition(":")[0] for name in asked.split(";")]
    if asked and not any((platforms / f"libq{name}.so").is_file() for name in names):
        _log.debug("QT_QPA_PLATFORM=%s is not in OpenCV's Qt; its window is opened with X11", asked)
        os.environ["QT_QPA_PLATFORM"] = "xcb"


def _answers(display: str) -> bool:
    """Return whether a connection to the X server can be made; taken for granted where there is no libxcb to try it
    with."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = [ctypes.c_void_p]
    connection = xcb.xcb_connect(os.fsencode(display), None)
    failed = bool(xcb.xcb_connection_has_error(connection))
    xcb.xcb_disconnect(connection)
    return not failed


def opencv_packages() -> list[str]:
    """Return the installed Python packages that bring a `cv2` module; more than one shadow each other."""
    names = {(package.metadata["Name"] or "").lower().replace("_", "-") for package in metadata.distributions()}
    return sorted(name for name in names if name.startswith("opencv-") and "python" in name)
