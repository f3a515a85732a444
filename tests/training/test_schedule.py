"""Two schedules in the place of six, with the very numbers that the shipped weights were trained with."""

import math

import pytest

from training.schedule import average_decay, learning_rate, linear_learning_rate

STEPS = 4000


def cosine(share: float) -> float:
    return math.cos(math.pi * share)


def linear(batch: int, batches: int) -> float:
    return linear_learning_rate(1e-3, batch, batches, warm_up=100, last=0.05)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (
            lambda step, p: 1e-3 * min(1.0, p / 0.03) * (0.02 + 0.98 * (1 + cosine(min(p, 1.0))) / 2),
            lambda step, p: learning_rate(1e-3, p, warm_up=0.03, last=0.02),
        ),
        (
            lambda step, p: 4e-4 * min(1, p / 0.03 + 0.01) * (0.01 + 0.99 * (1 + cosine(min(p, 1))) / 2),
            lambda step, p: learning_rate(4e-4, p, warm_up=0.03, first=0.01, last=0.01),
        ),
        (
            lambda step, p: 6e-4 * min(1, p / 0.05 + 0.01) * (1 + cosine(p)) / 2,
            lambda step, p: learning_rate(6e-4, p, warm_up=0.05, first=0.01),
        ),
        (
            lambda step, p: 2e-3 * min(1, step / 200) * (0.01 + 0.99 * (1 + math.cos(math.pi * step / STEPS)) / 2),
            lambda step, p: learning_rate(2e-3, step, warm_up=200, end=STEPS, last=0.01),
        ),
        (
            lambda step, p: 1.5e-3 * min(1.0, p / 0.04 + 0.01) * (0.005 + 0.995 * (1 + cosine(p)) / 2),
            lambda step, p: learning_rate(1.5e-3, p, warm_up=0.04, first=0.01, last=0.005),
        ),
        (
            lambda step, p: 1e-3 * min(1, (step + 1) / 100) * (0.05 + 0.95 * (STEPS - step) / STEPS),
            lambda step, p: linear(step, STEPS),
        ),
    ],
    ids=["clip", "clip_energy", "clip_text", "judge", "style_features", "diffusion"],
)
def test_rates_are_those_of_the_formulas(wanted, found):
    assert [found(step, step / STEPS) for step in range(STEPS)] == [wanted(step, step / STEPS) for step in range(STEPS)]


def test_ends():
    assert learning_rate(2.0, 0, warm_up=0.1) == 0
    assert learning_rate(2.0, 0, warm_up=0.1, first=0.25) == 0.5
    assert learning_rate(2.0, 1, warm_up=0.1, last=0.25) == 0.5
    assert learning_rate(2.0, 1.5, warm_up=0.1, last=0.25) == 0.5


def test_a_linear_rate_falls_all_the_time_however_long_the_training():
    assert linear(0, 1000) == 1e-3 / 100
    assert linear(500, 1000) == linear(2500, 5000) == pytest.approx(1e-3 * (1 + 0.05) / 2)
    assert linear(1000, 1000) == pytest.approx(1e-3 * 0.05)


def test_an_average_forgets_its_beginning_and_then_remembers_for_long():
    assert [average_decay(0.998, batch) for batch in (0, 20, 9980, 10_000, 50_000)] == [0, 0.5, 0.998, 0.998, 0.998]
