"""Which files hold a picture's results: in the store that the window reads, or under the original program's names."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from deepvis_toolbox.errors import ToolboxError
from deepvis_toolbox.optimize.method.ascent_settings import AscentSettings
from deepvis_toolbox.optimize.method.composites import Composite
from deepvis_toolbox.optimize.method.preferred import AscentTask
from deepvis_toolbox.optimize.method.targets import Direction, LikePicture, Target
from deepvis_toolbox.unit_images.file_names import file_name_of
from deepvis_toolbox.unit_images.store import UnitImageStore
from deepvis_toolbox.words.unit import Place, Unit
from deepvis_toolbox.words.unit_image_kinds import UnitImageKind

KIND: UnitImageKind = "regularized_opt"
DEFAULT_TEMPLATE = "%(p.push_layer)s_%(p.push_channel)04d_%(p.rand_seed)d"
LONGEST_NAME = 200
_LIKE_ANOTHER = re.compile(r"\d|like-|direction-", re.IGNORECASE)
_NUMBER_OF_CHANNEL = re.compile(r"%\(p\.push_channel\)[-+ #0-9.]*[di]")


class PictureFiles(Protocol):
    """Names the files of a picture."""

    suffix: str
    """Of the pictures: `.png` or `.jpg`."""
    suffixes: tuple[str, ...]
    """What it may be here, in other runs."""

    def path(self, picture: AscentTask, what: str, suffix: str) -> Path:
        """Return where the `what` of a picture is kept: `best_X`, `best_Xpm`, `info`, …"""


class StoreFiles:
    """`<store>/regularized_opt/<layer>/<layer>_<unit:04d>_<group>_<place>_s<seed:04d>_<what>`.

    What is at its default place has no `<place>`, and only runs that are compared have a `<group>`. A direction or a
    picture to match has no unit; its name stands there.
    """

    suffixes: tuple[str, ...] = (".png", ".jpg")

    def __init__(
        self, store: UnitImageStore, default_place: Callable[[str], Place], suffix: str = ".png", group: str = ""
    ) -> None:
        """`default_place` gives a layer's: (row, column), `"mean"` for tokens, or None for a flat one."""
        self.store, self.suffix, self._default_place = store, suffix, default_place
        self.group = file_name_of(group).replace("%", "-")

    def path(self, picture: AscentTask, what: str, suffix: str) -> Path:
        """Do as the protocol says."""
        return self.named(picture.target, f"{self.tag(picture.target)}s{picture.seed:04d}_{what}", suffix)

    def named(self, target: Target, end: str, suffix: str = ".jpg") -> Path:
        """Return a file of the target whose name ends so."""
        if isinstance(target, Unit):
            return self.store.single_path(KIND, target, end, suffix)
        name = _name_of(target)
        return self.store.layer_folder(KIND, target.layer) / f"{file_name_of(target.layer)}_{name}_{end}{suffix}"

    def tag(self, target: Target) -> str:
        """Return what comes before the seed: empty for a target at its default place, else such as `mean_` or
        `p3-7_`."""
        return f"{self.group}_{self.place(target)}" if self.group else self.place(target)

    def place(self, target: Target) -> str:
        """Return the part of the tag that says where; empty at the default place."""
        if isinstance(target, LikePicture | Composite) or target.place == self._default_place(target.layer):
            return ""
        return f"p{target.place[0]}-{target.place[1]}_" if isinstance(target.place, tuple) else "mean_"


def _name_of(target: Direction | LikePicture | Composite) -> str:
    """Return what stands in file names for a unit's number; it is never such a number or another kind's name."""
    if isinstance(target, LikePicture):
        return file_name_of(f"like-{target.name}")
    return file_name_of(f"direction-{target.name}" if _LIKE_ANOTHER.match(target.name) else target.name)


class PrefixFiles:
    """`<prefix>_<template>_<what>`, as the original program: the template is Python's % formatting of its names."""

    suffix = ".jpg"
    suffixes: tuple[str, ...] = (suffix,)

    def __init__(self, prefix: str, template: str, settings: AscentSettings) -> None:
        """Raise `ToolboxError` where the template asks for a name that does not exist."""
        self._prefix, self._template, self._settings = prefix, template, settings
        self.path(AscentTask(Unit("layer", 0), 0), "best_X", ".jpg")

    def path(self, picture: AscentTask, what: str, suffix: str) -> Path:
        """Do as the protocol says."""
        values, template = self._values(picture), self._template
        if not isinstance(picture.target, Unit):  # it has a name where units have a number
            template = _NUMBER_OF_CHANNEL.sub("%(p.push_channel)s", template)
        try:
            name = template % {f"p.{key}": value for key, value in values.items()}
        except (KeyError, ValueError, TypeError) as error:
            names = ", ".join(f"%(p.{key})s" for key in values)
            raise ToolboxError(
                f'the output template "{self._template}" is wrong at {error}; there are {names}'
            ) from error
        if len(name) > LONGEST_NAME:
            raise ToolboxError(f'the output template "{self._template}" makes names of {len(name)} letters')
        return Path(f"{self._prefix}_{name}_{what}{suffix}")

    def _values(self, picture: AscentTask) -> dict[str, Any]:
        """Return the original's parameter names."""
        target = picture.target
        place = getattr(target, "place", None)
        numbers = {key: value for key, value in self._settings.as_record().items() if not isinstance(value, dict)}
        return {
            **{
                key: str(value).replace("/", "-") if isinstance(value, str) else value for key, value in numbers.items()
            },
            "push_layer": file_name_of(target.layer),
            "push_channel": target.channel if isinstance(target, Unit) else self._name(target),
            "push_spatial": "-".join(map(str, place)) if isinstance(place, tuple) else str(place),
            "rand_seed": picture.seed,
        }

    @staticmethod
    def _name(target: Direction | LikePicture | Composite) -> str:
        """As the original, a picture's own name; unless a unit's number would look like it."""
        return _name_of(target) if _LIKE_ANOTHER.match(target.name) else file_name_of(target.name)
