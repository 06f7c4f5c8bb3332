"""The example of CONTRIBUTING.md runs as it stands there."""

from __future__ import annotations

import re

import numpy as np

from .conftest import ROOT


def test_the_example_of_a_file_of_one_s_own_adds_the_regularizer_that_it_says(users) -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    (example,) = re.findall(r"```python\n(# warm\.py\n.*?)```", page, re.DOTALL)
    users.write("warm.py", example)
    done = users.optimize(
        "--extend", "warm.py", "--warmth", "0.5", "--lr-params", "{lr: 0}", "--start-at", "mean", "--max-iter", "4",
        "--output", "store",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    np.testing.assert_allclose(users.arrays("store")["last"][0], 1.5, atol=1e-5)
    told = " ".join(users.run("optimize_image.py", "--extend", "warm.py", "--help").stdout.split())
    assert "--warmth X pixel values added to red at every step (default 0: off)" in told
