"""How pictures are batched: as memory allows, smaller where it does not, and never more than was said to be free."""

import pytest
import torch

from deepvis_toolbox import AscentSettings, ToolboxError, Unit, preferred_images
from deepvis_toolbox.optimize.method import batch_size, preferred
from deepvis_toolbox.optimize.method.batch_size import automatic_batch_size, bytes_per_picture, free_bytes
from deepvis_toolbox.progress import Silence
from tests.optimize.networks import linear_network, rectified_network

SETTINGS = AscentSettings(max_iter=2)


def sizes_of_batches(monkeypatch, net, units, seeds, most=None, **options):
    """The batches that were climbed; more pictures than `most` at once run out of memory."""
    sizes, climb = [], preferred.climb

    def limited(net, batch, *rest):
        if most and len(batch) > most:
            raise torch.OutOfMemoryError
        sizes.append(len(batch))
        return climb(net, batch, *rest)

    monkeypatch.setattr(preferred, "climb", limited)
    results = preferred_images(net, units, seeds, SETTINGS, **options)
    assert [(str(result.unit), result.seed) for result in results] == [(str(u), s) for u in units for s in seeds]
    return sizes


def test_only_units_of_one_layer_at_one_place_climb_together(monkeypatch):
    units = [Unit("fc", 0), Unit("conv", 1, (2, 2)), Unit("fc", 3), Unit("conv", 2, (2, 3))]
    assert sizes_of_batches(monkeypatch, linear_network(), units, [0, 1], batch_size=8) == [4, 2, 2]


def test_a_batch_that_does_not_fit_is_halved_and_nothing_is_lost(monkeypatch):
    sizes = sizes_of_batches(
        monkeypatch, linear_network(), [Unit("fc", c) for c in range(5)], [0, 1], most=3, batch_size=8
    )
    assert sizes == [2, 2, 2, 2, 2]


class Counted(Silence):
    def __init__(self):
        self.done, self.notes = 0.0, []

    def advance(self, amount=1):
        self.done += amount

    def note(self, text):
        self.notes.append(text)


def test_a_batch_that_is_done_again_is_counted_once():
    shown, met = Counted(), []

    def full_at_the_second_step(batch, step, *_):
        if step == 1 and len(batch) > 1:
            met.append(len(batch))
            raise torch.OutOfMemoryError

    units = [Unit("fc", channel) for channel in range(3)]
    preferred_images(
        linear_network(), units, [0], SETTINGS, batch_size=3, progress=shown, watch=full_at_the_second_step
    )
    assert met == [3]
    assert abs(shown.done - 3) < 1e-9
    assert shown.notes[-1].startswith(f"fc:2, step {SETTINGS.max_iter}/{SETTINGS.max_iter}: ")


def test_one_picture_that_does_not_fit_is_one_clear_sentence(monkeypatch):
    def too_large(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(preferred, "climb", too_large)
    with pytest.raises(ToolboxError, match="fc:0 does not fit the memory of cpu"):
        preferred_images(linear_network(), [Unit("fc", 0)], [0], SETTINGS)


def test_a_batch_size_below_one_is_refused():
    with pytest.raises(ToolboxError, match="at least 1"):
        preferred_images(linear_network(), [Unit("fc", 0)], [0], SETTINGS, batch_size=0)


def test_the_automatic_size_stays_below_what_is_free(monkeypatch):
    net, unit = rectified_network(), Unit("fc", 0)
    one = bytes_per_picture(net, unit)
    for free in (2 * one, 5 * one, 10 * one):
        monkeypatch.setattr(batch_size, "free_bytes", lambda _, free=free: free)
        assert 1 <= automatic_batch_size(net, unit) * one <= 0.8 * free
    monkeypatch.setattr(batch_size, "free_bytes", lambda _: one)
    with pytest.raises(ToolboxError, match="free some memory"):
        automatic_batch_size(net, unit)


def test_free_memory_is_known_here():
    assert 1 << 20 < free_bytes(torch.device("cpu")) < 1 << 45


def test_units_low_in_the_network_need_less(default_network):
    needed = [bytes_per_picture(default_network, Unit(layer, 0)) for layer in ("stem", "block5", "fc")]
    assert needed == sorted(needed)
