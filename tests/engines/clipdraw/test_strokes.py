"""The optimisers that are written out per stroke, against torch's own, and strokes that come and go."""

import pytest
import torch

from engines.clipdraw.strokes import Rates, Strokes
from engines.vector import Scene

RATES = Rates(points=0.5, widths=0.2, colors=0.03)


def scene(count: int, seed: int = 0) -> Scene:
    random = torch.Generator().manual_seed(seed)
    segments = [[2] * (1 + path % 3) for path in range(count)]
    points = torch.rand(sum(3 * len(chain) + 1 for chain in segments), 2, generator=random) * 60
    widths, colors = torch.rand(count, generator=random) + 1, torch.rand(count, 4, generator=random)
    return Scene.from_paths(points, segments, widths, colors, 64, 64)


def pull(strokes: Strokes, step: int) -> None:
    """Gradients that depend on the parameters, the stroke and the step."""
    random = torch.Generator().manual_seed(step)
    for name in ("points", "widths", "colors"):
        parameter = getattr(strokes.scene, name)
        parameter.grad = parameter.detach() * 0.1 + torch.randn(parameter.shape, generator=random)


def take_step(strokes: Strokes, kind: str) -> None:
    locked = torch.zeros(len(strokes), dtype=torch.bool)
    if kind == "adam":
        strokes.adam_step(RATES, locked)
    else:
        strokes.rmsprop_step(RATES, locked, "square")


@pytest.mark.parametrize(("kind", "optimizer"), [("adam", torch.optim.Adam), ("rmsprop", torch.optim.RMSprop)])
def test_matches_torch(kind, optimizer):
    strokes = Strokes(scene(7))
    expected = Strokes(scene(7))
    groups = [
        {"params": [getattr(expected.scene, name)], "lr": getattr(RATES, name)}
        for name in ("points", "widths", "colors")
    ]
    reference = optimizer(groups)
    for step in range(12):
        pull(strokes, step)
        take_step(strokes, kind)
        pull(expected, step)
        reference.step()
    for name in ("points", "widths", "colors"):
        assert torch.allclose(getattr(strokes.scene, name), getattr(expected.scene, name), atol=1e-3)


@pytest.mark.parametrize("kind", ["adam", "rmsprop"])
def test_locked_strokes_stay_and_free_ones_go_on(kind):
    strokes = Strokes(scene(4))
    before = strokes.scene.detach().clone()
    pull(strokes, 0)
    locked = torch.tensor([True, False, False, True])
    if kind == "adam":
        strokes.adam_step(RATES, locked)
    else:
        strokes.rmsprop_step(RATES, locked, "square")
    same = [torch.equal(before.select([n]).points, strokes.scene.select([n]).points) for n in range(4)]
    assert same == locked.tolist()


@pytest.mark.parametrize("kind", ["adam", "rmsprop"])
def test_new_strokes_begin_without_history_and_old_ones_keep_theirs(kind):
    """A stroke moves as if it were alone, whoever came or went meanwhile."""
    alone, together = Strokes(scene(3)), Strokes(scene(3))
    fresh = Strokes(scene(2, seed=9))
    for strokes in (alone, together):
        pull(strokes, 0)
        take_step(strokes, kind)
    together.append(scene(2, seed=9))
    together.keep(torch.tensor([False, True, True, True, True]))
    together.replace(torch.tensor([True, False, False, False]), scene(1, seed=5))
    for strokes in (alone, fresh, together):
        for name in ("points", "widths", "colors"):
            parameter = getattr(strokes.scene, name)
            parameter.grad = 0.3 * parameter.detach()
        take_step(strokes, kind)
    for own, other in ((1, alone.scene.select([2])), (2, fresh.scene.select([0])), (3, fresh.scene.select([1]))):
        assert torch.equal(together.scene.select([own]).points, other.points)
        assert torch.equal(together.scene.select([own]).colors, other.colors)


def test_the_first_step_of_rmsprop_is_ten_times_the_rate():
    strokes = Strokes(scene(3))
    before = strokes.scene.widths.detach().clone()
    strokes.scene.widths.grad = torch.ones(3)
    take_step(strokes, "rmsprop")
    assert torch.allclose(before - strokes.scene.widths, torch.full((3,), 10 * RATES.widths), rtol=1e-4)


def test_the_state_holds_every_memory():
    strokes = Strokes(scene(3))
    for kind in ("adam", "rmsprop"):
        pull(strokes, 1)
        take_step(strokes, kind)
    again = Strokes.from_state_dict(strokes.state_dict(), torch.device("cpu"))
    for one in (strokes, again):
        for kind in ("adam", "rmsprop"):
            pull(one, 2)
            take_step(one, kind)
    assert torch.equal(again.scene.points, strokes.scene.points)
    assert torch.equal(again.scene.colors, strokes.scene.colors)
