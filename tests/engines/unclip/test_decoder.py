"""Against diffusers' own projections and calls, the arrays of Karlo's guidance, and folders as they are published."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from engines.diffusion.process import Diffusion, leading_timesteps, spaced_timesteps
from engines.unclip.decoder import Decoder, Projections, changing, guidance_weights, guided

KINDS = ("karlo", "pocket")


@pytest.fixture(scope="module")
def z():
    return torch.randn(2, 12, generator=torch.Generator().manual_seed(5))


@pytest.fixture
def sample(generator):
    return torch.randn(2, 3, 8, 8, generator=generator)


# ---------------------------------------------------------------------------------------------- projections


@pytest.fixture(scope="module")
def published():
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel

    torch.manual_seed(6)
    model = UnCLIPTextProjModel(clip_embeddings_dim=12, time_embed_dim=32, cross_attention_dim=20)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model.requires_grad_(False)


def test_projections_are_those_of_karlo(published, texts, z):
    own = Projections(12, 32, 20)
    own.load_state_dict(published.state_dict())
    told, null = texts(2), texts(1, seed=9)
    both = null.expanded(2).followed_by(told)
    context, added = published(
        image_embeddings=z,
        prompt_embeds=both.embedding,
        text_encoder_hidden_states=both.tokens,
        do_classifier_free_guidance=True,
    )
    tokens, mask, found = own(torch.cat([own.no_picture(2), z]), both)
    torch.testing.assert_close(tokens, context)
    torch.testing.assert_close(found, added)
    assert mask[:, :4].all()
    assert torch.equal(mask[:, 4:], both.mask)


# ---------------------------------------------------------------------------------------------- guidance


def test_reference_guidance(array):
    """Only what is predicted is guided; the variance is that of the condition."""
    with_both, with_neither = array("dec_out_cond"), array("dec_out_uncond")
    branches = (with_both,), (None,), (with_neither,)  # the second counts for nothing and is not asked
    found = guided(with_both[:, :3], branches, guidance_weights(8.0, 8.0), lambda _, outputs: torch.cat(outputs))
    torch.testing.assert_close(found, array("dec_guided_s8"), rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("scales", "weights"),
    [((1, 1), (1, 0, 0)), ((8, 8), (8, 0, -7)), ((3, 5), (5, -2, -2)), ((2, 0), (0, 2, -1)), ((0, 0), (0, 0, 1))],
)
def test_weights_of_the_three_predictions(scales, weights):
    assert guidance_weights(*scales) == weights
    assert sum(weights) == 1


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scales", [(1.0, 1.0), (8.0, 8.0), (3.0, 5.0)])
def test_guided_predictions(decoder, texts, z, sample, kind, scales):
    decoder, text, null = decoder(kind), texts(2), texts(1, seed=9)
    predict = decoder.conditioned(z, text, null, image_scale=scales[0], text_scale=scales[1])
    found = predict(sample, 400)
    nobody = decoder.projections.no_picture(2)
    both, alone, neither = (
        decoder.predict(sample, 400, *condition)
        for condition in ((z, text), (z, null.expanded(2)), (nobody, null.expanded(2)))
    )
    expected = neither[:, :3] + scales[0] * (alone - neither)[:, :3] + scales[1] * (both - alone)[:, :3]
    torch.testing.assert_close(found[:, :3], expected, rtol=1e-4, atol=1e-4)
    assert found.shape[1] == (6 if kind == "karlo" else 3)
    torch.testing.assert_close(found[:, 3:], both[:, 3:], rtol=1e-4, atol=1e-5)


def test_only_what_counts_is_computed(decoder, texts, z, sample, monkeypatch):
    decoder, text, null = decoder("pocket"), texts(2), texts(1, seed=9)
    rows, predict = [], decoder.predict
    monkeypatch.setattr(decoder, "predict", lambda x, *rest: rows.append(len(x)) or predict(x, *rest))
    for scales in ((1.0, 1.0), (8.0, 8.0), (3.0, 5.0)):
        decoder.conditioned(z, text, null, image_scale=scales[0], text_scale=scales[1])(sample, 400)
    assert rows == [2, 4, 6]


@pytest.mark.parametrize("kind", KINDS)
def test_the_network_is_asked_as_the_published_pipeline_does(decoder, texts, z, sample, kind):
    """Blocks of Karlo read the mask of the text under another name than those of Stable Diffusion."""
    decoder, text = decoder(kind), texts(2)
    tokens, mask, added = decoder.projections(z, text)
    name = "attention_mask" if kind == "karlo" else "encoder_attention_mask"
    expected = decoder.network(sample, 400, tokens, class_labels=added, **{name: mask}).sample
    torch.testing.assert_close(decoder.predict(sample, 400, z, text), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_everything_is_read_but_padding(decoder, texts, z, sample, kind):
    decoder, text = decoder(kind), texts(2)
    before = decoder.predict(sample, 400, z, text)
    assert not torch.allclose(decoder.predict(sample, 400, z + 1, text), before)
    assert not torch.allclose(decoder.predict(sample, 400, z, texts(2, seed=8)), before)
    padded = type(text)(text.embedding, text.tokens + 9 * ~text.mask[..., None], text.mask)
    torch.testing.assert_close(decoder.predict(sample, 400, z, padded), before, rtol=1e-4, atol=1e-5)


# ---------------------------------------------------------------------------------------------- pictures


def test_pictures_are_laid_into_channels_and_back(decoder):
    """A decoder of 48 channels works on patches of 4 × 4 px, Karlo's on the pixels themselves."""
    pictures = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1)) * 2 - 1
    plain = decoder("karlo")
    assert (plain.patch, plain.size) == (1, 8)
    torch.testing.assert_close(plain.pictures(plain.samples(pictures)), pictures)
    patched = decoder("patches")
    assert (patched.patch, patched.size, patched.shape) == (4, 8, (48, 2, 2))
    samples = patched.samples(pictures)
    assert samples.shape == (2, 48, 2, 2)
    torch.testing.assert_close(patched.pictures(samples), pictures)
    assert patched.samples(torch.zeros(1, 3, 30, 20)).shape == (1, 48, 2, 2)


