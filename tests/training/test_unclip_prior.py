"""A few steps with a few pictures; how good the priors become is measured by the training itself."""

import pytest
import torch

from engines.unclip import DiffusionPrior, load_ar_prior, save_ar_prior
from training import unclip_prior
from training.clip import ASSETS, MODEL
from training.unclip_prior import PriorTrainer, examine, load_encoder, load_pairs
from training.weights import save_checkpoint


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(ASSETS / f"{MODEL}.safetensors", "cpu")


@pytest.fixture
def small(monkeypatch):
    for name, value in {"PART": 48, "CHUNK": 24, "LAYERS": 1, "BATCH": 12, "COMPONENTS": 6, "EXAMINED": 8}.items():
        monkeypatch.setattr(unclip_prior, name, value)


@pytest.fixture(scope="module")
def pairs():
    """Eight kinds of embeddings and a caption for each."""
    chance = torch.Generator().manual_seed(1)
    kind = torch.randint(8, (90,), generator=chance)
    tokens = torch.zeros(90, 24, dtype=torch.long)
    tokens[:, 0], tokens[:, 1], tokens[:, 2] = 4608, 300 + kind, 4609
    centres, around = torch.randn(8, 256, generator=chance), torch.randn(90, 256, generator=chance)
    return tokens, torch.nn.functional.normalize(centres[kind] + 0.3 * around, dim=-1)


def test_pairs_are_made_once_and_go_on_where_they_ended(composer, encoder, small, tmp_path, monkeypatch):
    first = load_pairs(encoder, 48, 1, tmp_path)
    tokens, embeddings = load_pairs(encoder, 90, 1, tmp_path)
    assert (tokens.shape, embeddings.shape) == ((90, 24), (90, 256))
    assert torch.equal(tokens[:48], first[0])
    assert torch.equal(embeddings[:48], first[1])
    assert not torch.equal(embeddings[:42], embeddings[48:])
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(90), rtol=0, atol=1e-2)
    monkeypatch.setattr(unclip_prior, "_make_part", None)
    assert torch.equal(load_pairs(encoder, 90, 1, tmp_path)[1], embeddings)


def test_both_priors_learn_and_the_clip_does_not(encoder, pairs, small):
    trainer = PriorTrainer(encoder, pairs, 40, 1)
    clip = {name: tensor.clone() for name, tensor in encoder.model.state_dict().items()}
    statistics = trainer.diffusion.network.clip_std.clone()
    reports = [trainer.step() for _ in range(40)]
    for name in ("diffusion", "autoregressive"):
        first, last = (sum(report[name] for report in part) / 8 for part in (reports[:8], reports[-8:]))
        assert last < 0.9 * first, name
    assert all(torch.equal(tensor, clip[name]) for name, tensor in encoder.model.state_dict().items())
    assert torch.equal(trainer.diffusion.network.clip_std, statistics)


def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(encoder, pairs, small, tmp_path):
    one, other = (PriorTrainer(encoder, pairs, 10, 1) for _ in range(2))
    for _ in range(2):
        one.step()
    save_checkpoint(one, tmp_path / "last.pt")
    expected = one.step()
    other.load_state_dict(torch.load(tmp_path / "last.pt", weights_only=True))
    assert other.batch == 2
    assert other.step() == expected


def test_exported_priors_are_those_that_are_examined(encoder, pairs, small, tmp_path):
    trainer = PriorTrainer(encoder, pairs, 10, 1)
    trainer.step()
    scores = examine(trainer)
    assert all(-1 <= score <= 1 for score in scores.values())
    assert scores["image: text"] == scores["text: image"]
    trainer.export(tmp_path)
    text = trainer._read(trainer.examined[0])
    for name, prior in {
        "diffusion": DiffusionPrior.load(tmp_path),
        "autoregressive": load_ar_prior(tmp_path / "ar_prior.safetensors"),
    }.items():
        *_, last = prior.sample(text, trainer.null, guidance_scale=1.0, generator=torch.Generator().manual_seed(0))
        found = torch.cosine_similarity(last.best(), trainer.examined[1]).mean().item()
        assert found == pytest.approx(scores[f"{name} 1: image"], abs=0.03)


def test_it_goes_on_from_earlier_priors_as_they_were(encoder, pairs, small, tmp_path):
    earlier = PriorTrainer(encoder, pairs, 4, 1)
    earlier.step()
    earlier.diffusion.save(tmp_path)
    save_ar_prior(earlier.autoregressive, tmp_path / "ar_prior.safetensors")
    others = pairs[0], pairs[1].flip(0)
    later = PriorTrainer(encoder, others, 4, 2, begin=tmp_path)
    for network, before in zip(later.networks, earlier.networks, strict=True):
        assert network.training
        assert all(torch.equal(value, before.state_dict()[name]) for name, value in network.state_dict().items())
        learned = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
        assert learned == {name for name, parameter in before.named_parameters() if parameter.requires_grad}
