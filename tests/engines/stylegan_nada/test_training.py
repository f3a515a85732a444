"""A step at a time, with a generator of 16 px and a CLIP that is one random matrix."""

import numpy as np
import pytest
import torch
from PIL import Image

from engines.base import EngineError
from engines.clip.losses import clip_input
from engines.clip.templates import fill_templates
from engines.style import StyleEncoder
from engines.style.features import vgg_features
from engines.stylegan_nada import training as module
from engines.stylegan_nada.delta import differences, render
from engines.stylegan_nada.losses import directional_loss, text_direction
from engines.stylegan_nada.settings import StyleGANNadaSettings
from engines.stylegan_nada.targets import DomainTarget
from engines.stylegan_nada.training import BETAS, NadaTraining
from engines.stylegan_nada.views import mixed_codes, with_views

SMALL = {"prompt": "pencil sketch", "batch_size": 3, "lr": 0.01}


def small(**changes) -> StyleGANNadaSettings:
    return StyleGANNadaSettings.parse({**SMALL, **changes})


def no_style():
    pytest.fail("Without style pictures nothing is to be loaded.")


def trained(generator, clip, steps: int, **changes) -> NadaTraining:
    settings = small(**changes)
    training = NadaTraining(generator, [(clip, 1.0)], no_style, settings)
    for _ in range(steps):
        training.step(settings)
    return training


def moved(training) -> set[str]:
    """Layers that differ from the original."""
    whole = differences(training.change, training._synthesis)
    return {".".join(name.split(".")[:2]) for name, value in whole.items() if value.any()}


def test_reference_optimiser(array):
    torch.testing.assert_close(torch.tensor(BETAS, dtype=torch.float64), array("adam_betas"))
    assert StyleGANNadaSettings.PRESETS["Paper"]["lr"] == pytest.approx(array("adam_lr").item())


@pytest.mark.parametrize("method", ["layers", "low-rank", "style offsets"])
def test_it_learns(generator, clip, method):
    training = NadaTraining(generator, [(clip, 1.0)], no_style, small(method=method))
    directional = []
    for _ in range(30):
        training.step(small(method=method))
        directional.append(training.losses["directional"])
    assert directional[0] == pytest.approx(1, abs=1e-5)
    assert np.mean(directional[-5:]) < 0.7
    assert moved(training) >= {"b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"}
    assert "b4.torgb" not in moved(training)


def test_the_original_is_neither_moved_nor_shown_again(generator, clip, monkeypatch):
    before = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
    training = trained(generator, clip, 0)
    monkeypatch.setattr(generator.synthesis, "forward", None)
    for _ in range(2):
        training.step(small())
    assert all(torch.equal(tensor, before[name]) for name, tensor in generator.state_dict().items())


def test_the_loss_is_of_pairs_with_one_code(generator, clip):
    """As two whole generators would have it, for the same codes."""
    training = trained(generator, clip, 2)
    rows = torch.tensor([5, 9, 47])
    training._update_targets(small())
    codes = training._codes[rows]
    terms = training._terms(rows, small())
    views = training._views[rows]
    one = clip.encode_image(clip_input(with_views(generator.synthesis(codes), views), 8))
    adapted = render(training._synthesis, codes, training.change)
    other = clip.encode_image(clip_input(with_views(adapted, views), 8))
    direction = text_direction(*(clip.encode_texts(fill_templates(text)) for text in ("pencil sketch", "photo")))
    torch.testing.assert_close(terms["directional"], directional_loss(one, other, direction))


def test_the_loss_is_the_weighted_sum(generator, clip):
    weights = {"directional_lambda": 0.5, "global_lambda": 2.0, "manifold_lambda": 0.3, "patch_lambda": 0.7}
    losses = trained(generator, clip, 2, **weights).losses
    parts = sum(weights[f"{name}_lambda"] * value for name, value in losses.items() if name != "loss")
    assert list(losses) == ["loss", "directional", "global", "manifold", "patch"]
    assert losses["loss"] == pytest.approx(parts)


