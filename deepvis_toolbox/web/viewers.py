"""Who is watching: a window for each, or one for all with those at the controls who have the token for it."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from typing import Any

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.live.layout import key_table
from deepvis_toolbox.web.access import Role
from deepvis_toolbox.web.link import Link
from deepvis_toolbox.web.messages import ChosenSource, Message, Shown
from deepvis_toolbox.web.page_source import CameraPicture, Upload
from deepvis_toolbox.web.viewing import Stage, Viewing

_log = logging.getLogger(__name__)

MESSAGES_A_SECOND, MESSAGES_AT_ONCE = 250.0, 1000.0
"""A page that says more is none of this program's."""
PAGE = "this page: its camera, a picture, a video"


class Full(ToolboxError):  # noqa: N818 - named for what it is about, as the rest of its family
    """As many watch as may."""


class Viewer:
    """One page that is connected."""

    def __init__(self, link: Link, viewing: Viewing) -> None:
        self.link, self.viewing = link, viewing
        self.name = secrets.token_urlsafe(16)
        """By which its uploads are known; told to its page alone."""
        self._left, self._counted_at = MESSAGES_AT_ONCE, time.monotonic()

    @property
    def is_in_control(self) -> bool:
        """Whether what it says counts."""
        return self.link.role == "control"

    def may_speak(self) -> bool:
        """Count a message; return whether it is one too many in this time."""
        now = time.monotonic()
        self._left = min(MESSAGES_AT_ONCE, self._left + (now - self._counted_at) * MESSAGES_A_SECOND) - 1
        self._counted_at = now
        return self._left >= 0

    def take(self, message: Message) -> None:
        """Do what a message says."""
        if isinstance(message, Shown):
            self.link.shown(message.frame)
        elif not self.is_in_control:
            return
        elif isinstance(message, ChosenSource):
            self.viewing.choose_source(message.place)
        else:
            self.viewing.window.take(message)

    def give(self, sent: CameraPicture | Upload) -> None:
        """Take a picture or a file; it becomes the source."""
        self.viewing.give(sent)


class Viewers:
    """Lets pages in and out; called from the server's thread."""

    def __init__(self, stage: Stage, is_shared: bool) -> None:
        self.stage, self.is_shared = stage, is_shared
        settings = stage.options.settings.web
        self.most = settings.watchers if is_shared else settings.viewers
        self._viewers: list[Viewer] = []
        self._viewings: set[Viewing] = set()
        self._changed = threading.Lock()

    def __len__(self) -> int:
        return len(self._viewers)

    def join(self, link: Link) -> Viewer:
        """Let a page in, and tell it what there is. `Full` where as many watch as may."""
        if len(self._viewers) >= self.most:
            raise Full(f"{self.most} are watching already, which is the limit here; try again later")
        viewer = Viewer(link, self.viewing())
        link.tell("hello", viewer=viewer.name, **self._hello(link.role))
        viewer.viewing.window.join(link)
        self._viewers.append(viewer)
        _log.info("%d watching", len(self._viewers))
        return viewer

    def by_name(self, name: str) -> Viewer | None:
        """Return the page of this name; None: there is none."""
        return next((viewer for viewer in self._viewers if secrets.compare_digest(viewer.name, name)), None)

    def leave(self, viewer: Viewer) -> None:
        """Let a page go; a window that belongs to it alone is closed."""
        viewer.viewing.window.leave(viewer.link)
        if viewer in self._viewers:
            self._viewers.remove(viewer)
        if not self.is_shared:
            viewer.viewing.window.close()
        _log.info("%d watching", len(self._viewers))

    def close(self, seconds: float = 1.0) -> bool:
        """Close all windows; False where one is still busy after so many seconds."""
        deadline = time.monotonic() + seconds
        with self._changed:
            viewings = tuple(self._viewings)
        for viewing in viewings:
            viewing.window.close()
        for viewing in viewings:
            viewing.join(max(0.0, deadline - time.monotonic()))
        return not any(viewing.is_alive() for viewing in viewings)

    def viewing(self) -> Viewing:
        """Return the window for one more page: one of its own, or that of all."""
        with self._changed:
            there = next(iter(self._viewings), None) if self.is_shared else None
            if there is None or not there.window.is_open:
                there = Viewing(self.stage, self._ended)
                self._viewings.add(there)
                there.start()
            return there

    def _ended(self, viewing: Viewing) -> None:
        with self._changed:
            self._viewings.discard(viewing)

    def _hello(self, role: Role) -> dict[str, Any]:
        settings = self.stage.options.settings
        return {
            "sources": [*(source.name for source in self.stage.sources), PAGE],
            "control": role == "control",
            "shared": self.is_shared,
            "mirror": settings.sources.mirror,
            "camera width": settings.web.camera_width,
            "upload bytes": settings.web.upload_megabytes << 20,
            "keys": _keys(),
        }


def _keys() -> list[dict[str, Any]]:
    """Return what the help lists: each heading with its keys and what they do."""
    return [
        {"group": group, "keys": [[binding.label, binding.sentence] for binding in bindings]}
        for group, bindings in key_table().groups()
    ]
