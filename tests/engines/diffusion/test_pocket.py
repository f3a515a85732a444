import shutil

import pytest
import torch

from engines.base import EngineError
from engines.diffusion import PocketDiffusion, sample
from engines.diffusion.pocket import PARTS, tokens

PROMPTS = ["a red apple", "고양이 그림"]


def seeded():
    return torch.Generator().manual_seed(0)


def test_samples_are_those_of_the_pipeline_of_stable_diffusion(model):
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline(
        **{name: getattr(model, name) for name in PARTS},
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.set_progress_bar_config(disable=True)
    latents = torch.randn(2, 48, 4, 4, generator=seeded())
    theirs = pipeline(PROMPTS, 16, 16, num_inference_steps=4, guidance_scale=3.0, latents=latents, output_type="pt")
    ours = sample(model, PROMPTS, 4, 3.0, seeded())
    assert torch.allclose(ours, theirs.images, atol=1e-5)
    assert ours.std() > 0.1


def test_a_sample_follows_its_prompt_and_its_seed(model):
    first = sample(model, PROMPTS, 3, 3.0, seeded())
    assert torch.equal(first, sample(model, PROMPTS, 3, 3.0, seeded()))
    assert not torch.allclose(first[:1], sample(model, ["a house"], 3, 3.0, seeded()), atol=1e-3)
    assert not torch.allclose(first, sample(model, PROMPTS, 3, 3.0, torch.Generator().manual_seed(1)), atol=1e-3)


def test_without_guidance_only_the_prompt_counts(model):
    guided = sample(model, [""], 3, 5.0, seeded())
    assert torch.allclose(guided, sample(model, [""], 3, 1.0, seeded()), atol=1e-5)


def test_a_saved_folder_gives_the_same_pictures(model, tmp_path):
    model.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(PARTS)
    loaded = PocketDiffusion.load(tmp_path)
    assert torch.equal(sample(loaded, PROMPTS, 3, 3.0, seeded()), sample(model, PROMPTS, 3, 3.0, seeded()))


@pytest.mark.parametrize("part", PARTS)
def test_it_says_which_part_is_missing(model, tmp_path, part):
    model.save(tmp_path)
    shutil.rmtree(tmp_path / part)
    with pytest.raises(EngineError, match=f"no readable {part}; fetch it again"):
        PocketDiffusion.load(tmp_path)


@pytest.mark.parametrize("part", ["text_encoder", "unet"])
def test_it_says_which_weights_are_damaged(model, tmp_path, part):
    model.save(tmp_path)
    (weights,) = (tmp_path / part).glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(EngineError, match=f"no readable {part}; fetch it again"):
        PocketDiffusion.load(tmp_path)


def test_what_is_too_long_is_cut_off(model):
    long, short = tokens(model.tokenizer, ["a very " + "long " * 40 + "way", "a cat"])
    assert long.shape == short.shape == (24,)
    assert long[-1] == short[-1] == model.tokenizer.eos_token_id
    assert model.encode(["a cat"]).shape == (1, 24, 16)
