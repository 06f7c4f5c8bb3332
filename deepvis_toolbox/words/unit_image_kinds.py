"""The kinds of pictures that a unit has on disk, and how its montages are laid out."""

from __future__ import annotations

from typing import Literal, get_args

UnitImageKind = Literal["regularized_opt", "max_im", "max_deconv"]
"""`regularized_opt`: preferred images; `max_im`: top images of a data set; `max_deconv`: deconv of the top images."""

UNIT_IMAGE_KINDS: tuple[UnitImageKind, ...] = get_args(UnitImageKind)

MontageLayout = Literal["1x1", "2x2"]
"""`1x1`: a montage is the nine pictures; `2x2`: four such montages, as in the published archives' preferred images."""

MONTAGE_LAYOUTS: tuple[MontageLayout, ...] = get_args(MontageLayout)
