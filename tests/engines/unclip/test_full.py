"""Format twins of Karlo and of its image variations, and a pocket folder, through the loaders of `Models`."""

from fnmatch import fnmatch

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engines.base import EngineError
from engines.unclip import Decoder, save_ar_prior
from engines.unclip.decoder import guidance_weights
from engines.unclip.engine import UnCLIP
from engines.unclip.loading import load_unclip
from engines.unclip.prior import DiffusionPrior
from engines.unclip.settings import UnCLIPSettings
from engines.zoo import Models, catalogue, find
from engines.zoo.catalogue import CATALOGUE, CatalogueEntry
from engines.zoo.fetching import file_sha256
from tests.engines.unclip.twins import save_kandinsky_twin, save_karlo_twin

QUICK = {"prior_steps": 3, "num_steps": 3, "num_pictures": 2}


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A folder for each repository; `asked` lists those that were wanted, with the files of each."""
    asked = {}
    for name in ("Karlo-v1-alpha", "Karlo-v1-alpha-variations"):
        folder = tmp_path / find("unclip", name, "full").source
        folder.mkdir(parents=True)
        save_karlo_twin(folder, with_prior=name == "Karlo-v1-alpha")
    names = ("unclip", "Kandinsky-2.2"), ("unclip-decoder", "Kandinsky-2.2-decoder")
    save_kandinsky_twin(*(tmp_path / find(task, name, "full").source for task, name in names))

    def snapshot_download(repository, allow_patterns):
        asked.setdefault(repository, []).append(allow_patterns)
        return str(tmp_path / repository)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    return tmp_path, asked


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(3).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


def test_karlo_makes_and_changes_pictures(hub, picture):
    folder, asked = hub
    models = Models("full", "cpu")
    *_, made = UnCLIP(models).run(UnCLIPSettings.parse({"prompt": "a frog", **QUICK}))
    assert (made.image.shape, made.is_resting) == ((32, 64, 3), True)
    *_, changed = UnCLIP(models).run(
        UnCLIPSettings.parse({"operation": "textdiff", "picture_1": picture, "prompt": "snow", **QUICK})
    )
    assert changed.image.shape == changed.before.shape == (32, 64, 3)
    *_, probed = UnCLIP(models).run(UnCLIPSettings.parse({"operation": "probe", "picture_1": picture, **QUICK}))
    assert sum(probed.losses.values()) == pytest.approx(1)
    karlo, variations = (find("unclip", name, "full") for name in ("", "Karlo-v1-alpha-variations"))
    assert karlo.name == "Karlo-v1-alpha"
    weights = folder / karlo.source / "decoder" / "diffusion_pytorch_model.safetensors"
    assert models.used == [{"name": karlo.name, "sha256": file_sha256(weights)}]
    assert load_unclip(models) is load_unclip(models)
    assert set(asked) == {karlo.source, variations.source}
    assert asked[variations.source][0] == ["image_encoder/*", "feature_extractor/*"]


def test_every_file_of_a_model_is_fetched(hub):
    """As the hub's client reads patterns: a star may stand for a slash."""
    folder, _ = hub
    for entry in CATALOGUE:
        if entry.task in ("unclip", "unclip-decoder") and entry.family == "full":
            files = {str(path.relative_to(folder / entry.source)) for path in (folder / entry.source).rglob("*.*")}
            missed = {file for file in files if not any(fnmatch(file, pattern) for pattern in entry.files)}
            assert not missed, entry.name


def test_the_image_variations_need_no_prior(hub, picture):
    values = {"model": "Karlo-v1-alpha-variations", **QUICK}
    *_, varied = UnCLIP(Models("full", "cpu")).run(
        UnCLIPSettings.parse({"operation": "variations", "picture_1": picture, **values})
    )
    assert varied.image.shape == (32, 64, 3)
    with pytest.raises(EngineError, match="Karlo-v1-alpha-variations has no diffusion prior; choose another prior"):
        list(UnCLIP(Models("full", "cpu")).run(UnCLIPSettings.parse({"prompt": "a frog", **values})))


def test_karlo_reads_and_sees_as_its_published_pipeline(hub, picture):
    """States after the last normalisation, "!" as padding, embeddings of no particular length."""
    from transformers import CLIPImageProcessor, CLIPTextModelWithProjection, CLIPTokenizer
    from transformers import CLIPVisionModelWithProjection as Eye

    folder, _ = hub
    karlo, variations = (folder / find("unclip", name, "full").source for name in ("", "Karlo-v1-alpha-variations"))
    clip = load_unclip(Models("full", "cpu")).clip
    found = clip.texts(["a frog", ""])
    read = CLIPTokenizer.from_pretrained(karlo / "tokenizer")(
        ["a frog", ""], padding="max_length", max_length=77, truncation=True, return_tensors="pt"
    )
    assert read.input_ids[0, -1] == 0
    said = CLIPTextModelWithProjection.from_pretrained(karlo / "text_encoder").eval()(read.input_ids)
    torch.testing.assert_close(found.embedding, said.text_embeds)
    torch.testing.assert_close(found.tokens, said.last_hidden_state)
    assert torch.equal(found.mask, read.attention_mask.bool())
    square = np.asarray(Image.open(picture).resize((28, 28)))
    pixels = CLIPImageProcessor(size=28, crop_size=28)(square, return_tensors="pt").pixel_values
    seen = Eye.from_pretrained(variations / "image_encoder").eval()(pixels).image_embeds
    torch.testing.assert_close(clip.picture(square), seen, rtol=0.01, atol=0.01)


