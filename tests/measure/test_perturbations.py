"""A perturbed input, edits beside it, and what both change in each layer, against plain NumPy and torch."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from deepvis_toolbox import Edit, ToolboxError, measure
from deepvis_toolbox.measure import (
    AsItIs,
    ChangedLayers,
    ChangedMaps,
    ClassProbabilities,
    Edited,
    LayerMaps,
    MostChanged,
    Perturbation,
)
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.words.layer import Rect
from tests.measure.test_questions import Residual, picture
from tests.nets import opened


@pytest.fixture(scope="module")
def network() -> TorchNetwork:
    return opened(Residual())


def values(network: TorchNetwork, image: np.ndarray, layers: list[str]) -> dict[str, torch.Tensor]:
    return network.forward(network.preprocess(image), layers)


def plain(how: Perturbation, image: np.ndarray) -> np.ndarray:
    """What the words of `Perturbation` say, for those that need no filter."""
    moved = image.astype(np.float64)
    if steps := round(how.shift * image.shape[1]):
        moved = np.concatenate([np.repeat(moved[:, :1], steps, axis=1), moved[:, :-steps]], axis=1)
    return np.clip(moved + how.brightness, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("how", [Perturbation(brightness=60), Perturbation(shift=0.1), Perturbation(0, 0, -40, 0.25)])
def test_a_perturbation_does_what_it_says(network: TorchNetwork, how: Perturbation) -> None:
    taken = measure.Session(network).take_all(picture(), [LayerMaps("stem")], perturbation=how)
    np.testing.assert_array_equal(taken.image, plain(how, picture()))
    wanted = values(network, plain(how, picture()), ["stem"])["stem"][0]
    np.testing.assert_allclose(taken.answers[LayerMaps("stem")].maps, wanted, rtol=1e-4, atol=1e-4)


def test_noise_has_its_deviation_and_is_another_one_for_every_frame(network: TorchNetwork) -> None:
    grey, how, session = np.full((32, 32, 3), 128, np.uint8), Perturbation(noise=25), measure.Session(network)
    first, again, next_one = (
        session.take_all(grey, [], perturbation=how, number=number).image.astype(float) for number in (3, 3, 4)
    )
    assert (first - 128).std() == pytest.approx(25, rel=0.05)
    np.testing.assert_array_equal(first, again)
    assert (first != next_one).any()


REGION = Rect(4, 10, 20, 40)


@pytest.mark.parametrize("how", [Perturbation(noise=30), Perturbation(blur=3), Perturbation(brightness=50)])
def test_in_a_region_is_what_is_everywhere_and_the_rest_stays(network: TorchNetwork, how: Perturbation) -> None:
    session, image = measure.Session(network), picture()
    everywhere = session.take_all(image, [], perturbation=how).image
    inside = session.take_all(image, [], perturbation=replace(how, region=REGION)).image
    wanted = image.copy()
    wanted[4:20, 10:32] = everywhere[4:20, 10:32]
    assert (wanted != image).any()
    np.testing.assert_array_equal(inside, wanted)


def test_a_region_is_painted_grey_and_the_shift_moves_all_but_that(network: TorchNetwork) -> None:
    session, image = measure.Session(network), picture()
    wanted = image.copy()
    wanted[4:20, 10:32] = 127
    grey = Perturbation(grey=True, region=REGION)
    np.testing.assert_array_equal(session.take_all(image, [], perturbation=grey).image, wanted)
    wanted = plain(Perturbation(shift=0.1), image)
    wanted[4:20, 10:32] = 127
    moved = session.take_all(image, [], perturbation=replace(grey, shift=0.1)).image
    np.testing.assert_array_equal(moved, wanted)
    outside = Perturbation(grey=True, region=Rect(40, 40, 50, 50))
    np.testing.assert_array_equal(session.take_all(image, [], perturbation=outside).image, image)
    assert (session.take_all(image, [], perturbation=Perturbation(grey=True)).image == 127).all()


def test_a_perturbation_says_what_it_is_and_where() -> None:
    assert str(Perturbation(blur=2, shift=0.05, region=REGION)) == "blur 2 px in the region, shift 5 %"
    assert str(Perturbation(grey=True, region=REGION)) == "grey in the region"
    assert not Perturbation(region=REGION)


def test_the_order_of_change_is_that_of_the_changed_maps(network: TorchNetwork) -> None:
    session, how, edits = measure.Session(network), Perturbation(noise=40), (Edit("stem", [2], "scale", 3.0),)
    for layer in ("project", "fc", "stem"):
        maps, most = ChangedMaps(layer, edits), MostChanged(layer, edits)
        answers = session.take_all(picture(), [maps, most], perturbation=how).answers
        sizes = np.abs(answers[maps].maps).reshape(len(answers[maps].maps), -1).max(1)
        assert answers[most].units == tuple(np.argsort(-sizes, kind="stable"))
        np.testing.assert_allclose(answers[most].values, np.sort(sizes)[::-1], rtol=1e-6)
        assert sizes.max() > 0
    (off,) = session.take(picture(), MostChanged("stem", (Edit("stem", [5], "zero"),))).units[:1]
    assert off == 5


def test_a_blurred_edge_is_the_gaussians_integral(network: TorchNetwork) -> None:
    edge = np.zeros((32, 32, 3), np.uint8)
    edge[:, 16:] = 200
    taken = measure.Session(network).take_all(edge, [], perturbation=Perturbation(blur=2)).image
    at = torch.arange(32) + 0.5 - 16
    np.testing.assert_allclose(taken[16, :, 0], 200 * torch.special.ndtr(at / 2), atol=3)


def test_the_answer_as_it_is_and_what_changes_are_those_of_the_unperturbed_pass(network: TorchNetwork) -> None:
    how, layers = Perturbation(brightness=60), tuple(network.layers)
    asked = [AsItIs(ClassProbabilities()), ClassProbabilities(), ChangedLayers(layers), ChangedMaps("depthwise")]
    answers = measure.Session(network).take_all(picture(), asked, perturbation=how).answers
    before, after = (values(network, image, list(layers)) for image in (picture(), plain(how, picture())))
    for question, wanted in ((asked[0], before), (asked[1], after)):
        np.testing.assert_allclose(answers[question].probabilities, wanted["softmax"][0], rtol=1e-4, atol=1e-6)
    for name in layers:
        share = float((after[name] - before[name]).norm() / before[name].norm())
        assert answers[asked[2]].relative[name] == pytest.approx(share, rel=1e-3)
    np.testing.assert_allclose(
        answers[asked[3]].maps, (after["depthwise"] - before["depthwise"])[0], rtol=1e-3, atol=1e-4
    )


def test_an_edit_beside_a_perturbation_changes_the_perturbed_pass(network: TorchNetwork) -> None:
    how, edits = Perturbation(shift=0.1), (Edit("depthwise", [2, 4], "zero"),)
    asked = [Edited(edits, LayerMaps("add")), ChangedMaps("add", edits), LayerMaps("add"), AsItIs(LayerMaps("add"))]
    answers = measure.Session(network).take_all(picture(), asked, perturbation=how).answers
    x = network.preprocess(plain(how, picture()))
    wanted = network.forward(x, ["add"], edits=edits)["add"][0]
    came = values(network, picture(), ["add"])["add"][0]
    np.testing.assert_allclose(answers[asked[0]].maps, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answers[asked[1]].maps, wanted - came, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(answers[asked[2]].maps, network.forward(x, ["add"])["add"][0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(answers[asked[3]].maps, came, rtol=1e-4, atol=1e-5)


def test_without_a_change_nothing_changes(network: TorchNetwork) -> None:
    answer = measure.Session(network).take(picture(), ChangedLayers(tuple(network.layers)))
    assert set(answer.relative.values()) == {0.0}
    assert measure.Session(network).take(picture(), ChangedMaps("add")).note == "nothing changes in add"


def test_one_question_without_an_answer_leaves_the_others_theirs(network: TorchNetwork) -> None:
    bad = measure.Contributors(network.input_name, 0)
    session = measure.Session(network)
    taken = session.take_all(picture(), [bad, LayerMaps("stem")])
    assert LayerMaps("stem") in taken.answers
    assert "it is the input" in str(taken.refused[bad])
    with pytest.raises(ToolboxError, match="it is the input"):
        session.take(picture(), bad)


@pytest.mark.parametrize("bad", [{"noise": -1}, {"blur": float("nan")}, {"brightness": 300}, {"shift": 2}])
def test_what_is_no_perturbation_is_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ToolboxError, match=f"the perturbation's {next(iter(bad))} is a number from"):
        Perturbation(**bad)