# ---------------------------------------------------------------------------------------------- sampling


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_from_embeddings(decoder, texts, z, sample, kind):
    decoder = decoder(kind)
    predict = decoder.conditioned(z, texts(2), texts(1, seed=9))
    for sampler in (decoder.diffusion.ddpm, decoder.diffusion.ddim):
        steps = list(sampler(predict, sample, spaced_timesteps(3), generator=torch.Generator().manual_seed(0)))
        assert steps[-1].sample.shape == (2, *decoder.shape)
        assert all(step.x0.abs().max() <= 1 for step in steps)


def test_settings_and_embedding_may_change_on_the_way(decoder, texts, z, sample):
    decoder, text, null = decoder("pocket"), texts(2), texts(1, seed=9)
    live = {"z": z, "scale": 2.0}
    predict = decoder.conditioned(
        lambda: live["z"], text, null, image_scale=lambda: live["scale"], text_scale=lambda: live["scale"]
    )
    before = predict(sample, 400)
    live["scale"] = 4.0
    guided = predict(sample, 400)
    live["z"] = -z
    turned = predict(sample, 400)
    assert not torch.allclose(before, guided)
    assert not torch.allclose(guided, turned)
    fixed = decoder.conditioned(-z, text, null, image_scale=4.0, text_scale=4.0)(sample, 400)
    assert torch.equal(turned, fixed)


