"""Settings, presets and step policies: what is accepted, and one clear sentence for everything else."""

import numpy as np
import pytest
import torch

from deepvis_toolbox import AscentSettings, ToolboxError
from deepvis_toolbox.optimize.files.presets import PAPER_PRESETS
from deepvis_toolbox.optimize.method.ascent_settings import settings_from
from deepvis_toolbox.optimize.method.step_policies import STEP_POLICIES, step_policy

PARAMETERS = {
    "constant": {"lr": 100.0},
    "progress": {"max_lr": 50.0, "desired_prog": 2.0},
    "progress01": {"max_lr": 50.0, "early_prog": 0.02, "late_prog_mult": 0.1},
    "adam": {"lr": 2.0},
    "nadam": {"lr": 2.0},
}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"decay": 1.5}, "decay is 1.5"),
        ({"decay": float("nan")}, "finite number"),
        ({"small_norm_percentile": 101}, "between 0 and 100"),
        ({"px_abs_benefit_percentile": -1}, "between 0 and 100"),
        ({"blur_radius": -1}, "between 0 and 1,000"),
        ({"robust": -1}, "must not be negative"),
        ({"blur_radius": "wide"}, "must be a finite number"),
        ({"blur_every": 1.5}, "whole number"),
        ({"max_iter": 0}, "between 1 and"),
        ({"push_dir": 2}, "push_dir is 2"),
        ({"start_at": "randn"}, 'did you mean "randu"'),
        ({"parametrization": "furier"}, 'did you mean "fourier"'),
        ({"lr_policy": "progres"}, 'did you mean "progress"'),
        ({"lr_policy": "progress"}, "needs the parameters max_lr, desired_prog"),
        ({"lr_params": {"lr": "fast"}}, "must be a finite number"),
        ({"lr_params": {"lr": 1.0, "max_lr": 2.0}}, "needs the parameters lr"),
    ],
)
def test_a_value_that_makes_no_sense_is_one_clear_sentence(wrong, says):
    with pytest.raises(ToolboxError) as error:
        AscentSettings(**wrong)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unknown_parameter_names_the_nearest():
    with pytest.raises(ToolboxError, match=r'preset "mine".*did you mean "blur_radius"'):
        settings_from({"blur_radios": 1}, 'preset "mine"')


@pytest.mark.parametrize("name", PAPER_PRESETS)
def test_the_papers_presets_are_valid_and_go_into_a_record(name):
    record = AscentSettings(**PAPER_PRESETS[name]).as_record()
    assert record["max_iter"] == {"paper1": 500, "paper2": 750, "paper3": 1000, "paper4": 1000}[name]


def test_a_start_array_is_named_in_the_record_by_its_values():
    first, second = np.zeros((3, 4, 4)), np.ones((3, 4, 4))
    assert AscentSettings(start_at=first).as_record() == AscentSettings(start_at=first.copy()).as_record()
    assert AscentSettings(start_at=first).as_record() != AscentSettings(start_at=second).as_record()


@pytest.mark.parametrize("name", STEP_POLICIES)
def test_step_policies_give_each_picture_the_papers_step(name):
    assert name in PARAMETERS, f'write down parameters for "{name}"'
    policy, p = step_policy(name, PARAMETERS[name]), PARAMETERS[name]
    objective, squared = np.array([0.0, 0.2, 0.999, 0.5]), np.array([1e-3, 1.0, 4.0, 1e-30])
    if name == "constant":
        expected = np.full(4, p["lr"])
    elif name == "progress":
        expected = np.minimum(p["max_lr"], p["desired_prog"] / squared)
    elif name in ("adam", "nadam"):  # as long as the gradient stays the same
        expected = p["lr"] / np.sqrt(squared)
    else:
        expected = np.minimum(p["max_lr"], np.minimum(p["early_prog"], p["late_prog_mult"] * (1 - objective)) / squared)
    got = policy.step_size(torch.tensor(objective), torch.tensor(squared), 1)
    np.testing.assert_allclose(got, expected, rtol=1e-6)


def test_progress01_goes_down_towards_zero_as_it_goes_up_towards_one():
    policy, one = step_policy("progress01", PARAMETERS["progress01"]), torch.ones(1, dtype=torch.float64)
    up = policy.step_size(torch.tensor([0.97]), one, 1)
    down = policy.step_size(torch.tensor([0.03]), one, -1)
    torch.testing.assert_close(up, down, rtol=1e-5, atol=0)
