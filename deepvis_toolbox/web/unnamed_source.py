"""Sources that no command line names: the server makes them itself."""

from __future__ import annotations

from typing import Self

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.sources.options import SourceOptions
from deepvis_toolbox.sources.source import Source


class UnnamedSource(Source):
    """A source without a form. Abstract."""

    @classmethod
    def claims(cls, text: str) -> bool:  # noqa: ARG003
        """Return False: nothing means it."""
        return False

    @classmethod
    def open(cls, text: str, options: SourceOptions) -> Self:  # noqa: ARG003
        """Raise `ToolboxError`: nothing means it."""
        raise ToolboxError("no text means this source")
