import pytest
import torch

from engines.files import ASSETS
from engines.style import StyleEncoder
from evaluation.weights import load_weights
from training import style_features
from training.style_features import EVERY, UNSTYLED, Classifier, Trainer, style_matching, vary
from training.weights import save_checkpoint, save_weights
from world.materials import MATERIALS


@pytest.fixture
def small(monkeypatch):
    """Batches of a few pictures."""
    monkeypatch.setattr(style_features, "OBJECTS", 6)
    monkeypatch.setattr(style_features, "STYLED", 3)
    monkeypatch.setattr(style_features, "MADE", 3)


def test_three_heads():
    objects, material, style = Classifier(7)(torch.rand(2, 3, 64, 64))
    assert objects.shape == (2, 7)
    assert material.shape == (2, len(MATERIALS))
    assert style.shape == (2, UNSTYLED + 1)


@torch.no_grad()
def test_folding_batch_norm_changes_nothing(tmp_path):
    torch.manual_seed(0)
    model = Classifier(5)
    for norm in model.norms.values():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
        norm.weight.uniform_(0.5, 2)
        norm.bias.normal_()
    save_weights(model.plain(), tmp_path / "plain.safetensors")
    encoder = StyleEncoder.load(tmp_path / "plain.safetensors", name="plain", sha256="")
    pictures = torch.rand(2, 3, 48, 48)
    x = encoder.maps(pictures)[0]
    for index, layer in enumerate(model.eval().features):
        x = layer(x)
        if str(index) in model.norms:
            x = model.norms[str(index)](x)
    torch.testing.assert_close(encoder.maps(pictures)[-1], x, rtol=0.02, atol=0.02 * x.std().item())  # stored as fp16


def test_what_is_shipped_is_a_plain_vgg_of_a_quarter_width():
    path = ASSETS / "style" / "atelier-vgg.safetensors"
    tensors = load_weights(path)
    assert {name: tensor.shape for name, tensor in tensors.items()} == {
        name: tensor.shape for name, tensor in Classifier(1).plain().state_dict().items()
    }
    assert path.stat().st_size < 5_000_000


def test_pictures_vary_but_stay_pictures():
    pictures = torch.rand(64, 3, 8, 8)
    varied = vary(pictures, torch.Generator().manual_seed(0))
    assert varied.shape == pictures.shape
    assert varied.min() >= 0
    assert varied.max() <= 1
    kept = (varied == pictures).flatten(1).all(1).float().mean()
    assert 0.25 < kept < 0.6


def test_a_resumed_run_goes_on_as_if_it_had_never_stopped(small, composer, tmp_path):
    trainer = Trainer(4, seed=2, device="cpu")
    trainer.step()
    save_checkpoint(trainer, tmp_path / "last.pt")
    expected = trainer.step()
    resumed = Trainer(4, seed=3, device="cpu")
    resumed.seed = 2
    resumed.load_state_dict(torch.load(tmp_path / "last.pt", weights_only=True))
    assert resumed.step() == expected


def test_a_batch_teaches_object_material_and_style(small, composer):
    trainer = Trainer(4, seed=1, device="cpu")
    before = {name: tensor.clone() for name, tensor in trainer.model.named_parameters()}
    report = trainer.step()
    assert list(report) == ["object", "material", "style", "object right", "material right", "style right"]
    assert all(not torch.equal(before[name], tensor) for name, tensor in trainer.model.named_parameters())


def test_the_shipped_network_finds_pictures_painted_alike(pocket, composer, subjects):
    """Pictures without their palette; clearly more often than an untrained twin does."""
    composer = type(composer)(composer.atlas[::EVERY], composer.recolourable[::EVERY])
    torch.manual_seed(0)
    untrained = StyleEncoder("untrained", Classifier(1).plain()["features"], sha256="")
    trained = style_matching(pocket.style_features(), composer, each=4)
    assert trained["matched"] > 0.5
    assert trained["matched"] > style_matching(untrained, composer, each=4)["matched"] + 0.1