@torch.no_grad()
def test_of_a_change_as_much_is_painted_as_is_asked(decoder, texts, z, sample):
    decoder, null = decoder("karlo"), texts(1, seed=9)
    changed = z.flip(0)

    def unguided(embeddings):
        return decoder.conditioned(embeddings, null, null, image_scale=1.0, text_scale=1.0)

    own, other = (unguided(embeddings)(sample, 400) for embeddings in (z, changed))
    for scale in (0.0, 1.0, 2.5):
        found = changing(unguided, changed, z, lambda scale=scale: scale)(sample, 400)
        torch.testing.assert_close(found[:, :3], own[:, :3] + scale * (other - own)[:, :3])
        torch.testing.assert_close(changing(unguided, z, z, scale)(sample, 400)[:, :3], own[:, :3])


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_its_embedding_and_its_noise(decoder, texts, z, sample, kind):
    """Inverted without guidance and sampled back it is nearly the same; with another embedding it is not."""
    decoder, null = decoder(kind), texts(1, seed=9)
    torch.nn.init.normal_(decoder.network.conv_out.weight, std=0.1)  # calm, as trained networks are
    diffusion = Diffusion.of({"prediction_type": "v_prediction", "clip_sample": False})
    timesteps = leading_timesteps(30)
    plain = {"image_scale": 1.0, "text_scale": 1.0}
    own, other = (decoder.conditioned(x, null, null, **plain) for x in (z, 30 * z.flip(0)))
    *_, noise = diffusion.ddim_inversion(own, sample, timesteps)
    errors = []
    for predict in (own, other):
        *_, back = diffusion.ddim(predict, noise.sample, timesteps, generator=torch.Generator())
        errors.append((back.sample - sample).abs().mean().item())
    assert errors[0] < 0.1 * sample.abs().mean()
    assert errors[1] > 4 * errors[0]


# ---------------------------------------------------------------------------------------------- folders


@pytest.fixture
def folder(decoder, tmp_path):
    decoder("karlo").save(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_saved_decoders_are_read_back(decoder, tmp_path, texts, z, sample, kind, half):
    decoder = decoder(kind)
    decoder.save(tmp_path, half=half)
    found = Decoder.load(tmp_path)
    assert (found.shape, found.scheduler) == ((3, 8, 8), decoder.scheduler)
    tolerance = {"rtol": 0.02, "atol": 0.02} if half else {"rtol": 0, "atol": 0}
    arguments = sample, 400, z, texts(2)
    torch.testing.assert_close(found.predict(*arguments), decoder.predict(*arguments), **tolerance)


def test_projections_as_diffusers_writes_them(folder, published):
    for file in (folder / "text_proj").iterdir():
        file.unlink()
    published.save_pretrained(folder / "text_proj")
    found = Decoder.load(folder).projections
    for name, tensor in published.state_dict().items():
        assert torch.equal(found.state_dict()[name], tensor), name


def test_own_projections_are_read_by_diffusers(folder, published):
    found = type(published).from_pretrained(folder / "text_proj", low_cpu_mem_usage=False)
    own = load_file(folder / "text_proj" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(tensor, own[name]) for name, tensor in found.state_dict().items())


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("cross_attention_dim", 24, "is wanted; choose an undamaged"),
        ("time_embed_dim", None, "is not the folder of the projections"),
        ("clip_embeddings_dim", 1 << 40, "is not the folder of the projections"),
    ],
)
def test_projections_that_do_not_fit(folder, refused, rewrite_json, name, value, message):
    rewrite_json(folder / "text_proj" / "config.json", **{name: value})
    assert "text_proj" in refused(message, Decoder.load, folder)


def test_damaged_projections(folder, refused):
    weights = folder / "text_proj" / "diffusion_pytorch_model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-4])
    assert "text_proj" in refused("'text_proj' is damaged", Decoder.load, folder)
    weights.unlink()
    assert weights.name in refused("There is no file", Decoder.load, folder)
    save_file({"embedding_proj.weight": torch.zeros(3)}, weights)
    assert "tensor" in refused("'text_proj': The (file lacks the )?tensor", Decoder.load, folder)


def test_a_folder_without_a_decoder(tmp_path, refused):
    assert "decoder" in refused("There is no file .*config.json", Decoder.load, tmp_path)
