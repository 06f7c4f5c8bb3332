"""A model folder of a user's own: opened by its path, and by its name where DEEPVIS_MODELS lists its parent."""

from __future__ import annotations

import pytest

from .conftest import NAME_A_MODEL


@pytest.mark.parametrize("how", ["nets/mine", "nets/mine/model.yaml", "mine"])
def test_a_command_opens_a_model_by_its_folder_its_file_or_its_name(users, how: str) -> None:
    (users.path / "nets").mkdir()
    (users.path / "small").rename(users.path / "nets/mine")
    done = users.run(
        "optimize_image.py", "--model", how, "--device", "cpu", "--units", "4:0", "--max-iter", "2", "--quiet",
        "--output", "store", DEEPVIS_MODELS="nowhere:nets",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("1 picture made")


@pytest.mark.parametrize("command", NAME_A_MODEL)
def test_help_lists_the_program_s_models_and_the_user_s(users, command: str) -> None:
    (users.path / "small").rename(users.path / "quirkynet")
    told = users.run(command, "--help", DEEPVIS_MODELS=str(users.path)).stdout
    assert "efficientnet-lite0" in told
    assert "quirkynet" in told
    assert "quirkynet" not in users.run(command, "--help", DEEPVIS_MODELS="").stdout


def test_an_unknown_model_is_told_with_the_user_s_among_the_known_ones(users) -> None:
    done = users.run("settings.py", "--model", "smal", DEEPVIS_MODELS=str(users.path))
    assert done.returncode == 2
    assert 'there is no model "smal"; did you mean "small"?' in done.stderr


def test_the_program_s_model_comes_before_one_of_the_same_name(users) -> None:
    users.write("squeezenet/model.yaml", "name: not me\nfactory: small_network:make\ninput: {size: 16}\n")
    program = """
import json
from deepvis_toolbox.installation import MODELS
from deepvis_toolbox.opening.model_folder import model_path
import os
os.environ["DEEPVIS_MODELS"] = os.getcwd()
print(json.dumps([model_path("squeezenet") == MODELS / "squeezenet/model.yaml", str(model_path("small"))]))
"""
    is_ours, small = users.python(program)
    assert is_ours
    assert small == str(users.path / "small/model.yaml")
