"""Whether a picture's colour and contrast are as photographs', in words."""

import pytest

from deepvis_toolbox.unit_images.naturalness import PHOTOGRAPHS, Naturalness
from deepvis_toolbox.unit_images.numbers import UnitNumbers


@pytest.mark.parametrize(
    ("colour", "contrast", "said"),
    [
        (40, 50, "natural"),
        (7.1, 80.1, "natural"),
        (7, 50, "grey"),
        (86, 50, "garish"),
        (40, 32, "flat"),
        (2, 81, "grey, harsh"),
    ],
)
def test_what_lies_outside_of_the_range_of_photographs_is_said(colour, contrast, said):
    assert PHOTOGRAPHS.said_of(Naturalness(colour, contrast)) == said
    numbers = UnitNumbers(picture_sha256="0" * 64, colour=colour, contrast=contrast, reached=3.0, natural=2.0)
    assert numbers.short == f"1.5× · {said}"
    assert numbers.model_copy(update={"colour": None}).short == "1.5×"
