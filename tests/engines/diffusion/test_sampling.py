"""The loop against the pipelines of diffusers, and what it can do beyond them."""

import pytest
import torch

from engines.diffusion import Control, Guidance, Sampler, plain_guidance
from engines.diffusion.model import PARTS
from tests.engines.diffusion.twins import controlnet_twin

PROMPT, NEGATIVE = "a red apple", "blurry"


def seeded(seed: int = 0):
    return torch.Generator().manual_seed(seed)


def pipeline(kind: str, model, **parts):
    import diffusers

    made = getattr(diffusers, kind)(
        **{name: getattr(model, name) for name in PARTS}, **parts,
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    return made


def guide(model, scale: float, control_scale: float = 1.0):
    guidance = plain_guidance(model.encode([NEGATIVE]), model.encode([PROMPT]), scale, control_scale)
    return lambda timestep: guidance


def last(sampler, latents, guidance):
    *_, step = sampler.steps(latents, guidance)
    return step


@pytest.fixture
def photo():
    return torch.rand(1, 3, 16, 16, generator=seeded(5))


OPTIONS = {"negative_prompt": NEGATIVE, "num_inference_steps": 5, "output_type": "pt"}


@pytest.mark.parametrize("scale", [1.0, 4.0])
def test_it_is_the_pipeline_of_stable_diffusion(either, scale):
    theirs = pipeline("StableDiffusionPipeline", either)(
        PROMPT, 16, 16, guidance_scale=scale, generator=seeded(), **OPTIONS
    )
    sampler = Sampler(either, 5)
    ours = last(sampler, sampler.noise(seeded()), guide(either, scale))
    torch.testing.assert_close(either.pictures(ours.latents), theirs.images, rtol=0, atol=1e-4)
    assert theirs.images.std() > 0.02


@pytest.mark.parametrize("strength", [0.4, 0.8])
def test_it_is_the_pipeline_from_picture_to_picture(either, photo, strength):
    theirs = pipeline("StableDiffusionImg2ImgPipeline", either)(
        PROMPT, photo, strength=strength, guidance_scale=3.0, generator=seeded(), **OPTIONS
    )
    sampler = Sampler(either, 5, strength=strength)
    assert len(sampler.timesteps) == 5 * strength
    ours = last(sampler, sampler.noised(photo, seeded()), guide(either, 3.0))
    torch.testing.assert_close(either.pictures(ours.latents), theirs.images, rtol=0, atol=1e-4)


def test_it_is_the_pipeline_with_a_controlnet(either, photo):
    network = controlnet_twin(either)
    theirs = pipeline("StableDiffusionControlNetPipeline", either, controlnet=network)(
        PROMPT, photo, 16, 16, guidance_scale=3.0, controlnet_conditioning_scale=0.7, generator=seeded(), **OPTIONS
    )
    sampler = Sampler(either, 5, control=Control(network, photo))
    ours = last(sampler, sampler.noise(seeded()), guide(either, 3.0, 0.7))
    torch.testing.assert_close(either.pictures(ours.latents), theirs.images, rtol=0, atol=1e-4)
    free = last(sampler, sampler.noise(seeded()), guide(either, 3.0, 0.0))
    without = last(Sampler(either, 5), sampler.noise(seeded()), guide(either, 3.0))
    assert torch.equal(free.latents, without.latents)
    assert not torch.allclose(free.latents, ours.latents, atol=1e-3)


def test_both_at_once_are_the_pipeline_with_both(either, photo):
    network = controlnet_twin(either)
    theirs = pipeline("StableDiffusionControlNetImg2ImgPipeline", either, controlnet=network)(
        PROMPT, photo, photo, 16, 16, strength=0.8, guidance_scale=3.0, controlnet_conditioning_scale=0.7,
        generator=seeded(), **OPTIONS,
    )  # fmt: skip
    sampler = Sampler(either, 5, strength=0.8, control=Control(network, photo))
    ours = last(sampler, sampler.noised(photo, seeded()), guide(either, 3.0, 0.7))
    torch.testing.assert_close(either.pictures(ours.latents), theirs.images, rtol=0, atol=1e-4)


def test_prompts_may_change_with_the_timestep(model):
    """As the pipeline's callback does it."""
    first, second = model.encode(["a cat"]), model.encode(["a house"])
    nothing, middle = model.encode([""]), 500

    def switch(pipe, number, timestep, tensors):
        upcoming = pipe.scheduler.timesteps[number + 1] if number + 1 < 5 else 0
        return {"prompt_embeds": torch.cat([nothing, first if upcoming >= middle else second])}

    theirs = pipeline("StableDiffusionPipeline", model)(
        prompt_embeds=first, negative_prompt_embeds=nothing, height=16, width=16, guidance_scale=3.0,
        num_inference_steps=5, output_type="pt", generator=seeded(), callback_on_step_end=switch,
        callback_on_step_end_tensor_inputs=["prompt_embeds"],
    )  # fmt: skip
    seen = []

    def guidance(timestep):
        seen.append(timestep)
        return plain_guidance(nothing, first if timestep >= middle else second, 3.0)

    sampler = Sampler(model, 5)
    ours = last(sampler, sampler.noise(seeded()), guidance)
    torch.testing.assert_close(model.pictures(ours.latents), theirs.images, rtol=0, atol=1e-4)
    assert seen == sampler.timesteps == [999, 799, 599, 399, 199]


def test_a_step_shows_what_it_will_be(model):
    sampler = Sampler(model, 5)
    steps = list(sampler.steps(sampler.noise(seeded()), guide(model, 1.0)))
    assert [(step.step, step.steps) for step in steps] == [(number, 5) for number in range(1, 6)]
    assert steps[0].x0.shape == (1, 48, 4, 4)
    assert torch.equal(steps[-1].x0, steps[-1].latents)  # after the last step there is no noise
    assert steps[0].x0.abs().max() <= 1
    again = sampler.step(steps[1].latents, 2, guide(model, 1.0)(0))
    assert torch.equal(again.latents, steps[2].latents)


def test_terms_of_weight_zero_are_not_computed(model, monkeypatch):
    batches, forward = [], type(model.unet).forward

    def counted(self, batch, *rest, **more):
        batches.append(len(batch))
        return forward(self, batch, *rest, **more)

    monkeypatch.setattr(type(model.unet), "forward", counted)
    one, other = model.encode(["a cat"]), model.encode(["a dog"])
    sampler = Sampler(model, 5)
    latents = sampler.noise(seeded())
    alone = sampler.step(latents, 0, Guidance([(one, 1.0)]))
    assert torch.equal(sampler.step(latents, 0, Guidance([(other, 0.0), (one, 1.0)])).latents, alone.latents)
    sampler.step(latents, 0, Guidance([(other, 0.5), (one, 0.5)]))
    assert batches == [1, 1, 2]


def test_weights_may_differ_from_place_to_place(model):
    one, other = model.encode(["a cat"]), model.encode(["a dog"])
    sampler = Sampler(model, 5)
    latents = sampler.noise(seeded(), 2)
    left = (torch.arange(4) < 2).float().expand(1, 1, 4, 4)
    mixed = sampler.step(latents, 0, Guidance([(one, left), (other, 1 - left)])).latents
    for text, columns in ((one, slice(0, 2)), (other, slice(2, 4))):
        whole = sampler.step(latents, 0, Guidance([(text, 1.0)])).latents
        torch.testing.assert_close(mixed[..., columns], whole[..., columns])


def test_the_model_stays_as_it_is(model):
    before = dict(vars(model.scheduler))
    sampler = Sampler(model, 5)
    last(sampler, sampler.noise(seeded()), guide(model, 1.0))
    assert vars(model.scheduler)["num_inference_steps"] == before["num_inference_steps"]


def test_no_step_is_left(model, refused):
    refused("leaves none of 5 steps; raise", lambda: Sampler(model, 5, strength=0.1))
