"""How sources are opened: what a user may set about them."""

from __future__ import annotations

from pydantic import Field

from deepvis_toolbox.settings.sections import SourceSettings


class SourceOptions(SourceSettings):
    """The settings' section `sources`, of which every source takes what concerns it."""

    realtime: bool = Field(
        True, description="Videos and the demo run at their own rate, a camera's newest frame wins; else all in order"
    )
