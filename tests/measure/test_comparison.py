"""Comparison with a pinned picture and with another network, against plain torch, without a window."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
import torch
from torch import nn

from deepvis_toolbox import Edit, ToolboxError, Unit, measure
from deepvis_toolbox.measure import (
    OTHER_NETWORK,
    ClassProbabilities,
    Compared,
    ComparedMaps,
    Difference,
    Edited,
    LayerGradients,
    LayerMaps,
    MostDifferent,
    Perturbation,
    Pinned,
    UnitsByDifference,
)
from deepvis_toolbox.network.description import ModelDescription
from deepvis_toolbox.network.preprocessing import Preprocessing
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.network.tracing import trace
from tests.nets import opened


class Net(nn.Module):
    """Two convolutions and classes, 16×16 in."""

    def __init__(self, seed: int = 0, width: int = 6, channels: int = 3) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.conv1 = nn.Conv2d(channels, 5, 3, padding=1)
        self.conv2 = nn.Conv2d(5, width, 3, stride=2, padding=1)
        self.fc = nn.Linear(width, 4)

    def parts(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        found = {"conv1": torch.relu(self.conv1(x))}
        found["conv2"] = torch.relu(self.conv2(found["conv1"]))
        found["fc"] = self.fc(found["conv2"].mean((2, 3)))
        found["prob"] = found["fc"].softmax(1)
        return found

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.parts(x)["prob"]


LAYERS = {"conv1": "relu", "conv2": "relu_1", "fc": "fc", "prob": "softmax"}
"""What the parts are called as layers."""


def network_of(module: nn.Module, **how: object) -> TorchNetwork:
    preprocessing = Preprocessing(**{"size": (16, 16), "mean": 127, "std": 64, **how})  # type: ignore[arg-type]
    description = ModelDescription(type(module).__name__, preprocessing)
    graph = trace(module, preprocessing.input_shape)
    return TorchNetwork(graph, description, torch.device("cpu"))


def picture(seed: int = 0, size: tuple[int, int] = (16, 16)) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)


def input_of(frame: np.ndarray) -> torch.Tensor:
    return (torch.from_numpy(frame.transpose(2, 0, 1).astype(np.float32))[None] - 127) / 64


@pytest.fixture(scope="module")
def module() -> Net:
    return Net()


@pytest.fixture(scope="module")
def network(module: Net) -> TorchNetwork:
    found = network_of(module)
    assert {*LAYERS.values()} <= {*found.layers}
    return found


def close(found: np.ndarray, wanted: torch.Tensor) -> None:
    np.testing.assert_allclose(found, wanted[0].detach(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("part", LAYERS)
def test_the_difference_from_a_pinned_picture_is_that_of_any_layer(
    module: Net, network: TorchNetwork, part: str
) -> None:
    session, pinned = measure.Session(network), Pinned(picture(1))
    for seed in (2, 3):
        found = session.take(picture(seed), Difference(pinned, LayerMaps(LAYERS[part])))
        close(found.maps, module.parts(input_of(picture(seed)))[part] - module.parts(input_of(picture(1)))[part])
    same = session.take(picture(1), Difference(pinned, LayerMaps(LAYERS[part])))
    assert not same.maps.any()
    assert same.note == f"there is no difference in {LAYERS[part]}"


def test_a_picture_is_pinned_with_its_edits_and_later_edits_are_of_the_picture_now(
    module: Net, network: TorchNetwork
) -> None:
    session, layer = measure.Session(network), LAYERS["conv2"]
    then, now = (Edit(LAYERS["conv1"], [unit], "zero") for unit in (1, 2))
    pinned = Pinned(picture(1), (then,))

    def without(frame: np.ndarray, unit: int) -> torch.Tensor:
        values = module.parts(input_of(frame))["conv1"].clone()
        values[:, unit] = 0
        return torch.relu(module.conv2(values))

    found = session.take(picture(2), Edited((now,), Difference(pinned, LayerMaps(layer))))
    close(found.maps, without(picture(2), 2) - without(picture(1), 1))
    found = session.take(picture(2), Difference(pinned, LayerMaps(layer)))
    close(found.maps, module.parts(input_of(picture(2)))["conv2"] - without(picture(1), 1))
    same = session.take(picture(1), Edited((then,), Difference(pinned, LayerMaps(layer))))
    assert not same.maps.any()


def test_a_perturbed_picture_is_compared_as_it_is_perturbed(module: Net, network: TorchNetwork) -> None:
    session, layer = measure.Session(network), LAYERS["conv1"]
    question = Difference(Pinned(picture(1)), LayerMaps(layer))
    taken = session.take_all(picture(1), [question], perturbation=Perturbation(brightness=40))
    close(
        taken.answers[question].maps,
        module.parts(input_of(taken.image))["conv1"] - module.parts(input_of(picture(1)))["conv1"],
    )
    again = Difference(Pinned(taken.image), LayerMaps(layer))
    assert not session.take_all(picture(1), [again], perturbation=Perturbation(brightness=40)).answers[again].maps.any()


def test_gradients_are_compared_too(network: TorchNetwork) -> None:
    asked = LayerGradients(LAYERS["conv1"], Unit(LAYERS["conv2"], 3), "grad")
    found = measure.Session(network).take(picture(2), Difference(Pinned(picture(1)), asked))
    each = [measure.Session(network).take(picture(seed), asked).maps for seed in (2, 1)]
    np.testing.assert_allclose(found.maps, each[0] - each[1], rtol=1e-4, atol=1e-6)
    assert found.maps.any()


def test_what_a_pinned_picture_had_as_classes(module: Net) -> None:
    network = opened(module, (16, 16), label_layers=("softmax",))
    found = measure.Session(network).take(picture(2), Compared(Pinned(picture(1)), ClassProbabilities()))
    plain = module(torch.from_numpy(picture(1).transpose(2, 0, 1).astype(np.float32))[None])
    close(found.probabilities, plain)


def test_the_units_that_differ_most_are_listed_over_all_layers(module: Net, network: TorchNetwork) -> None:
    question = MostDifferent(Pinned(picture(1)), tuple(LAYERS.values()), top=4)
    found = measure.Session(network).take(picture(2), question)
    scores = {}
    for part, layer in LAYERS.items():
        now, then = (module.parts(input_of(picture(seed)))[part][0].detach().numpy() for seed in (2, 1))
        for unit in range(len(now)):
            scores[Unit(layer, unit)] = np.sqrt(((now[unit] - then[unit]) ** 2).mean()) / then.std()
    wanted = sorted(scores, key=lambda unit: -scores[unit])[:4]
    assert found.units == tuple(wanted)
    np.testing.assert_allclose(found.scores, [scores[unit] for unit in wanted], rtol=1e-3)
    same = measure.Session(network).take(picture(1), question)
    assert (same.units, same.note) == ((), "no unit differs")


def test_a_grey_networks_picture_is_pinned_as_it_saw_it() -> None:
    network = network_of(Net(channels=1), channels="gray")
    session, layer = measure.Session(network), LAYERS["conv2"]
    seen = session.take_all(picture(1), [LayerMaps(layer)]).image
    assert not session.take(picture(1), Difference(Pinned(seen), LayerMaps(layer))).maps.any()


def test_only_what_was_asked_last_of_a_pinned_picture_is_kept(network: TorchNetwork) -> None:
    session, pinned = measure.Session(network), Pinned(picture(1), (Edit(LAYERS["conv1"], [1], "zero"),))
    for layer in LAYERS.values():
        session.take_all(picture(1), [Difference(pinned, LayerMaps(layer))], is_still=True, token="still")
        kept = session._references._passes[pinned]
        assert kept._activations.keys() == {layer}
        assert kept._recording is None
    gone = weakref.ref(kept)
    del kept
    gc.disable()
    try:
        session.take(picture(2), LayerMaps(LAYERS["fc"]))
        session.take(picture(3), LayerMaps(LAYERS["fc"]))
        assert gone() is None
    finally:
        gc.enable()


def test_a_still_pinned_picture_runs_no_pass_again(network: TorchNetwork, monkeypatch: pytest.MonkeyPatch) -> None:
    session, question = measure.Session(network), Difference(Pinned(picture(1)), LayerMaps(LAYERS["conv2"]))
    session.take(picture(2), question)
    runs, forward = [], network.forward
    monkeypatch.setattr(network, "forward", lambda *given: runs.append(given) or forward(*given))  # type: ignore[func-returns-value]
    session.take(picture(3), question)
    assert len(runs) == 1, "that of the picture now"


def test_the_tiles_are_ordered_by_the_largest_difference(module: Net, network: TorchNetwork) -> None:
    layer = LAYERS["conv2"]
    found = measure.Session(network).take(picture(2), UnitsByDifference(Pinned(picture(1)), layer))
    now, then = (module.parts(input_of(picture(seed)))["conv2"][0].detach().numpy() for seed in (2, 1))
    sizes = np.abs(now - then).max((1, 2))
    assert found.units == tuple(np.argsort(-sizes, kind="stable").tolist())
    np.testing.assert_allclose(found.values, np.sort(sizes)[::-1], rtol=1e-4)


@pytest.mark.parametrize("part", LAYERS)
def test_another_network_sees_the_same_picture_prepared_its_own_way(
    module: Net, network: TorchNetwork, part: str
) -> None:
    other = Net(1)
    session, layer = measure.Session(network, network_of(other, mean=100, std=50, channels="BGR")), LAYERS[part]
    frame = picture(3, (40, 60))
    cut = network.preprocessing.fit(frame)
    theirs = (torch.from_numpy(cut[..., ::-1].transpose(2, 0, 1).astype(np.float32))[None] - 100) / 50
    mine, found = module.parts(input_of(cut))[part], other.parts(theirs)[part]
    close(session.take(frame, ComparedMaps(OTHER_NETWORK, layer)).maps, found)
    close(session.take(frame, Difference(OTHER_NETWORK, LayerMaps(layer))).maps, mine - found)
    order = session.take(frame, UnitsByDifference(OTHER_NETWORK, layer)).units
    sizes = (mine - found)[0].detach().abs().reshape(len(order), -1).amax(1)
    assert order[0] == int(sizes.argmax())


def test_edits_change_this_network_alone_and_perturbations_both_pictures(module: Net, network: TorchNetwork) -> None:
    other = Net(1)
    session, layer = measure.Session(network, network_of(other)), LAYERS["conv2"]
    edits, brighter = (Edit(LAYERS["conv1"], [1], "zero"),), Perturbation(brightness=30)
    asked = [Edited(edits, Difference(OTHER_NETWORK, LayerMaps(layer))), ComparedMaps(OTHER_NETWORK, layer)]
    taken = session.take_all(picture(1), asked, perturbation=brighter)
    x = input_of(taken.image)
    edited = module.parts(x)["conv1"].clone()
    edited[:, 1] = 0
    theirs = other.parts(x)["conv2"]
    close(taken.answers[asked[0]].maps, torch.relu(module.conv2(edited)) - theirs)
    close(taken.answers[asked[1]].maps, theirs)


def test_only_layers_of_the_same_name_and_shape_are_compared(network: TorchNetwork) -> None:
    larger = measure.Session(network, network_of(Net(1), size=(20, 20)))
    frame = picture(1, (20, 20))
    assert larger.take(frame, Difference(OTHER_NETWORK, LayerMaps(LAYERS["fc"]))).maps.shape == (4,)
    for question in (
        Difference(OTHER_NETWORK, LayerMaps(LAYERS["conv1"])),
        ComparedMaps(OTHER_NETWORK, LAYERS["conv1"]),
        UnitsByDifference(OTHER_NETWORK, LAYERS["conv1"]),
    ):
        with pytest.raises(ToolboxError, match="relu is 5×20×20 in Net and 5×16×16 in Net: they cannot be compared"):
            larger.take(frame, question)
    every = MostDifferent(OTHER_NETWORK, tuple(LAYERS.values()), top=99)
    assert {unit.layer for unit in larger.take(frame, every).units} == {LAYERS["fc"], LAYERS["prob"]}
    lacking = measure.Session(network, opened(nn.Sequential(nn.Conv2d(3, 5, 3, padding=1)), (16, 16)))
    with pytest.raises(ToolboxError, match="Sequential has no layer relu: there is nothing to compare with"):
        lacking.take(frame, ComparedMaps(OTHER_NETWORK, LAYERS["conv1"]))


def test_the_same_network_does_not_differ(network: TorchNetwork) -> None:
    session = measure.Session(network, network_of(Net()))
    for layer in LAYERS.values():
        assert not session.take(picture(1), Difference(OTHER_NETWORK, LayerMaps(layer))).maps.any()
    assert session.take(picture(1), MostDifferent(OTHER_NETWORK, tuple(LAYERS.values()))).note == "no unit differs"


def test_what_cannot_be_compared_is_refused_with_a_sentence(network: TorchNetwork) -> None:
    session, asked = measure.Session(network), LayerMaps(LAYERS["conv1"])
    others = network_of(Net(1))
    pinned_elsewhere = Pinned(picture(1), computed_by=weakref.ref(others))
    for reference, told in (
        (pinned_elsewhere, "other weights"),
        (Pinned(picture(1, (20, 30))), "30×20"),
        (OTHER_NETWORK, "--compare names one"),
    ):
        with pytest.raises(ToolboxError, match=told):
            session.take(picture(2), Difference(reference, asked))
    assert session.take(picture(2), Difference(Pinned(picture(2), computed_by=weakref.ref(network)), asked)).note
