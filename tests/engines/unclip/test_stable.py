"""A format twin of Stable unCLIP, against the published pipeline of diffusers and through the loaders of `Models`."""

import shutil
from fnmatch import fnmatch

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from engines.base import EngineError, LiveSettings
from engines.diffusion._diffusers import (
    AutoencoderKL,
    CLIPTextConfig,
    CLIPTextModel,
    CLIPVisionModelWithProjection,
    DDIMScheduler,
    UNet2DConditionModel,
)
from engines.diffusion.process import leading_timesteps
from engines.images import as_tensor, load_picture
from engines.unclip import loading
from engines.unclip.engine import UnCLIP
from engines.unclip.settings import UnCLIPSettings
from engines.unclip.stable import StableDecoder
from engines.zoo import Models, find
from engines.zoo.fetching import file_sha256
from tests.engines.unclip.twins import WIDTH, save_eye_twin, save_karlo_twin, save_tokenizer

SMALL, HUGE = "Stable-unCLIP-small", "Stable-unCLIP"
POCKET_WIDTH = 256
OLD_ATTENTION = {"to_q.": "query.", "to_k.": "key.", "to_v.": "value.", "to_out.0.": "proj_attn."}
OLD_TEXT = {part: f"text_model.{part}" for part in ("embeddings.", "encoder.", "final_layer_norm.")}
QUICK = {"prior_steps": 3, "num_steps": 3, "num_pictures": 2, "model": SMALL}


def save_stable_twin(folder, width: int) -> None:
    """16 px, 8 × 8 latents of 4 channels, as the published pipeline writes itself."""
    from diffusers import DDPMScheduler, PNDMScheduler, StableUnCLIPImg2ImgPipeline
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
    from transformers import CLIPImageProcessor

    torch.manual_seed(10)
    tokenizer = save_tokenizer(folder / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=20, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2,
        bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=0,
        initializer_range=0.5,
    )  # fmt: skip
    network = UNet2DConditionModel(
        sample_size=8, in_channels=4, out_channels=4, block_out_channels=(8, 16), layers_per_block=1,
        norm_num_groups=4, cross_attention_dim=20, attention_head_dim=(2, 4), use_linear_projection=True,
        class_embed_type="projection", projection_class_embeddings_input_dim=2 * width,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    )  # fmt: skip
    autoencoder = AutoencoderKL(
        block_out_channels=(8, 8), norm_num_groups=4, down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2, latent_channels=4, scaling_factor=0.18215,
    )  # fmt: skip
    statistics = StableUnCLIPImageNormalizer(width)
    torch.nn.init.normal_(statistics.mean)
    torch.nn.init.uniform_(statistics.std, 0.5, 1.5)
    save_eye_twin(folder)
    StableUnCLIPImg2ImgPipeline(
        CLIPImageProcessor(size=28, crop_size=28),
        CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder"),
        statistics,
        DDPMScheduler(beta_schedule="squaredcos_cap_v2"),
        tokenizer,
        CLIPTextModel(text),
        network,
        PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", prediction_type="v_prediction",
            skip_prk_steps=True, steps_offset=1,
        ),
        autoencoder,
    ).save_pretrained(folder)  # fmt: skip
    rename(folder / "vae" / "diffusion_pytorch_model.safetensors", OLD_ATTENTION)
    rename(folder / "text_encoder" / "model.safetensors", OLD_TEXT)


def rename(weights, names: dict[str, str]) -> None:
    """As tensors were called when Stable Diffusion 2.1 was published."""
    tensors = load_file(weights)
    for new, old in names.items():
        assert any(new in name for name in tensors)
        tensors = {name.replace(new, old): tensor for name, tensor in tensors.items()}
    save_file(tensors, weights, {"format": "pt"})


@pytest.fixture(scope="module")
def repositories(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    for name, width in ((SMALL, WIDTH), (HUGE, POCKET_WIDTH)):
        save_stable_twin(folder / find("unclip", name, "full").source, width)
    save_karlo_twin(folder / find("unclip-prior", "", "full").source)
    return folder


@pytest.fixture
def asked(repositories, monkeypatch):
    """Repositories that were wanted, with the files of each; the pocket CLIP stands for the huge one."""
    asked = {}

    def snapshot_download(repository, allow_patterns):
        asked.setdefault(repository, []).append(allow_patterns)
        return str(repositories / repository)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    monkeypatch.setitem(loading.CLIP_APART, HUGE, "pocket-clip")
    return asked


@pytest.fixture(scope="module")
def folder(repositories):
    return repositories / find("unclip", SMALL, "full").source


@pytest.fixture(scope="module")
def decoder(folder):
    return StableDecoder.load(folder)


@pytest.fixture(scope="module")
def pipeline(folder):
    """With DDIM on the timesteps that lead back to a picture."""
    from diffusers import StableUnCLIPImg2ImgPipeline

    pipeline = StableUnCLIPImg2ImgPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
    options = {"timestep_spacing": "leading", "steps_offset": 0, "set_alpha_to_one": True, "clip_sample": False}
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, **options)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


