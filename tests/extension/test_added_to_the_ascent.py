"""A regularizer with a setting, a step policy, a start image and a parametrization, each from one file of a user's."""

from __future__ import annotations

import numpy as np
import pytest

REGULARIZER = '''
"""Makes pictures redder, step by step."""
from deepvis_toolbox.optimize.method.regularizers import Parameter, Regularizer, register_regularizer


@register_regularizer("tint", position=1.5)
class Tint(Regularizer):
    """Adds to the first channel."""

    parameters = (
        Parameter("tint", 0.0, "pixel values a step added to the first channel", high=50),
        Parameter("tint_every", 1, "only every so many steps", low=1, whole=True, off=None),
    )

    def apply(self, x, gradient, step):
        if step % self.values["tint_every"] == 0:
            x[:, 0] += self.values["tint"]
        return x
'''
STILL = ["--lr-policy", "constant", "--lr-params", "{lr: 0}", "--start-at", "mean"]
"""No step is taken, from the mean: all that changes the image is what the regularizers do."""

METHODS = '''
"""A step of a given length, a striped start, and steps of half the size."""
import numpy as np

from deepvis_toolbox.optimize.method.parametrization import PixelParametrization, register_parametrization
from deepvis_toolbox.optimize.method.starts import register_start
from deepvis_toolbox.optimize.method.step_policies import StepPolicy, register_step_policy


@register_step_policy("even")
class Even(StepPolicy):
    """Every step has the same length."""

    parameters = {"length": "the step's Euclidean length in pixel values"}

    def step_size(self, objective, progress, direction):
        return self.values["length"] / progress.sqrt()


@register_start("stripes")
def stripes(random, shape, mean):
    """Rows of 40 and -40."""
    return np.broadcast_to(np.where(np.arange(shape[1]) % 2, -40.0, 40.0)[:, None], shape).copy()


@register_parametrization("halved")
class Halved(PixelParametrization):
    """Steps of half the size."""

    def step(self, gradient):
        return gradient / 2
'''


@pytest.fixture
def tint(users):
    users.write("mine.py", REGULARIZER)
    return users


@pytest.fixture
def methods(users):
    users.write("mine.py", METHODS)
    return users


def words_of(text: str) -> str:
    return " ".join(text.split())


