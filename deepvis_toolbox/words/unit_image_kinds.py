"""The kinds of pictures that a unit has on disk."""

from __future__ import annotations

from typing import Literal, get_args

UnitImageKind = Literal["regularized_opt", "max_im", "max_deconv"]
"""`regularized_opt`: preferred images; `max_im`: top images of a data set; `max_deconv`: deconv of the top images."""

UNIT_IMAGE_KINDS: tuple[UnitImageKind, ...] = get_args(UnitImageKind)
