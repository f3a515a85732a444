import pytest
import torch
import torch.nn.functional as F

from training import clip_energy
from training.clip import ASSETS, MODEL
from training.clip_energy import CANVAS, DRAW_STEPS, POOL, VISITS, Drawings, EnergyTrainer
from world.strokes import STROKES


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


def test_drawings_can_be_looked_at():
    sheet = Drawings(10, torch.Generator().manual_seed(0)).sheet(rows=2, columns=3)
    assert sheet.size == (3 * CANVAS, 2 * CANVAS)
    assert sheet.convert("L").getextrema() != (255, 255)


@pytest.fixture
def start_training(monkeypatch, tmp_path, subjects):
    small = {"BATCH": 8, "DRAWN": 2, "TWINS": 2, "SHUFFLED": 2, "STYLED": 2, "SCENES": 2, "POOL": 4, "REFRESH": 100}
    small |= {"PORTRAITS": 4, "RESTYLED": 1, "PAINTINGS": 6}
    for name, value in small.items():
        monkeypatch.setattr(clip_energy, name, value)
    copies, count = tmp_path / "copies.pt", len(subjects)
    shapes = {"points": (count, STROKES, 7, 2), "widths": (count, STROKES), "colors": (count, STROKES, 4)}
    torch.save({name: torch.full(shape, 0.5) for name, shape in shapes.items()}, copies)
    return lambda: EnergyTrainer(10, 1, ASSETS / f"{MODEL}.safetensors", copies, "cpu")


def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(start_training, tmp_path):
    trainer = start_training()
    trainer.step()
    torch.save(trainer.state_dict(), tmp_path / "state.pt")
    unbroken = trainer.step()

    resumed = start_training()
    resumed.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert resumed.step() == unbroken
    for name, value in resumed.average.state_dict().items():
        assert torch.equal(value, trainer.average.state_dict()[name]), name
