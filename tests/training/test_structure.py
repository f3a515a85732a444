import pytest
import torch

from engines.diffusion.structure import edges, load_controlnet
from tests.engines.diffusion.twins import pocket_twin
from training import structure
from training.structure import MODEL, StructureTrainer, make_controlnet


class World:
    """Grey pictures with a bright half, of the size of the twin."""

    def __init__(self, *_):
        pass

    def __call__(self, count, generator, rng):
        pictures = torch.rand(count, 3, 1, 1, generator=generator).expand(-1, -1, 16, 16).clone()
        pictures[..., rng.randrange(4, 12) :] = 1
        return pictures, ["a wall"] * count


@pytest.fixture
def trainer(tmp_path, monkeypatch):
    for name, value in {"BATCH": 8, "SHOWN": 4, "SEEN": (4, 4, 4), "CaptionedWorld": World, "WARM_UP": 1}.items():
        monkeypatch.setattr(structure, name, value)
    monkeypatch.setattr(structure, "sprite_atlas", lambda subjects: None)
    pocket_twin().save(tmp_path / "model")
    return StructureTrainer(tmp_path / "model", 100, 1, "cpu")


def test_at_first_it_adds_nothing(trainer):
    model = trainer.model
    noisy, texts = torch.randn(2, 48, 4, 4), model.encode(["a cat", ""])
    seen = edges(torch.rand(2, 3, 16, 16))
    down, mid = make_controlnet(model)(noisy, 500, texts, seen, return_dict=False)
    assert not any(residual.any() for residual in (*down, mid))
    ours, theirs = (part.down_blocks[0].resnets[0].conv1.weight for part in (trainer.network, model.unet))
    assert torch.equal(ours, theirs)


def test_only_the_controlnet_learns(trainer):
    before = {name: value.clone() for name, value in trainer.model.unet.state_dict().items()}
    losses = []
    for _ in range(12):
        trainer.batch = 10
        losses.append(trainer.step()["loss"])
    assert losses[-1] < losses[0]
    assert trainer.network.controlnet_mid_block.weight.any()
    assert all(torch.equal(value, before[name]) for name, value in trainer.model.unet.state_dict().items())


def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(trainer, tmp_path):
    trainer.step()
    torch.save(trainer.state_dict(), tmp_path / "state.pt")
    unbroken = trainer.step()["loss"]
    trainer.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert trainer.batch == 1
    assert trainer.step()["loss"] == unbroken


def test_what_is_exported_is_what_was_learned(trainer, tmp_path):
    trainer.step()
    trainer.export(tmp_path / "exported")
    loaded = load_controlnet(tmp_path / "exported").state_dict()
    for name, value in trainer.average.state_dict().items():
        torch.testing.assert_close(loaded[name], value, atol=1e-3, rtol=1e-3)


def test_the_sheet_shows_four_rows(trainer):
    assert trainer.sheet().size == (4 * 16, 4 * 16)


def test_the_embedded_model_is_what_it_is_trained_for():
    assert MODEL.parts[-3:] == ("assets", "diffusion", "pocket")