def test_style_pictures_bring_their_texture(generator, clip, tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (24, 16, 3), dtype=np.uint8)).save(tmp_path / "noise.png")
    settings = small(style_1=str(tmp_path / "noise.png"), directional_lambda=0.0, lr=0.03)
    encoder = StyleEncoder("random", vgg_features([4, 6, 8, 10, 12]), "")
    training = NadaTraining(generator, [(clip, 1.0)], lambda: encoder, settings)
    losses = []
    for _ in range(12):
        training.step(settings)
        losses.append(training.losses["texture"])
    assert list(training.losses) == ["loss", "texture"]
    assert np.mean(losses[-3:]) < 0.8 * losses[0]
    training.step(small(style_1=settings.style_1, texture_lambda=0.0))
    assert list(training.losses) == ["loss", "directional"]


def test_clips_count_by_their_shares(generator, models):
    encoders = [models.clip("one"), models.clip("other")]
    separate = [trained(generator, encoder, 1, global_lambda=1.0).losses["global"] for encoder in encoders]
    settings = small(global_lambda=1.0)
    together = NadaTraining(generator, list(zip(encoders, (0.25, 0.75), strict=True)), no_style, settings)
    together.step(settings)
    assert together.losses["global"] == pytest.approx(0.25 * separate[0] + 0.75 * separate[1])


# ---------------------------------------------------------------------------------------------- layers


def test_phases_train_their_layers(generator, clip):
    training = trained(generator, clip, 2, phase="shape")
    assert moved(training) == {"b4.const", "b4.conv1", "b8.conv0", "b8.conv1"}


@pytest.mark.parametrize("selection", ["exact", "reference"])
def test_selection_trains_what_it_chose(generator, clip, selection):
    training = trained(generator, clip, 3, selection=selection, selection_k=2, selection_every=10)
    assert len(training.layers) == 2
    assert moved(training) == set(training.layers)


def test_selection_is_of_the_rows_with_the_largest_gradient(generator, clip, monkeypatch):
    seen = {}

    def importance(before, after):
        seen.update(before=before, after=after)
        return torch.ones(6)

    monkeypatch.setattr(module, "row_importance", importance)
    trained(generator, clip, 1, selection="exact", selection_batch=5)
    w = seen["before"].clone().requires_grad_()
    text = clip.encode_text("pencil sketch")
    embeddings = clip.encode_image(clip_input(generator.synthesis(w), 8))
    (1 - embeddings @ text.T).mean().backward()
    assert len(w) == 5
    torch.testing.assert_close(seen["after"], (w - 0.01 * w.grad).detach())


def test_phase_and_selection_are_live(generator, clip):
    training = trained(generator, clip, 2, phase="shape")
    kept = training.change["b8.conv0.weight"].clone()
    training.step(small(selection="exact", selection_k=5, phase="shape"))
    assert set(training.layers) == {"b4.conv1", "b8.conv0", "b8.conv1", "b16.conv0", "b16.conv1"}
    assert training.change["b16.conv1.weight"].any()
    assert not torch.equal(training.change["b8.conv0.weight"], kept)


# ---------------------------------------------------------------------------------------------- codes and aims


def test_mixed_codes(generator):
    plain = mixed_codes(generator, 40, 0.0, torch.Generator().manual_seed(1))
    assert torch.equal(plain, plain[:, :1].expand_as(plain))
    mixed = mixed_codes(generator, 40, 1.0, torch.Generator().manual_seed(1))
    changes = (mixed[:, 1:] != mixed[:, :-1]).any(dim=2)
    assert (changes.sum(dim=1) == 1).all()
    assert changes.any(dim=0).all()


def test_views_are_crops():
    pictures = torch.rand(2, 3, 8, 8)
    whole, left_top, right, smaller = range(4)
    views = torch.tensor([[0.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.4, 0.3, 0.6]]).repeat(2, 1, 1)
    found = with_views(pictures, views).unflatten(0, (2, 4))
    torch.testing.assert_close(found[:, whole], pictures)
    for view, crop in ((left_top, pictures[:, :, :4, :4]), (right, pictures[:, :, :4, 4:])):
        enlarged = torch.nn.functional.interpolate(crop, (8, 8), mode="bilinear")
        torch.testing.assert_close(found[:, view, :, 1:-1, 1:-1], enlarged[:, :, 1:-1, 1:-1])  # edges see beyond
    assert not torch.allclose(found[0, smaller], found[1, smaller])
    assert torch.equal(with_views(pictures, views[:, :0]).round(decimals=5), pictures.round(decimals=5))


