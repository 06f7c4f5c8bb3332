"""The command `deepvis`: the live window, on this screen or in browsers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.installation import pip_install
from deepvis_toolbox.live import toolbox_command

if TYPE_CHECKING:
    from deepvis_toolbox.live.start import StartOptions
    from deepvis_toolbox.live.web_flags import WebOptions


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command as the arguments say; return the exit status."""
    return toolbox_command.main(arguments, serve)


def serve(options: StartOptions, web: WebOptions) -> None:
    """Show the window in browsers until a signal ends it. `ToolboxError` where what that takes is not installed."""
    check_installed("--web")
    from deepvis_toolbox.web.start import run_web

    run_web(options, web)


def check_installed(what: str) -> None:
    """Raise `ToolboxError` where the extra `web` is not installed, which `what` needs."""
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        install = " ".join([pip_install("starlette"), "uvicorn", "websockets"])
        raise ToolboxError(f"{what} needs {error.name}, which is not installed; run: {install}") from None
