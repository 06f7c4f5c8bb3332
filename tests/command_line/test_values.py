"""How values on the command line are read, and what is said of a wrong one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deepvis_toolbox import ToolboxError
from deepvis_toolbox.command_line import values


@pytest.mark.parametrize(
    ("reader", "text", "value"),
    [
        (values.size, "227", 227),
        (values.size, "224x320", (224, 320)),
        (values.size, "224X320", (224, 320)),
        (values.size, "224,320", (224, 320)),
        (values.size, "(224, 320)", (224, 320)),
        (values.numbers, "-3", -3.0),
        (values.numbers, "104,117.5,123", [104, 117.5, 123]),
        (values.numbers, "[104, 117, 1e2]", [104, 117, 100]),
        (values.numbers_or_file, "mean.npy", "mean.npy"),
        (values.numbers_or_file, "1,2,3", [1, 2, 3]),
        (values.number, "1e8", 1e8),
        (values.number, "150", 150),
        (values.parameters, "{'max_lr': 1e8, 'desired_prog': 2}", {"max_lr": 1e8, "desired_prog": 2}),
        (values.parameters, "{lr: 1e3}", {"lr": 1e3}),
        (values.place, "(6,7)", (6, 7)),
        (values.place, "6, 7", (6, 7)),
        (values.place, "None", None),
        (values.seeds, "0-3,7,2", [0, 1, 2, 3, 7]),
        (values.part, "1/4", (1, 4)),
        (values.whole_number, "0", 0),
        (values.auto_or_positive, "auto", "auto"),
        (values.auto_or_positive, "12", 12),
        (values.channel_order, "(2,1,0)", "BGR"),
        (values.channel_order, "0,1,2", "RGB"),
        (values.device, "CUDA:1", "cuda:1"),
        (values.addresses, "conv1,x:3", ["conv1,x:3"]),
        (values.addresses, "a:all,b:0@1,2,c:3-4,7", ["a:all", "b:0@1,2", "c:3-4,7"]),
        (values.addresses, "a:1@2,3 - b:0@0-1,2-5 + c@deepdream,d:1", ["a:1@2,3 - b:0@0-1,2-5 + c@deepdream", "d:1"]),
    ],
)
def test_a_value_is_read_as_people_write_it(reader: Callable[[str, str], Any], text: str, value: Any) -> None:
    found = reader(text, "--flag")
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("reader", "text"),
    [
        *[(values.size, text) for text in ("big", "0", "224x0", "1x2x3", "(6,)", "-3", "2.5", "", "9" * 40)],
        *[(values.numbers, text) for text in ("a", "1,,2", "nan", "inf", "1 2", "()")],
        *[(values.number, text) for text in ("much", "True", "[1]", "9" * 5000)],
        *[(values.parameters, text) for text in ("5", "__import__('os')", "[1]")],
        *[(values.place, text) for text in ("(6,)", "6", "a,b", "(1,2,3)", "-1,2")],
        *[(values.seeds, text) for text in ("8-0", "x", "", "0-", "0-99999999", "-1", "9" * 20)],
        *[(values.part, text) for text in ("4/4", "1", "1/0", "a/b", "-1/3")],
        *[(values.positive, text) for text in ("0", "-1", "x", "1.5", "", "9" * 30, "٣")],
        *[(values.up_to(9), text) for text in ("10", "0")],
        *[(values.auto_or_positive, text) for text in ("0", "most")],
        *[(values.channel_order, text) for text in ("(1,2,3)", "([0],1,2)", "BGR")],
        (values.device, "gpu"),
        (values.addresses, ""),
    ],
)
def test_a_wrong_value_is_one_sentence_that_names_the_flag(reader: Callable[[str, str], Any], text: str) -> None:
    with pytest.raises(ToolboxError, match="--flag") as caught:
        reader(text, "--flag")
    assert "\n" not in str(caught.value)


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite | st.lists(finite, min_size=2, max_size=4))
@settings(deadline=None)
def test_numbers_are_written_so_that_they_are_read_back(value: Any) -> None:
    assert values.numbers(values.written(value), "--mean") == value


@given(st.integers(1, 10**8) | st.tuples(st.integers(1, 10**8), st.integers(1, 10**8)))
@settings(deadline=None)
def test_sizes_are_written_so_that_they_are_read_back(value: Any) -> None:
    assert values.size(values.written(value), "--input-size") == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("010", 10), ("08", 8), ("1:30", "1:30"), ("0x10", "0x10"), ("1_0", "1_0"), ("1e3", 1000.0), ("-1", -1),
        ("{lr: 010, late: 1e8}", {"lr": 10, "late": 1e8}), ("[010, 07]", [10, 7]), ("(6,6)", (6, 6)),
        ("{'lr': 100.0}", {"lr": 100.0}), ("yes", "yes"), ("true", True),
    ],
)  # fmt: skip
def test_numbers_of_flags_are_decimal(text: str, value: object) -> None:
    found = values.value_of(text)
    assert found == value
    assert type(found) is type(value)