@pytest.fixture
def picture(tmp_path):
    pixels = np.random.default_rng(3).integers(0, 256, (28, 28, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    return str(tmp_path / "picture.png")


# ---------------------------------------------------------------------------------------------- the decoder


@pytest.mark.parametrize(("level", "scale", "eta"), [(0, 10.0, 0.0), (600, 3.0, 0.0), (40, 1.0, 1.0)])
def test_it_paints_what_the_published_pipeline_paints(decoder, pipeline, level, scale, eta):
    steps, z, sample = 5, torch.randn(2, WIDTH), torch.randn(2, *decoder.shape)
    expected = pipeline(
        prompt=["a frog", "snow"], image_embeds=z, latents=sample.clone(), guidance_scale=scale, noise_level=level,
        eta=eta, num_inference_steps=steps, generator=torch.Generator().manual_seed(5), output_type="latent",
    ).images  # fmt: skip
    generator = torch.Generator().manual_seed(5)
    given = decoder.noised(z, level, torch.randn(z.shape, generator=generator))
    text, null = decoder.texts(["a frog", "snow"]), decoder.texts([""])
    predict = decoder.conditioned(given, text, null, image_scale=scale, text_scale=scale)
    *_, last = decoder.diffusion.ddim(predict, sample, leading_timesteps(steps), eta=eta, generator=generator)
    torch.testing.assert_close(last.sample, expected, rtol=1e-4, atol=1e-4)
    drawn = pipeline.vae.decode(expected / pipeline.vae.config.scaling_factor).sample
    torch.testing.assert_close(decoder.pictures(last.sample), drawn, rtol=1e-4, atol=1e-4)


def test_the_parts_of_the_twin_matter(decoder):
    """Or the comparison with the pipeline would say nothing."""
    z, sample = torch.randn(1, WIDTH), torch.randn(1, *decoder.shape)
    noise, (text, null) = torch.randn(1, WIDTH), (decoder.texts([words]) for words in ("a frog", ""))
    plain = decoder.conditioned(decoder.noised(z, 0, noise), text, null)(sample, 500)
    for other in (
        decoder.conditioned(decoder.noised(z + 1, 0, noise), text, null),
        decoder.conditioned(decoder.noised(z, 600, noise), text, null),
        decoder.conditioned(decoder.noised(z, 0, noise), null, null),
        decoder.conditioned(decoder.noised(z, 0, noise), text, null, text_scale=0.0),
    ):
        assert (other(sample, 500) - plain).abs().max() > 1e-2
    assert decoder.diffusion.prediction_type == "v_prediction"
    assert decoder.diffusion.clip is None


def test_an_embedding_is_noised_from_nearly_nothing_to_everything(decoder):
    z, noise = torch.randn(400, WIDTH), torch.randn(400, WIDTH)
    for level, share in ((0, 1.0), (999, 0.0)):
        noised = decoder.noised(z, level, noise)[:, :WIDTH]
        expected = share * z + (1 - share) * (decoder.mean + decoder.std * noise)
        torch.testing.assert_close(noised, expected, rtol=0, atol=0.05)
    same = decoder.noised(z[:1].expand(3, -1), 500, noise[:1])
    assert torch.equal(same[0], same[2])
    assert decoder.length == pytest.approx((decoder.mean + decoder.std * noise).norm(dim=1).mean().item(), rel=0.1)


def test_latents_are_of_pictures(decoder, pipeline):
    pictures = torch.rand(2, 3, 16, 16) * 2 - 1
    expected = pipeline.vae.encode(pictures).latent_dist.mode() * pipeline.vae.config.scaling_factor
    assert (decoder.size, decoder.shape) == (16, (4, 8, 8))
    torch.testing.assert_close(decoder.samples(pictures), expected)


def test_guidance_may_change_on_the_way(decoder):
    z, null = decoder.noised(torch.randn(1, WIDTH), 0, torch.zeros(1, WIDTH)), decoder.texts([""])
    sample, scales = torch.randn(1, *decoder.shape), iter((1.0, 4.0, 0.0))
    predict = decoder.conditioned(z, null, null, image_scale=lambda: next(scales), text_scale=0.0)
    conditioned, guided, unconditioned = (predict(sample, 500) for _ in range(3))
    torch.testing.assert_close(guided, unconditioned + 4 * (conditioned - unconditioned), rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------------------------------------- the engine


@pytest.mark.parametrize(
    "more",
    [
        {"prompt": "a frog"},
        {"operation": "variations", "noise_level": 300},
        {"operation": "textdiff", "prompt": "snow"},
        {"operation": "interpolate"},
        {"operation": "probe"},
    ],
)
def test_the_small_one_makes_and_changes_pictures(asked, repositories, picture, more):
    used = Models("full", "cpu")
    pictures = {"picture_1": picture, "picture_2": picture} if "operation" in more else {}
    *_, frame = UnCLIP(used).run(UnCLIPSettings.parse({**QUICK, **pictures, **more}))
    assert (frame.image.shape, frame.is_resting) == ((16, 32, 3), True)
    entry, prior = find("unclip", SMALL, "full"), find("unclip-prior", "", "full")
    weights = repositories / entry.source / "unet" / "diffusion_pytorch_model.safetensors"
    assert used.used == [{"name": SMALL, "sha256": file_sha256(weights)}]
    assert set(asked) == {entry.source, prior.source}


def test_the_noise_of_a_picture_is_found_and_led_back_in_latents(asked, picture):
    """With the same embedding both ways, or it would be another picture."""
    engine = UnCLIP(Models("full", "cpu"))
    pair = {"operation": "interpolate", "picture_1": picture, "picture_2": picture, "num_pictures": 1}
    *_, frame = engine.run(UnCLIPSettings.parse({**QUICK, **pair}))
    model, pixels = loading.load_unclip(engine.models, SMALL), load_picture(picture)
    decoder, null = model.decoder, model.decoder.texts([""])
    given = decoder.noised(model.clip.picture(pixels), 0, torch.zeros(1, WIDTH))
    predict = decoder.conditioned(given, null, null, image_scale=1.0, text_scale=1.0)
    latents, timesteps = decoder.samples(as_tensor(pixels)[None] * 2 - 1), leading_timesteps(3)
    *_, found = decoder.diffusion.ddim_inversion(predict, latents, timesteps)
    *_, back = decoder.diffusion.ddim(predict, found.sample, timesteps, generator=torch.Generator())
    drawn = decoder.pictures(back.sample)[0].permute(1, 2, 0).clamp(-1, 1)
    assert np.abs(frame.image / 127.5 - 1 - drawn.numpy()).max() < 0.02


def test_noise_on_the_embedding_makes_variations(asked, picture):
    """Each picture gets noise of its own; without it, kept noise makes the same one again."""
    values = {**QUICK, "operation": "variations", "picture_1": picture}

    def halves(**more):
        *_, frame = UnCLIP(Models("full", "cpu")).run(UnCLIPSettings.parse({**values, **more}))
        return frame.image[:, :16].astype(int), frame.image[:, 16:].astype(int)

    calm, wild, again = halves(), halves(noise_level=900), halves(noise_level=900)
    assert np.array_equal(*calm)
    assert np.abs(wild[0] - wild[1]).max() > 10
    assert np.array_equal(wild, again)


def test_the_knob_begins_a_picture_anew(asked, picture):
    live = LiveSettings(UnCLIPSettings.parse({**QUICK, "operation": "variations", "picture_1": picture}))
    frames = UnCLIP(Models("full", "cpu")).run(live.current, live)
    calm = next(frame for frame in frames if frame.is_resting)
    live.update(noise_level=500)
    wild = next(frame for frame in frames if frame.is_resting and frame.step > calm.step)
    assert wild.step - calm.step >= QUICK["num_steps"]
    assert not np.array_equal(calm.image, wild.image)


def test_a_run_goes_on_with_the_same_noise(asked, picture):
    settings = UnCLIPSettings.parse({**QUICK, "operation": "variations", "picture_1": picture, "noise_level": 500})
    engine = UnCLIP(Models("full", "cpu"))
    *_, whole = engine.run(settings)
    stopped, resumed = UnCLIP(engine.models), UnCLIP(engine.models)
    for frame, _ in zip(stopped.run(settings), range(5), strict=False):
        assert not frame.is_resting
    resumed.load_state_dict(stopped.state_dict())
    *_, frame = resumed.run(settings)
    assert np.array_equal(frame.image, whole.image)


def test_the_huge_one_has_no_prior_but_a_whole_clip(asked, picture):
    used, values = Models("full", "cpu"), {**QUICK, "model": HUGE}
    model = loading.load_unclip(used, HUGE)
    assert model.clip.picture(np.zeros((20, 30, 3), np.uint8)).norm().item() == pytest.approx(model.decoder.length)
    assert model.clip.texts(["a frog", ""]).embedding.norm(dim=1).tolist() == pytest.approx([model.decoder.length] * 2)
    for more in ({"prompt": "a frog", "prior": "none"}, {"operation": "textdiff", "prompt": "snow"}):
        *_, frame = UnCLIP(used).run(UnCLIPSettings.parse({**values, "picture_1": picture, **more}))
        assert (frame.image.shape, frame.is_resting) == ((16, 32, 3), True)
    assert {record["name"] for record in used.used} == {HUGE, "pocket-clip"}
    with pytest.raises(EngineError, match="Stable-unCLIP has no diffusion prior; choose another prior or other models"):
        list(UnCLIP(used).run(UnCLIPSettings.parse({**values, "prompt": "a frog"})))


# ---------------------------------------------------------------------------------------------- files


def test_what_is_needed_is_fetched_and_no_pickle(repositories):
    """As the hub's client reads patterns: a star may stand for a slash."""
    wanted = {
        ("unclip", SMALL): set(),
        ("unclip", HUGE): {"image_encoder/model.safetensors", "feature_extractor/preprocessor_config.json"},
        ("unclip-prior", ""): {
            f"{part}/{file}"
            for part in ("decoder", "text_proj", "super_res_first", "super_res_last")
            for file in ("config.json", "diffusion_pytorch_model.safetensors")
        } | {f"{part}/scheduler_config.json" for part in ("decoder_scheduler", "super_res_scheduler")},
    }  # fmt: skip
    for (task, name), left in wanted.items():
        entry = find(task, name, "full")
        source = repositories / entry.source
        files = {str(path.relative_to(source)) for path in source.rglob("*/*.*")} - {"model_index.json"}
        assert {file for file in files if not any(fnmatch(file, pattern) for pattern in entry.files)} == left
        pickles = "unet/diffusion_pytorch_model.bin", "text_encoder/pytorch_model.bin", "text_encoder/model.fp16.bin"
        assert not any(fnmatch(file, pattern) for file in pickles for pattern in entry.files)


def test_incomplete_and_damaged_folders(tmp_path, folder, refused, rewrite_json):
    def copy(name):
        return shutil.copytree(folder, tmp_path / name)

    missing = copy("missing")
    (missing / "image_normalizer" / "config.json").unlink()
    refused("There is no file .*image_normalizer", StableDecoder.load, missing)
    lacking = copy("lacking")
    tensors = load_file(lacking / "unet" / "diffusion_pytorch_model.safetensors")
    tensors.pop("class_embedding.linear_1.weight")
    save_file(tensors, lacking / "unet" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    refused("In 'unet' the tensor 'class_embedding.linear_1.weight'", StableDecoder.load, lacking)
    cut = copy("cut")
    weights = cut / "text_encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-9])
    refused("'text_encoder' is damaged or no CLIPTextModel", StableDecoder.load, cut)
    pickled = copy("pickled")
    (pickled / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"conv": torch.zeros(1)}, pickled / "vae" / "diffusion_pytorch_model.bin")
    refused("'vae' is damaged or no AutoencoderKL", StableDecoder.load, pickled)
    other = copy("other")
    narrow = {"mean": torch.zeros(1, 9), "std": torch.ones(1, 9)}
    save_file(narrow, other / "image_normalizer" / "diffusion_pytorch_model.safetensors", {"format": "pt"})
    rewrite_json(other / "image_normalizer" / "config.json", embedding_dim=9)
    refused("'other' is not the folder of a Stable unCLIP whose parts know the same", StableDecoder.load, other)
    unknown = copy("unknown")
    rewrite_json(unknown / "scheduler" / "scheduler_config.json", beta_schedule="sigmoid")
    refused("The schedule 'sigmoid' is not known", StableDecoder.load, unknown)
