"""The rate that the status line shows."""

import pytest

from deepvis_toolbox.rate_meter import RateMeter


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("period", [1 / 60, 0.1, 0.9, 1.5])
def test_the_rate_of_even_ticks_is_theirs(period: float) -> None:
    clock = Clock()
    meter = RateMeter(clock=clock)
    for _ in range(60):
        clock.now += period
        meter.tick()
    assert meter.rate == pytest.approx(1 / period)


def test_the_rate_is_zero_before_two_ticks_and_after_a_long_silence() -> None:
    clock = Clock()
    meter = RateMeter(clock=clock)
    assert meter.rate == 0
    meter.tick()
    assert meter.rate == 0
    clock.now += 0.8
    meter.tick()
    assert meter.rate == pytest.approx(1.25)
    clock.now += 10
    assert meter.rate == 0


def test_the_rate_follows_a_change_within_its_window_and_forgets_on_reset() -> None:
    clock = Clock()
    meter = RateMeter(window=2, clock=clock)
    for period in [0.01] * 300 + [0.1] * 25:
        clock.now += period
        meter.tick()
    assert meter.rate == pytest.approx(10)
    meter.reset()
    assert meter.rate == 0


def test_a_few_ticks_in_quick_succession_are_no_rate() -> None:
    clock = Clock()
    meter = RateMeter(clock=clock)
    for _ in range(3):
        clock.now += 0.0004
        meter.tick()
        assert meter.rate == 0
    clock.now += 1
    meter.tick()
    assert meter.rate == pytest.approx(3 / 1.0008)