def test_the_decoder_is_asked_as_the_published_pipeline_asks_it(hub):
    """Both halves of its guidance, from the projections and the U-Net as diffusers loads them."""
    from diffusers.pipelines.deprecated.unclip.text_proj import UnCLIPTextProjModel

    folder, _ = hub
    karlo = folder / find("unclip", "", "full").source
    model = load_unclip(Models("full", "cpu"))
    text, null = model.clip.texts(["a frog"]), model.clip.texts([""])
    z, sample = torch.randn(1, 16), torch.randn(1, 3, 16, 16)
    projections = UnCLIPTextProjModel.from_pretrained(karlo / "text_proj", low_cpu_mem_usage=False)
    both = null.followed_by(text)
    context, added = projections(
        image_embeddings=z, prompt_embeds=both.embedding, text_encoder_hidden_states=both.tokens,
        do_classifier_free_guidance=True,
    )  # fmt: skip
    mask = torch.nn.functional.pad(both.mask, (4, 0), value=True)
    output = model.decoder.network(
        sample.repeat(2, 1, 1, 1), 500, encoder_hidden_states=context, class_labels=added, attention_mask=mask
    ).sample
    without, told = output[:, :3].chunk(2)
    found = model.decoder.conditioned(z, text, null, image_scale=8.0, text_scale=8.0)(sample, 500)
    torch.testing.assert_close(found[:, :3], without + 8 * (told - without), rtol=1e-3, atol=1e-3)
    assert guidance_weights(8.0, 8.0)[1] == 0


def test_kandinsky_makes_and_changes_pictures(hub, picture):
    folder, _ = hub
    models, values = Models("full", "cpu"), {"model": "Kandinsky-2.2", **QUICK}
    for more in (
        {"prompt": "a frog"},
        {"operation": "textdiff", "picture_1": picture, "prompt": "snow"},
        {"operation": "interpolate", "picture_1": picture, "picture_2": picture},
    ):
        *_, frame = UnCLIP(models).run(UnCLIPSettings.parse({**values, **more}))
        assert (frame.image.shape, frame.is_resting) == ((16, 32, 3), True), more
    weights = folder / find("unclip-decoder", "", "full").source / "unet" / "diffusion_pytorch_model.safetensors"
    assert models.used == [{"name": "Kandinsky-2.2", "sha256": file_sha256(weights)}]


def test_kandinsky_is_asked_as_its_published_pipeline_asks_it(hub):
    """Its embedding against that of a grey picture, and latents that are not quantised."""
    from diffusers import DDPMScheduler, KandinskyV22Pipeline

    decoder_folder = hub[0] / find("unclip-decoder", "", "full").source
    model = load_unclip(Models("full", "cpu"), "Kandinsky-2.2")
    decoder, null = model.decoder, model.clip.texts([""])
    z, sample = torch.randn(1, 16), torch.randn(1, *decoder.shape)
    scheduler = DDPMScheduler.from_pretrained(decoder_folder / "scheduler")
    pipeline = KandinskyV22Pipeline(decoder.network, scheduler, decoder.autoencoder)
    pipeline.set_progress_bar_config(disable=True)
    seen = []
    pipeline(
        z, model.clip.nobody(), height=16, width=16, num_inference_steps=1, guidance_scale=4.0, latents=sample.clone(),
        callback_on_step_end=lambda _p, _i, t, tensors: seen.append((int(t), tensors["latents"])) or tensors,
        output_type="latent",
    )  # fmt: skip
    timestep, latents = seen[0]
    output = decoder.conditioned(z, null, null, image_scale=4.0, text_scale=4.0)(sample, timestep)
    found, _ = decoder.diffusion.ddpm_step(output, sample, timestep, None, torch.zeros_like(sample))
    torch.testing.assert_close(found, latents, rtol=1e-3, atol=1e-3)
    expected = decoder.autoencoder.decode(latents, force_not_quantize=True).sample
    torch.testing.assert_close(decoder.pictures(latents), expected)


def test_incomplete_and_damaged_folders(hub, refused):
    folder, _ = hub
    karlo = folder / find("unclip", "", "full").source
    weights = karlo / "text_encoder" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-9])
    refused("has no readable text_encoder; fetch it again", load_unclip, Models("full", "cpu"))
    weights.write_bytes(content)
    tensors = load_file(karlo / "decoder" / "diffusion_pytorch_model.safetensors")
    tensors.pop("conv_in.weight")
    save_file(tensors, karlo / "decoder" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    refused("In 'decoder' the tensor 'conv_in.weight'", load_unclip, Models("full", "cpu"))


def test_a_pocket_folder_is_read_with_the_pocket_clip(tmp_path, monkeypatch, decoder, prior, ar_prior):
    """In the layout that the trainings write."""
    for part in (decoder("pocket"), prior):
        part.save(tmp_path / "pocket", half=True)
    save_ar_prior(ar_prior, tmp_path / "pocket" / "ar_prior.safetensors", half=True)
    entry = CatalogueEntry("small", "pocket", "unclip", str(tmp_path / "pocket"), 1, "Apache-2.0", "")
    monkeypatch.setattr(catalogue, "CATALOGUE", [entry, *CATALOGUE])
    model = load_unclip(Models("pocket", "cpu"))
    assert isinstance(model.decoder, Decoder)
    assert isinstance(model.prior, DiffusionPrior)
    assert (model.name, model.upsampler) == ("small", None)
    assert model.ar_prior.config == ar_prior.config
    assert model.clip.texts(["a cat"]).embedding.shape == (1, 256)
    assert model.clip.picture(np.zeros((30, 40, 3), np.uint8)).shape == (1, 256)
    assert model.clip.likeness(torch.randn(1, 256), ["a cat", "a dog"]).sum() == pytest.approx(1)
