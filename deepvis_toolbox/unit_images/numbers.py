"""Numbers beside preferred images: how far to trust them, kept in a file of the store, each for one picture's bytes.

The file may have come with an archive from anybody. What is not as it must be counts as not there.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deepvis_toolbox.atomic_files import write_json
from deepvis_toolbox.errors import reason_of
from deepvis_toolbox.regular_file import open_regular, read_json
from deepvis_toolbox.unit_images.naturalness import PHOTOGRAPHS, Naturalness
from deepvis_toolbox.words.unit import Unit

if TYPE_CHECKING:
    from deepvis_toolbox.unit_images.store import UnitImageStore

_log = logging.getLogger(__name__)
NUMBERS = "numbers.json"
"""The file, in the folder of a store's preferred images."""
FORMAT = 1
LARGEST_NUMBERS = 16 << 20
MOST_JUDGES = 16
BETWEEN = " · "
"""What stands between the numbers in a caption."""
LONGEST_NAME = 200
_LARGEST = 1e30
_Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
_Value = Annotated[float, Field(ge=-_LARGEST, le=_LARGEST)]


class JudgeNumbers(BaseModel):
    """What another network makes of a class's picture."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    rank: int = Field(ge=0, le=1 << 31)
    """Of the meant class among the judge's: 0 is the likeliest."""
    probability: float = Field(ge=0, le=1)
    """Of the meant class."""
    said: str = Field(max_length=LONGEST_NAME)
    """The judge's likeliest class."""


class UnitNumbers(BaseModel):
    """What is known of a unit's preferred image; None or empty where it is not known."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False)

    picture_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    """Of the file that was judged: the numbers count as long as it is the same."""
    reached: _Value | None = None
    """The unit's activation on the picture, as its record says, or on the picture as it is kept."""
    natural: _Value | None = None
    """The unit's largest activation on photographs; the store keeps it of the unit, whatever its picture."""
    transfer: dict[_Name, JudgeNumbers] = Field(default_factory=dict, max_length=MOST_JUDGES)
    """By the judges' names."""
    path_similarity: float | None = Field(None, ge=-1e6, le=1e6)
    """Of the layers' activations to those of the unit's top photographs: 1 as alike as these to each other, 0 as random
    ones."""
    colour: float | None = Field(None, ge=0, le=255)
    contrast: float | None = Field(None, ge=0, le=255)

    @property
    def over_natural(self) -> float | None:
        """The activation reached over the best photograph's; None where one is unknown, or that is not positive."""
        if self.reached is None or self.natural is None or self.natural <= 0:
            return None
        return self.reached / self.natural

    @property
    def look(self) -> str:
        """Whether colour and contrast are as photographs': `natural`, `grey`, …; empty where they are not known."""
        if self.colour is None or self.contrast is None:
            return ""
        return PHOTOGRAPHS.said_of(Naturalness(self.colour, self.contrast))

    @property
    def short(self) -> str:
        """For a caption, the most telling first: what is reached over the best photograph, the judges' mean probability
        of the class, whether colour and contrast are as photographs', and path similarity, as `1.3× · 93% · natural ·
        path 0.48`; empty where nothing is known of these."""
        share = self.over_natural
        parts = [] if share is None else [f"{share:.2g}×" if share < 9.95 else f"{share:.0f}×"]
        if self.transfer:
            parts.append(f"{sum(each.probability for each in self.transfer.values()) / len(self.transfer):.0%}")
        if self.look:
            parts.append(self.look)
        if self.path_similarity is not None:
            parts.append(f"path {self.path_similarity:.2f}")
        return BETWEEN.join(parts)


def picture_hash(path: Path) -> str:
    """Return the SHA-256 of a picture's file, in hexadecimal. OSError where it cannot be read."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def numbers_path(store: UnitImageStore) -> Path:
    """Return where a store's numbers are written."""
    return store.folder / "regularized_opt" / NUMBERS


