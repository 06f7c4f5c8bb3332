"""An error as a part of a sentence: always one line with words in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deepvis_toolbox.errors import ToolboxError, os_reason_of, reason_of, sentence_of


@pytest.mark.parametrize(
    ("error", "first", "last"),
    [
        (ValueError("all in one line"), "all in one line", "all in one line"),
        (RuntimeError("\n  Error(s) in loading:\n\tsize mismatch\n"), "Error(s) in loading:", "size mismatch"),
        (MemoryError(), "MemoryError", "MemoryError"),
        (ValueError(" \n "), "ValueError", "ValueError"),
    ],
)
def test_a_reason_is_one_line_and_never_empty(error: Exception, first: str, last: str) -> None:
    assert reason_of(error) == first
    assert reason_of(error, last=True) == last


def test_the_systems_reason_names_no_file_and_is_there_for_errors_without_one(tmp_path: Path) -> None:
    with pytest.raises(OSError) as caught:
        (tmp_path / "missing").read_bytes()
    assert os_reason_of(caught.value) == "No such file or directory"
    assert os_reason_of(OSError("the connection broke off")) == "the connection broke off"  # it has no strerror
    assert os_reason_of(ValueError("embedded null byte")) == "embedded null byte"


def test_a_sentence_says_the_kind_of_what_is_no_users_mistake() -> None:
    assert sentence_of(ToolboxError("choose another folder")) == "choose another folder"
    assert sentence_of(ZeroDivisionError("by zero\nmore")) == "ZeroDivisionError: by zero"
    assert sentence_of(MemoryError()) == "MemoryError"
