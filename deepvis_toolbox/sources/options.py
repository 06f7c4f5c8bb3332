"""How sources are opened: what a user may set about them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SourceOptions:
    """Every source takes from this what concerns it."""

    camera_width: int | None = None
    """Pixels; the camera takes the nearest size it has. None: the camera's own choice."""
    camera_height: int | None = None
    camera_fps: float | None = None
    """Frames a second asked of the camera."""
    mirror: bool = True
    """Cameras are shown left-right reversed, as people expect of a mirror."""
    loop: bool = True
    """A video starts again after its last frame."""
    demo_speed: float = 1.0
    """How fast the demo moves; 2 is twice as fast."""
    realtime: bool = True
    """True: videos and the demo run at their own rate, and a camera's newest frame wins. False (headless): every frame
    in order, as fast as it is read."""