def numbers_of(store: UnitImageStore, unit: Unit) -> UnitNumbers | None:
    """Return what is known of how far to trust the unit's preferred images; None where nothing is."""
    owner = store.owning_unit(unit)
    files = store.files("regularized_opt", owner)
    places = [numbers_path(each) for each in (store, store.shipped) if each is not None] if files else []
    found = next((each for place in places if (each := _read_unit(place, str(owner), files[0])) is not None), None)
    return found and found.model_copy(update={"natural": natural_of(store, owner)})


def natural_of(store: UnitImageStore, unit: Unit) -> float | None:
    """Return the unit's largest activation on photographs, wherever it was; None where it is not known. No mean over a
    channel can be put beside it: None, too."""
    if unit.place == "mean":
        return None
    owner = str(store.owning_unit(Unit(unit.layer, unit.channel)))
    for each in (store, store.shipped):
        value = _read(numbers_path(each))[1].get(owner) if each is not None else None
        if isinstance(value, int | float) and not isinstance(value, bool) and -_LARGEST <= value <= _LARGEST:
            return float(value)
    return None


def _read_unit(path: Path, unit: str, picture: Path) -> UnitNumbers | None:
    """Return what a file of numbers says of a unit (an address such as `fc:9`), whose picture is in this file.

    None where it says nothing of it, or of another picture, or is damaged.
    """
    found = _read(path)[0].get(unit)
    if found is None:
        return None
    try:
        numbers = UnitNumbers.model_validate(found, strict=True)
        return numbers if numbers.picture_sha256 == picture_hash(picture) else None
    except (ValidationError, OSError, OverflowError) as error:
        _log.warning('"%s" is damaged at %s (%s)', path, unit, _reason(error))
        return None


def add_numbers(
    store: UnitImageStore, numbers: Mapping[Unit, UnitNumbers], natural: Mapping[Unit, float] | None = None
) -> None:
    """Write units' numbers, and their largest activations on photographs, beside what is there of others.

    A file that says all that already stays as it is. `ToolboxError` where that is impossible.
    """
    known = _read(numbers_path(store))
    units, largest = dict(known[0]), dict(known[1])
    units |= {str(unit): each.model_dump(exclude={"natural"}, exclude_defaults=True) for unit, each in numbers.items()}
    largest |= {str(unit): value for unit, value in (natural or {}).items()}
    if (units, largest) != known:
        write_json(numbers_path(store), {"format": FORMAT, "natural": largest, "units": units})


def complete_numbers(store: UnitImageStore, numbers: Mapping[Unit, UnitNumbers], natural: Mapping[Unit, float]) -> None:
    """As `add_numbers`; but what is known already of the same picture, or of the unit on photographs, stays."""
    units, largest = _read(numbers_path(store))
    whole = {unit: _completed(units.get(str(unit)), own) for unit, own in numbers.items()}
    add_numbers(store, whole, {unit: value for unit, value in natural.items() if str(unit) not in largest})


def _completed(former: Any, own: UnitNumbers) -> UnitNumbers:
    try:
        known = UnitNumbers.model_validate(former, strict=True)
    except (ValidationError, OverflowError):
        return own
    if known.picture_sha256 != own.picture_sha256:
        return own
    of_both = {**own.transfer, **known.transfer}
    return own.model_copy(update={**known.model_dump(exclude_defaults=True), "transfer": of_both})


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the entries by unit, and the largest activations on photographs by unit, not yet checked."""
    try:
        record = read_json(path, LARGEST_NUMBERS)
    except FileNotFoundError:
        return {}, {}
    except (OSError, ValueError, RecursionError) as error:
        _log.warning('"%s" is damaged (%s)', path, reason_of(error))
        return {}, {}
    if isinstance(record, dict) and record.get("format") == FORMAT:
        units, natural = record.get("units"), record.get("natural")
        if isinstance(units, dict) and isinstance(natural, dict):
            return units, natural
    _log.warning('"%s" is damaged, or of another version', path)
    return {}, {}


def _reason(error: Exception) -> str:
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return reason_of(error)
