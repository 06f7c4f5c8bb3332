"""Every member of every registry: it has a sentence, and does the least that one of its sort must do.

A newcomer is picked up here without a test being written. What its own values must be is asked for beside the others:
`tests/optimize`, `tests/sources`, `tests/caffe`, `tests/network`, `tests/drawing`.
"""

from __future__ import annotations

from inspect import signature
from typing import Any

import numpy as np
import pytest
import torch

from deepvis_toolbox.caffe.layer_types import LAYER_TYPES, LayerType
from deepvis_toolbox.drawing.backward_views import VIEWS, backward_picture
from deepvis_toolbox.network.backward_modes import RULES
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.onnx.operator_table import OPERATORS
from deepvis_toolbox.optimize import AscentSettings
from deepvis_toolbox.optimize.method.ascent_settings import parameter_names
from deepvis_toolbox.optimize.method.later_parameters import LATER_PARAMETERS
from deepvis_toolbox.optimize.method.parametrization import PARAMETRIZATIONS
from deepvis_toolbox.optimize.method.regularizers import REGULARIZERS, active
from deepvis_toolbox.optimize.method.regularizers.registry import OTHER_PARAMETERS, in_order
from deepvis_toolbox.optimize.method.starts import STARTS, start_image
from deepvis_toolbox.optimize.method.step_policies import STEP_POLICIES, step_policy
from deepvis_toolbox.registry import Registry
from deepvis_toolbox.sources.registry import SOURCES
from deepvis_toolbox.sources.source import Source
from deepvis_toolbox.words.backward import BACKWARD_MODES, BACKWARD_VIEWS
from deepvis_toolbox.words.inputs import INPUT_FORMS
from tests.nets import Classic, opened

TABLES: dict[str, Registry[Any]] = {
    "backward modes": BACKWARD_MODES,
    "backward views": BACKWARD_VIEWS,
    "layer types": LAYER_TYPES,
    "ONNX operators": OPERATORS,
    "parametrizations": PARAMETRIZATIONS,
    "regularizers": REGULARIZERS,
    "sources": SOURCES,
    "starts": STARTS,
    "step policies": STEP_POLICIES,
}


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("table", "name"), [(table, name) for table, members in TABLES.items() for name in members])
def test_every_member_has_a_sentence_of_one_line(table: str, name: str) -> None:
    meaning = TABLES[table].meaning(name)
    assert 2 < len(meaning) < 160
    assert "\n" not in meaning
    assert f"{name}: {meaning}" in TABLES[table].listed()


def test_every_backward_mode_and_view_that_is_declared_is_computed_too() -> None:
    assert list(BACKWARD_MODES) == list(RULES)
    assert list(BACKWARD_VIEWS) == list(VIEWS)


def test_every_form_of_input_that_is_declared_is_read_by_a_source() -> None:
    assert sorted(INPUT_FORMS) == sorted(SOURCES)


@pytest.mark.parametrize("mode", BACKWARD_MODES)
def test_a_backward_mode_brings_down_a_signal_that_grows_with_the_diff(mode: str) -> None:
    torch.manual_seed(0)
    net = opened(Classic())
    x = noise(2, 3, 32, 32)
    diff = noise(*net.forward(x, ["conv2"])["conv2"].shape, seed=1)
    once, thrice = (net.backward(x, "conv2", diff * factor, mode)[net.input_name] for factor in (1, 3))
    assert once.shape == x.shape
    assert once.abs().max() > 0
    torch.testing.assert_close(thrice, 3 * once, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("view", BACKWARD_VIEWS)
@pytest.mark.parametrize("channels", [1, 3])
def test_a_backward_view_draws_any_values_as_a_picture_and_leaves_them(view: str, channels: int) -> None:
    values = noise(12, 17, channels).numpy()
    before = values.copy()
    picture = backward_picture(values, view)
    assert (picture.shape, picture.dtype) == ((12, 17, 3), np.uint8)
    assert np.ptp(picture) > 0
    np.testing.assert_array_equal(values, before)


@pytest.mark.parametrize("name", LAYER_TYPES)
def test_a_layer_type_says_what_it_reads_and_writes(name: str) -> None:
    kind = LAYER_TYPES[name]
    assert issubclass(kind, LayerType)
    assert kind.old_name == kind.old_name.upper()
    for low, high in (kind.bottom_count, kind.top_count):
        assert low >= 0
        assert high is None or high >= low


@pytest.mark.parametrize("name", PARAMETRIZATIONS)
def test_a_parametrization_is_linear_and_keeps_shapes(name: str) -> None:
    assert PARAMETRIZATIONS[name].name == name
    made = PARAMETRIZATIONS[name](Preprocessing((16, 12)), torch.device("cpu"))
    a, b = noise(2, 3, 16, 12), noise(2, 3, 16, 12, seed=1)
    for function in (made.image, made.step):
        assert function(a).shape == a.shape
        torch.testing.assert_close(function(a + 2 * b), function(a) + 2 * function(b), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("name", REGULARIZERS)
def test_a_regularizer_is_off_by_default_and_switched_on_by_its_parameters(name: str) -> None:
    kind = REGULARIZERS[name]
    assert name not in [each.name for each in active(AscentSettings().regularizers)]
    usual = {each.name: min(1.0, each.high or 1.0) for each in kind.parameters}
    (made,) = active(AscentSettings(**usual).regularizers)
    assert made.name == name
    x, gradient = noise(2, 3, 9, 7) * 40, noise(2, 3, 9, 7, seed=1)
    changed = made.apply(x.clone(), gradient.clone(), 0)
    assert changed.shape == x.shape
    assert changed.isfinite().all()
    assert not torch.equal(changed, x)


def test_settings_take_the_regularizers_parameters_and_those_written_in_their_signature_and_no_others() -> None:
    written = [name for name, each in signature(AscentSettings).parameters.items() if each.kind is not each.VAR_KEYWORD]
    later = [each.name for each in LATER_PARAMETERS]
    assert written == [*OTHER_PARAMETERS, "regularizers", "statistics", "later"]
    assert sorted(parameter_names()) == sorted([*AscentSettings().as_record(), *later])
    assert [each.position for each in in_order()] == sorted(each.position for each in REGULARIZERS.values())


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_says_how_it_is_written_and_claims_nothing_that_is_empty(name: str) -> None:
    kind = SOURCES[name]
    assert issubclass(kind, Source)
    assert kind.form == name
    assert not kind.claims("")


@pytest.mark.parametrize("name", STARTS)
def test_a_start_image_is_the_same_for_a_seed_and_has_the_inputs_shape(name: str) -> None:
    preprocessing = Preprocessing((16, 12))
    first, again = (start_image(name, 3, preprocessing) for _ in range(2))
    assert (first.shape, first.dtype) == ((3, 16, 12), np.float32)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, again)


@pytest.mark.parametrize("name", STEP_POLICIES)
def test_a_step_policy_gives_every_picture_a_size_and_explains_its_parameters(name: str) -> None:
    kind = STEP_POLICIES[name]
    assert kind.name == name
    assert all(meaning and "\n" not in meaning for meaning in kind.parameters.values())
    policy = step_policy(name, dict.fromkeys(kind.parameters, 0.5))
    sizes = policy.step_size(torch.tensor([0.1, 0.9, 0.5]), torch.tensor([1e-3, 1.0, 1e3], dtype=torch.float64), 1)
    assert (sizes.shape, sizes.dtype) == ((3,), torch.float64)
    assert (sizes > 0).all()
    assert sizes.isfinite().all()
