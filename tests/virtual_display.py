"""An X server without a screen, for windows that nobody looks at."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SCREEN = "1600x1000x24"


class Display:
    """An X server without a screen; its picture lies in a file."""

    def __init__(self, folder: Path) -> None:
        read, write = os.pipe()
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(write), "-screen", "0", SCREEN, "-nocursor", "-noreset", "-fbdir", str(folder)],
            pass_fds=[write],
            stderr=subprocess.DEVNULL,
        )
        os.close(write)
        with os.fdopen(read) as pipe:
            self.name = f":{pipe.readline().strip()}"
        self._file = folder / "Xvfb_screen0"

    def picture(self) -> NDArray[np.uint8]:
        """What is on the display now, RGB H×W×3."""
        data = np.memmap(self._file, np.uint8, "r")
        header = data[:100].view(">u4")
        height, line, start = int(header[5]), int(header[12]), int(header[0] + header[19] * 12)
        pixels = data[start : start + height * line].reshape(height, line // 4, 4)
        return np.ascontiguousarray(pixels[:, : int(header[4]), 2::-1])

    def xdotool(self, *arguments: str) -> None:
        subprocess.run(["xdotool", *arguments], check=True, env={**os.environ, "DISPLAY": self.name}, timeout=30)

    def close(self) -> None:
        self._server.terminate()
        self._server.wait()