def test_korean_texts_stand_for_themselves(clip):
    sources = torch.randn(16, 12)
    aim = DomainTarget(clip, "photo", "연필 스케치", True, [], sources)
    expected = clip.encode_text("연필 스케치") - clip.encode_text("photo")
    torch.testing.assert_close(aim.direction, expected[0] / expected.norm())


def test_templates_bring_the_article(clip):
    sources = torch.randn(16, 12)
    one, other = (DomainTarget(clip, "photo", text, True, [], sources).direction for text in ("zombie", "a zombie"))
    assert torch.equal(one, other)
    plain = DomainTarget(clip, "photo", "zombie", False, [], sources)
    expected = clip.encode_text("zombie") - clip.encode_text("photo")
    torch.testing.assert_close(plain.direction, expected[0] / expected.norm())


def test_style_pictures_replace_the_texts(generator, clip, tmp_path):
    picture = np.zeros((20, 30, 3), np.uint8)
    picture[:, 5:25] = np.random.default_rng(0).integers(0, 255, (20, 20, 3))
    Image.fromarray(picture).save(tmp_path / "wide.png")
    Image.fromarray(picture[:, 5:25]).save(tmp_path / "middle.png")
    only_clip = {"texture_lambda": 0.0}
    wide = trained(generator, clip, 1, **only_clip, prompt="", style_1=str(tmp_path / "wide.png"))
    middle = trained(generator, clip, 1, **only_clip, prompt="other", style_2=str(tmp_path / "middle.png"))
    assert torch.equal(wide.targets[0].direction, middle.targets[0].direction)
    target = clip.encode_picture(picture[:, 5:25])[0]
    expected = target - wide._sources[0][:16, 0].mean(0)
    torch.testing.assert_close(wide.targets[0].direction, expected / expected.norm())


def test_texts_that_mean_the_same(generator, clip):
    with pytest.raises(EngineError, match="Source and target mean the same to CLIP"):
        trained(generator, clip, 1, prompt="photo")


def test_a_loss_that_is_no_number(generator, clip):
    clip.matrix[:] = torch.nan
    with pytest.raises(EngineError, match="no longer a number; lower the learning rate"):
        trained(generator, clip, 1)


# ---------------------------------------------------------------------------------------------- snapshots and alarms


def test_snapshots(generator, clip):
    training = trained(generator, clip, 4, snapshot_every=2)
    early = trained(generator, clip, 2)
    assert list(training.snapshots) == [2, 4]
    for step in (2, 3):
        found = training.change_at(step)
        assert all(torch.equal(found[name], value.detach().half().float()) for name, value in early.change.items())
    assert training.change_at(0) is training.change
    assert training.change_at(1) == {}


def test_every_second_snapshot_is_forgotten(generator, clip):
    training = trained(generator, clip, 11, snapshot_every=1)
    assert list(training.snapshots) == [2, 4, 6, 8, 10, 11]


def test_overtraining(generator, clip, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 3)
    training = trained(generator, clip, 1)
    values = [0.9, 0.5, 0.4, 0.8, 0.9, 0.95]
    told = []
    for value in values:
        training.losses = {"loss": value}
        training.steps_done += 1
        training._watch()
        told.append(training.is_overtrained)
    assert told[2] is False
    assert told[-1] is False  # smoothed, it still fell a while ago
    for _ in range(40):
        training.losses = {"loss": 2.0}
        training.steps_done += 1
        training._watch()
    assert training.is_overtrained


def test_the_domain_of_a_training(generator, clip):
    training = trained(generator, clip, 2, source_text="face", prompt="zombie")
    domain = training.domain(small(source_text="face", prompt="zombie"))
    assert domain.metadata == {
        "generator": "5" * 64, "source": "face", "target": "zombie", "clip": "stub", "method": "layers", "steps": "2",
    }  # fmt: skip
    assert domain.change is training.change