def test_an_added_regularizer_changes_the_image_as_it_says(tint) -> None:
    done = tint.optimize(
        "--extend", "mine.py", *STILL, "--tint", "3", "--tint-every", "2", "--max-iter", "6", "--output", "store"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    last = tint.arrays("store")["last"]  # five steps: the first, third and fifth add
    np.testing.assert_allclose(last[0], 9, atol=1e-4)
    np.testing.assert_allclose(last[1:], 0, atol=1e-4)


def test_an_added_regularizer_is_a_setting_of_the_library_in_its_place_among_the_others(tint) -> None:
    program = """
import json, pickle
import mine
from deepvis_toolbox import AscentSettings, ToolboxError, Unit, load_network, preferred_images
from deepvis_toolbox.optimize.method.regularizers import active
settings = AscentSettings(tint=2, decay=0.5, blur_radius=1.0, lr_params={"lr": 0.0}, start_at="mean", max_iter=3)
(result,) = preferred_images(load_network("small", device="cpu"), [Unit("4", 0)], [0], settings)
def refused(**values):
    try:
        return str(AscentSettings(**values))
    except ToolboxError as error:
        return str(error)
copied = pickle.loads(pickle.dumps(settings))
print(json.dumps([
    [each.name for each in active(settings.regularizers)], settings.tint, settings.tint_every, copied.tint,
    result.last[:, 8, 8].tolist(), settings.as_record()["tint"], "tint" in AscentSettings().as_record(),
    refused(tint=51), refused(tint_every=1.5), refused(tinnt=1),
]))
"""
    order, tint_value, every, copied, last, recorded, off_is_recorded, high, broken, unknown = tint.python(program)
    assert order == ["decay", "tint", "blur"]
    assert (tint_value, every, copied, recorded, off_is_recorded) == (2, 1, 2, 2, False)
    np.testing.assert_allclose(last, [3, 0, 0], atol=1e-4)  # 0·½ + 2, then 2·½ + 2; even, so that no blur changes it
    assert high == "tint is 51; it lies between 0 and 50 (0 is off)"
    assert broken == "tint_every is 1.5; it must be a whole number"
    assert unknown == 'there is no parameter "tinnt"; did you mean "tint"?'


def test_an_added_regularizer_is_listed_with_its_sentence_default_and_flag(tint) -> None:
    told = words_of(tint.run("optimize_image.py", "--extend", "mine.py", "--help").stdout)
    assert "--tint X pixel values a step added to the first channel (default 0: off)" in told
    assert "--tint-every N only every so many steps (default 1)" in told
    assert told.index("--decay X") < told.rindex("--tint X") < told.rindex("--blur-radius X")
    wrong = tint.optimize("--extend", "mine.py", "--tint", "much", "--output", "store")
    assert wrong.returncode == 2
    assert wrong.stderr == 'error: --tint is "much"; it must be a number\n'


def test_a_preset_of_a_model_yaml_sets_an_added_regularizer(tint) -> None:
    with (tint.path / "small/model.yaml").open("a") as file:
        file.write("presets:\n  red: {tint: 4, lr_params: {lr: 0}, start_at: mean, max_iter: 3}\n")
    done = tint.optimize("--extend", "mine.py", "--preset", "red", "--output", "store")
    assert done.returncode == 0, done.stdout + done.stderr
    np.testing.assert_allclose(tint.arrays("store")["last"][0], 8, atol=1e-4)
    without = tint.optimize("--preset", "red", "--output", "other")
    assert without.returncode == 2
    assert 'has the key "tint", which is no parameter' in without.stderr


def test_pictures_of_an_earlier_run_stay_finished_and_those_of_an_added_regularizer_are_told_apart(tint) -> None:
    short = [*STILL, "--max-iter", "2"]
    assert "1 picture made" in tint.optimize(*short, "--output", "store").stdout
    again = tint.optimize("--extend", "mine.py", *short, "--output", "store")
    assert again.stdout.startswith("0 pictures made, 1 were there already"), again.stderr
    assert "1 picture made" in tint.optimize("--extend", "mine.py", *short, "--tint", "5", "--output", "red").stdout
    without = tint.optimize(*short, "--output", "red")
    assert without.returncode == 2
    assert "tint: 5.0 there, off now" in without.stderr


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (REGULARIZER.replace('Parameter("tint",', 'Parameter("decay",'), 'there is a parameter "decay" already'),
        (REGULARIZER.replace('Parameter("tint",', 'Parameter("max_iter",'), 'there is a parameter "max_iter" already'),
        (REGULARIZER.replace('Parameter("tint",', 'Parameter("Tint!",'), '"Tint!" cannot be a parameter'),
        (REGULARIZER.replace('Parameter("tint",', 'Parameter("units",'), "--units is a flag already"),
        (REGULARIZER.replace('("tint", position', '("blur", position'), 'there is a regularizer "blur" already'),
        (REGULARIZER.replace("    parameters = (", "    numbers = ("), "declares no parameters"),
        (REGULARIZER.replace('"tint", 0.0', '"tint", 90'), "tint is 90; it lies between 0 and 50"),
    ],
)  # fmt: skip
def test_a_regularizer_that_cannot_be_told_from_others_is_refused_in_a_sentence(users, text: str, says: str) -> None:
    users.write("mine.py", text)
    done = users.run("optimize_image.py", "--extend", "mine.py", "--help")
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_added_step_policy_start_and_parametrization_do_what_they_say(methods) -> None:
    flags = [
        "--extend",
        "mine.py",
        "--lr-policy",
        "even",
        "--lr-params",
        "{length: 10}",
        "--start-at",
        "stripes",
        "--max-iter",
        "2",
    ]
    done = methods.optimize(*flags, "--output", "store")
    assert done.returncode == 0, done.stdout + done.stderr
    stripes = np.where(np.arange(16) % 2, -40.0, 40.0)[None, :, None]
    assert np.linalg.norm(methods.arrays("store")["last"] - stripes) == pytest.approx(10, rel=1e-4)
    done = methods.optimize(*flags, "--parametrization", "halved", "--output", "half")
    assert done.returncode == 0, done.stdout + done.stderr
    # The progress of half a gradient is half of the gradient's square, so the step is 10 / sqrt(½) · ½ long.
    moved = np.linalg.norm(methods.arrays("half")["last"] - stripes)
    assert moved == pytest.approx(10 / np.sqrt(2), rel=1e-4)


def test_an_added_step_policy_start_and_parametrization_are_listed_and_their_parameters_checked(methods) -> None:
    told = words_of(methods.run("optimize_image.py", "--extend", "mine.py", "--help").stdout)
    assert "; even: Every step has the same length (default constant)" in told
    assert "even: length (the step's Euclidean length in pixel values)" in told
    assert "stripes: Rows of 40 and -40;" in told
    assert "halved: Steps of half the size (default pixels)" in told
    wrong = methods.optimize(
        "--extend", "mine.py", "--lr-policy", "even", "--lr-params", "{lr: 1}", "--output", "store"
    )
    assert wrong.returncode == 2
    assert 'the step policy "even" needs the parameters length' in wrong.stderr
