"""What keys and clicks order: done once, by whoever it concerns."""

from __future__ import annotations

from dataclasses import dataclass

from deepvis_toolbox.words.unit import Unit


@dataclass
class Orders:
    """What is to be done; whoever does it clears it."""

    switch_source: int = 0
    """How many sources to move on."""
    picture_steps: int = 0
    """Pictures to move on (or back, below zero)."""
    grow: frozenset[Unit] = frozenset()
    """Units whose preferred images are to be made, while they are selected."""
    screenshot: bool = False
    toggle_recording: bool = False
    """A film of the window is to begin, or to end."""
    save_values: bool = False
    """The shown layer's values are to be saved as arrays."""
    quit: bool = False
