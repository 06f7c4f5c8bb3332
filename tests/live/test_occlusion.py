"""The occlusion map against covering the picture by hand; and how the live view fills it."""

from __future__ import annotations

import numpy as np
import pytest

from deepvis_toolbox import Edit, ToolboxError
from deepvis_toolbox.live.layout import make_request
from deepvis_toolbox.live.panes.occlusion import overlaid
from deepvis_toolbox.live.work.request import Request
from deepvis_toolbox.live.work.still_picture import OcclusionKeeper
from deepvis_toolbox.measure import Occluder, Occlusion, OcclusionMap
from deepvis_toolbox.measure.occlusion import BATCH, _coarse_to_fine, _filled
from deepvis_toolbox.network.torch_network import TorchNetwork
from deepvis_toolbox.words.perturbation import MIDDLE_GREY
from tests.measure.test_questions import Residual, picture
from tests.nets import opened

from .scenes import KEYS, drawn, part, scene_of, snapshot_for, state_at


@pytest.fixture(scope="module")
def network() -> TorchNetwork:
    return opened(Residual())


def finished(occluder: Occluder) -> Occluder:
    while not occluder.is_finished:
        occluder.advance()
    return occluder


@pytest.mark.parametrize(("layer", "unit"), [("add", 3), ("fc", 2), ("stem", 0)])
@pytest.mark.parametrize("edits", [(), (Edit("stem", [1], "zero"),)])
def test_each_place_is_the_units_loss_by_a_grey_square_there(
    network: TorchNetwork, layer: str, unit: int, edits: tuple[Edit, ...]
) -> None:
    answer = finished(Occluder(network, OcclusionMap(layer, unit), picture(), edits)).answer()
    rows, columns = answer.drops.shape
    assert (rows, columns, answer.done) == (13, 13, 1)  # 32 pixels, squares of 5 that overlap by half

    def largest(image: np.ndarray) -> float:
        return float(network.forward(network.preprocess(image), [layer], edits)[layer][0, unit].max())

    assert answer.value == pytest.approx(largest(picture()), rel=1e-4)
    for row, column in ((0, 0), (5, 8), (12, 12)):
        covered = picture()
        top, left = (round((place + 0.5) * 32 / 13 - 2.5) for place in (row, column))
        covered[max(0, top) : top + 5, max(0, left) : left + 5] = MIDDLE_GREY
        assert answer.drops[row, column] == pytest.approx(answer.value - largest(covered), rel=1e-3, abs=1e-4)


def test_the_whole_picture_is_gone_over_coarse_first() -> None:
    order = _coarse_to_fine(13, 9)
    assert len(order) == len(set(order)) == 13 * 9
    assert set(order[:12]) == {(row, column) for row in (0, 4, 8, 12) for column in (0, 4, 8)}


def test_what_has_not_been_tried_is_shown_as_the_nearest_that_has() -> None:
    drops = np.full((8, 8), np.nan, np.float32)
    drops[0, 0], drops[0, 4], drops[2, 2] = 1, 2, 3
    found = _filled(drops)
    assert (found[0, 3], found[1, 5], found[3, 3], found[3, 1]) == (1, 2, 3, 1)
    assert np.isnan(found[5, 5])


def test_a_unit_that_is_not_there_is_refused(network: TorchNetwork) -> None:
    with pytest.raises(ToolboxError, match="units 0 to 4, not 9"):
        Occluder(network, OcclusionMap("fc", 9), picture())


def test_the_map_fills_while_the_picture_stands_still_and_begins_anew_with_another(network: TorchNetwork) -> None:
    keeper, question = OcclusionKeeper(network), OcclusionMap("fc", 2)
    request = Request(frozenset({question}))

    def follow(image: np.ndarray, request: Request = request, is_still: bool = False):
        return keeper.follow(request, image, is_still)[question]

    assert "the picture moves" in follow(picture(0)).note
    assert not keeper.is_unfinished
    shares = [follow(picture(0)).done for _ in range(3)]
    assert shares == pytest.approx([BATCH * step / 169 for step in (1, 2, 3)])
    assert keeper.is_unfinished
    assert "the picture moves" in follow(picture(1)).note
    assert follow(picture(2), is_still=True).done == pytest.approx(BATCH / 169)
    edited = Request(request.questions, edits=(Edit("stem", [1], "zero"),))
    assert follow(picture(2), edited).done == pytest.approx(BATCH / 169)
    for _ in range(43):
        answer = follow(picture(2), edited)
    assert (answer.done, keeper.is_unfinished) == (1, False)
    assert keeper.follow(Request(), picture(2), True) == {}


def test_a_question_that_cannot_be_answered_says_why_and_is_not_tried_on_and_on(network: TorchNetwork) -> None:
    keeper, question = OcclusionKeeper(network), OcclusionMap("fc", 77)
    answer = keeper.follow(Request(frozenset({question})), picture(), True)[question]
    assert "units 0 to 4" in answer.note
    assert not keeper.is_unfinished


def test_the_pane_shows_the_map_over_the_picture_and_says_how_far_it_is() -> None:
    state = state_at("conv1", 3)
    assert KEYS.press(state, "6")
    question = OcclusionMap("conv1", 3)
    assert question in make_request(state).questions
    drops = np.zeros((14, 14), np.float32)
    drops[:, :7], drops[:, 7:] = 1, -1
    snapshot = snapshot_for(state)
    snapshot.answers[question] = Occlusion(drops, 2.5, 0.5)  # type: ignore[index]
    scene = scene_of(state, snapshot)
    shown = overlaid(snapshot.input_image, snapshot.answers[question], scene).astype(int)
    assert shown[:, :10, 0].mean() > shown[:, :10, 2].mean(), "orange where it is less"
    assert shown[:, -10:, 2].mean() > shown[:, -10:, 0].mean(), "blue where it is more"
    pixels, boxes = drawn(state, snapshot)
    assert "unit images" not in boxes
    assert part(pixels, boxes["occlusion"]).std() > 5
