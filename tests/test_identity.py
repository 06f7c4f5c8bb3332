"""Checks what tells two pieces of work apart, against what a JSON file gives back."""

from __future__ import annotations

import json

from deepvis_toolbox.identity import first_difference

WANTED = {"network": {"name": "net", "size": (3, 8)}, "settings": {"lr": {"max": 1.0}, "steps": 5}}


def test_an_identity_is_equal_to_what_a_file_gives_back_of_it() -> None:
    there = json.loads(json.dumps(WANTED))
    assert first_difference(there, WANTED) is None
    assert first_difference(there, WANTED, depth=2) is None
    assert first_difference({**there, "more": 1}, WANTED) is None, "a later version may say more"


def test_the_first_difference_is_named_as_deep_as_asked() -> None:
    there = {"network": WANTED["network"], "settings": {"lr": {"max": 1.0, "min": 0.5}, "steps": 6}}
    assert first_difference(there, WANTED) == ("settings", there["settings"], WANTED["settings"])
    assert first_difference(there, WANTED, depth=2) == ("lr", {"max": 1.0, "min": 0.5}, {"max": 1.0})


def test_what_is_missing_or_of_another_form_differs() -> None:
    assert first_difference({}, WANTED) == ("network", None, WANTED["network"])
    assert first_difference({"network": "net"}, WANTED, depth=2) == ("name", None, "net")
