"""A few steps of a small decoder; how well it paints is measured by the benchmark."""

import pytest
import torch

from engines.diffusion import PocketDiffusion
from engines.diffusion.pocket import tokens
from engines.unclip import Decoder
from engines.unclip.text import encode_texts
from tests.engines.diffusion.twins import pocket_twin
from training import unclip_decoder
from training.clip import ASSETS, MODEL
from training.diffusion import make_text_encoder, make_tokenizer
from training.unclip_decoder import DecoderTrainer, fit_pictures, fit_words, make_projections, make_unet
from training.unclip_prior import load_encoder
from training.weights import save_checkpoint

TEXTS = ["a red apple", "고양이", "two balls on a blue background", ""]


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(ASSETS / f"{MODEL}.safetensors", "cpu")


@pytest.fixture(scope="module")
def trainer(composer, encoder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    pocket_twin().save(folder)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"BATCH": 12, "FITTED": 60, "SHOWN": 8, "SHOWN_STEPS": 2}.items():
            patch.setattr(unclip_decoder, name, value)
        yield DecoderTrainer(encoder, folder, 100, 1, "cpu")


def test_words_are_read_as_before(encoder):
    """Where the painter's text encoder is the CLIP's, nothing is lost but what rounding takes."""
    twin, tokenizer = pocket_twin(), make_tokenizer()
    painter = PocketDiffusion(tokenizer, make_text_encoder(tokenizer).eval(), twin.unet, twin.scheduler, twin.vae)
    torch.nn.init.normal_(painter.text_encoder.final_layer_norm.bias)
    unet = make_unet(twin.unet)
    unet.register_to_config(cross_attention_dim=192)
    projections = make_projections(encoder, unet)
    fit_words(projections, encoder, painter, [f"{text} {n}" for text in TEXTS for n in range(40)])
    text = encode_texts(encoder, TEXTS)
    with torch.no_grad():
        found, _, added = projections(torch.randn(4, 256), text)
        wanted = painter.text_encoder(tokens(tokenizer, TEXTS)).last_hidden_state
    torch.testing.assert_close(found[:, 4:][text.mask], wanted[text.mask], rtol=0.01, atol=0.02)
    assert projections.encoder_hidden_states_proj.weight.abs().max() < 10  # nothing is fitted to rounding
    assert not found[:, :4].any()
    assert not added.any()


def test_pictures_say_what_their_captions_said(encoder, monkeypatch):
    """By least squares, where there are fewer of them than an embedding has numbers; none adds what "" did."""
    monkeypatch.setattr(unclip_decoder, "EVENLY", 0.0)
    painter, pictures = pocket_twin(), torch.rand(3, 3, 64, 64)
    projections = make_projections(encoder, make_unet(painter.unet))
    fit_pictures(projections, encoder, painter, pictures, TEXTS[:3])
    text = encode_texts(encoder, [""])
    with torch.no_grad():
        seen = torch.cat([encoder.encode_image(pictures), projections.no_picture(1)])
        _, _, found = projections(seen, text.expanded(4))
        wanted = painter.unet.add_embedding(painter.encode([*TEXTS[:3], ""]))
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


