import torch
import torch.nn.functional as F

from training.clip_energy import DRAW_STEPS, POOL, VISITS, Drawings


def reddest(pictures):
    """A stand-in for a tower: (redness, rest), of unit length."""
    red = (pictures[:, 0] - pictures[:, 1]).mean((1, 2))
    return F.normalize(torch.stack([red, torch.full_like(red, 0.3)], dim=1), dim=1)


def test_drawings_are_improved_towards_what_is_wanted():
    drawings = Drawings(10, torch.Generator().manual_seed(0))
    slots = torch.arange(4)
    wanted, names = torch.tensor([[1.0, 0]]).expand(4, 2), torch.tensor([[0.0, 1]])

    def score():
        with torch.no_grad():
            return reddest(drawings.draw(slots, {n: v[slots] for n, v in drawings.values.items()}))[:, 0].mean()

    before = score()
    for _ in range(5):
        drawings.improve(slots, reddest, wanted, names)
    assert score() > before + 0.1
    assert drawings.age[:4].eq(5 * DRAW_STEPS).all()
    assert drawings.age[4:].eq(0).all()


def test_old_drawings_are_begun_anew():
    drawings = Drawings(10, torch.Generator().manual_seed(0))
    drawings.age[:] = DRAW_STEPS * VISITS
    before = drawings.values["points"].clone()
    drawings.renew(torch.arange(POOL))
    assert drawings.age.eq(0).all()
    assert not torch.equal(drawings.values["points"], before)
