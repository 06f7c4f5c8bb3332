"""Lets the live window look at a module while it is trained: three lines in the training script.

    from deepvis_toolbox import watch

    with watch(model, port=8765) as view:        # python run_toolbox.py --model my_script:make --watch localhost:8765
        for step in range(steps):
            …
            view.update(step)

While nobody looks, `update` costs one look at a flag. While somebody does, it copies the weights, at most every
`seconds`; sending them is done by a thread.
"""

from __future__ import annotations

import io
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from deepvis_toolbox.errors import ToolboxError, os_reason_of

if TYPE_CHECKING:
    import torch
    from torch import nn

LOCAL = "127.0.0.1"
WEIGHTS = "/weights"
"""What is asked for; the answer is a file as torch.save writes it."""
STEP = "X-Step"
"""The answer's header that holds the step of the training."""
PATIENCE = 20.0
"""Seconds that a question waits for the next step; then the answer is that there are no other weights yet."""


def watch(model: nn.Module, port: int = 8765, seconds: float = 1.0) -> TrainingView:
    """Return what shows a module's weights to a live window on this machine, from now until it is closed.

    `port`: where the window asks, 0 for any that is free (`view.port` says which); only programs on this machine can.
    `seconds`: at least so long lies between two copies of the weights. Raises `ToolboxError` where the port is taken.
    """
    return TrainingView(model, port, seconds)


class TrainingView:
    """The weights of a module in training, for whoever asks. A context manager; `update` belongs to one thread."""

    def __init__(self, model: nn.Module, port: int, seconds: float) -> None:
        self._model, self._seconds = model, seconds
        self._wanted, self._changed = threading.Event(), threading.Condition()
        self._state: tuple[str, dict[str, torch.Tensor]] | None = None
        self._number = 0
        self._copied_at = -float("inf")
        self._closed = False
        try:
            self._server = ThreadingHTTPServer((LOCAL, port), _handler_of(self))
        except (OSError, OverflowError) as error:
            why = os_reason_of(error) if isinstance(error, OSError) else "a port is 0 to 65535"
            raise ToolboxError(f"the training cannot be watched at port {port}: {why}") from None
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        """Where the window asks: `--watch localhost:PORT`."""
        threading.Thread(target=self._server.serve_forever, name="training view", daemon=True).start()

    def update(self, step: object = "") -> None:
        """Show the weights as they are now, where somebody waits for them. `step`: what the window calls them."""
        if not self._wanted.is_set() or time.monotonic() - self._copied_at < self._seconds:
            return
        copied = {name: value.detach().cpu().clone() for name, value in self._model.state_dict().items()}
        self._copied_at = time.monotonic()
        with self._changed:
            self._state, self._number = (str(step), copied), self._number + 1
            self._wanted.clear()
            self._changed.notify_all()

    def close(self) -> None:
        """Answer nobody any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> TrainingView:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def next_weights(self) -> tuple[str, bytes] | None:
        """Return (step, file) of the next update, or None where none came in time; called in the server's threads."""
        import torch

        with self._changed:
            seen = self._number
            self._wanted.set()
            self._changed.wait_for(lambda: self._number != seen or self._closed, PATIENCE)
            if self._number == seen or self._state is None:
                return None
            step, state = self._state
        buffer = io.BytesIO()
        torch.save(state, buffer)
        return step, buffer.getvalue()


def _handler_of(view: TrainingView) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host = (self.headers.get("Host") or "").rpartition(":")[0]
            if host not in (LOCAL, "localhost"):  # a page in a browser that was led here by another name
                self.send_error(HTTPStatus.FORBIDDEN)
            elif self.path != WEIGHTS:
                self.send_error(HTTPStatus.NOT_FOUND)
            else:
                self._answer(view.next_weights())

        def _answer(self, found: tuple[str, bytes] | None) -> None:
            if found is None:
                self.send_response(HTTPStatus.NO_CONTENT)
                self.end_headers()
                return
            step, file = found
            self.send_response(HTTPStatus.OK)
            self.send_header(STEP, step.encode("ascii", "replace").decode().replace("\r", " ").replace("\n", " "))
            self.send_header("Content-Length", str(len(file)))
            self.end_headers()
            self.wfile.write(file)

        def log_message(self, *_: Any) -> None:
            """Say nothing: the training script's terminal is its own."""

    return Handler