def test_all_that_an_embedding_says_is_told(encoder):
    """Where all pictures have one caption, too."""
    painter, pictures = pocket_twin(), torch.rand(40, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    projections = make_projections(encoder, make_unet(painter.unet))
    fit_pictures(projections, encoder, painter, pictures, ["a cat"] * 40)
    with torch.no_grad():
        told = projections.clip_image_embeddings_project_to_time_embeddings(encoder.encode_image(pictures))
    strengths = torch.linalg.svdvals(told - told.mean(0))
    assert strengths[:20].min() > 0.02 * strengths.max()


def test_it_begins_as_the_painter(trainer):
    """The U-Net is the same: given what the painter's makes of a text, it says what the painter's says."""
    decoder, painter = trainer.decoder, pocket_twin()
    sample = torch.randn(4, *decoder.shape)
    with torch.no_grad():
        texts = painter.encode(TEXTS)
        before = painter.unet(sample, 500, texts).sample
        now = decoder.network(sample, 500, texts, class_labels=painter.unet.add_embedding(texts)).sample
    torch.testing.assert_close(now, before)


def test_what_is_seen_again_and_again_is_learned_and_the_clip_stays(trainer, monkeypatch):
    monkeypatch.setattr(unclip_decoder, "NO_PICTURE", 0.3)  # so that some of so few have none
    clip = {name: tensor.clone() for name, tensor in trainer.encoder.model.state_dict().items()}
    state = {name: value.clone() for name, value in trainer.networks.state_dict().items()}
    losses = []
    monkeypatch.setattr(unclip_decoder, "WARM_UP", 4)
    for trainer.batch in (70,) * 20:
        losses.append(trainer.step()["loss"])
    assert losses[-1] < 0.8 * losses[0]
    changed = {name for name, value in trainer.networks.state_dict().items() if not torch.equal(value, state[name])}
    assert changed == set(state)
    assert all(torch.equal(tensor, clip[name]) for name, tensor in trainer.encoder.model.state_dict().items())


def test_first_only_the_draft_learns(trainer, monkeypatch):
    monkeypatch.setattr(unclip_decoder, "WARM_UP", 4)
    state = {name: value.clone() for name, value in trainer.networks.state_dict().items()}
    losses = []
    for trainer.batch in (20,) * 12:
        losses.append(trainer.step()["loss"])
    assert losses[-1] < losses[0]
    changed = {name for name, value in trainer.networks.state_dict().items() if not torch.equal(value, state[name])}
    assert changed == {name for name in state if name.startswith("unet.draft.")}


def test_it_is_shown_embeddings_that_are_astray_and_of_unit_length(trainer, monkeypatch):
    monkeypatch.setattr(unclip_decoder, "NO_PICTURE", 0.0)
    _, told, _ = trainer._seen(trainer.world, *trainer.chances())
    monkeypatch.setattr(unclip_decoder, "ASTRAY", 0.0)
    _, true, _ = trainer._seen(trainer.world, *trainer.chances())
    torch.testing.assert_close(told.norm(dim=1), torch.ones(12))
    likeness = (told * true).sum(1)
    assert 0.85 < likeness.min() < likeness.max() < 1


def test_captions_and_pictures_are_left_out_by_themselves(trainer, monkeypatch):
    monkeypatch.setattr(unclip_decoder, "NO_PICTURE", 0.5)
    seen = []

    for trainer.batch in range(12):
        _, z_image, text = trainer._seen(trainer.world, *trainer.chances())
        seen.append(((z_image == trainer.decoder.projections.no_picture(12)).all(1), (text.mask.sum(1) == 2)))
    no_picture, no_text = (torch.cat(parts).float() for parts in zip(*seen, strict=True))
    assert no_picture.mean() == pytest.approx(0.5, abs=0.12)
    assert no_text.mean() == pytest.approx(0.5, abs=0.12)
    assert (no_picture * no_text).mean() == pytest.approx(0.25, abs=0.12)


def test_a_resumed_training_goes_on_as_if_it_had_never_stopped(trainer, tmp_path):
    trainer.step()
    save_checkpoint(trainer, tmp_path / "state.pt")
    at = trainer.batch
    unbroken = trainer.step()["loss"]
    trainer.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert trainer.batch == at
    assert trainer.step()["loss"] == unbroken


def test_what_is_exported_is_what_was_learned(trainer, tmp_path):
    trainer.export(tmp_path)
    decoder, text = Decoder.load(tmp_path), encode_texts(trainer.encoder, TEXTS)
    sample, z = torch.randn(4, *decoder.shape), torch.randn(4, 256)
    with torch.no_grad():
        ours, theirs = (d.predict(sample, 500, z, text) for d in (trainer.average, decoder))
    torch.testing.assert_close(ours, theirs, rtol=0.05, atol=0.02)
    assert decoder.diffusion.prediction_type == "sample"


def test_the_sheet_has_four_rows(trainer):
    assert trainer.sheet().size == (8 * trainer.decoder.size, 4 * trainer.decoder.size)
