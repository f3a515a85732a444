"""From noise, or from a picture with noise, to a picture: the one loop of all methods that paint by diffusion.

    sampler = Sampler(model, num_steps=25)
    for step in sampler.steps(sampler.noise(generator), lambda timestep: plain_guidance(without, told, 7.5)):
        model.pictures(step.x0)                                         # what it will be

What guides a step is asked at that step, with its timestep: prompts may change with the stage, scales with a slider.
Steps are DDIM's (Song et al., arXiv 2010.02502, eq. 12, η = 0), so that a step depends on nothing but the latents
before it. The result is that of the pipelines of diffusers with a DDIMScheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from engines.errors import EngineError

if TYPE_CHECKING:
    from engines.diffusion._diffusers import ControlNetModel
    from engines.diffusion.model import DiffusionModel

__all__ = ["Control", "Guidance", "SampleStep", "Sampler", "plain_guidance", "sample"]


@dataclass(frozen=True)
class Guidance:
    """One step's prediction as a sum of weight · prediction, the weights adding up to 1.

    terms: (what the U-Net attends to, weight). The former is (1 or N, tokens, width) for N pictures; the latter a
    number, or (1, 1, h, w), one for each place of the latents. Terms of weight 0 cost nothing.
    control_scale: how much the ControlNet counts, if there is one. seen: (terms, width), what the U-Net of an
    `InstantStyle` attends to as well.
    """

    terms: Sequence[tuple[Tensor, float | Tensor]]
    control_scale: float = 1.0
    seen: Tensor | None = None


def plain_guidance(uncond: Tensor, text: Tensor, scale: float, control_scale: float = 1.0) -> Guidance:
    """Classifier-free guidance (arXiv 2207.12598): uncond + scale · (text - uncond), a negative prompt as `uncond`."""
    return Guidance([(uncond, 1 - scale), (text, scale)], control_scale)


@torch.no_grad()
def sample(
    model: DiffusionModel, prompts: list[str], num_steps: int, guidance_scale: float, generator: torch.Generator
) -> Tensor:
    """(prompts, 3, size, size) in [0, 1], by DDIM (arXiv 2010.02502) with classifier-free guidance.

    generator: on the CPU, so that the same seed gives the same noise on every device.
    """
    sampler = Sampler(model, num_steps)
    guidance = plain_guidance(model.encode([""]), model.encode(prompts), guidance_scale)
    *_, last = sampler.steps(sampler.noise(generator, len(prompts)), lambda _: guidance)
    return model.pictures(last.latents)


@dataclass(frozen=True)
class Control:
    """A network that holds the structure, and what it looks at: (1, 3, H, W) in [0, 1], the picture's size."""

    network: ControlNetModel
    picture: Tensor


@dataclass(frozen=True)
class SampleStep:
    """After `step` of `steps`: latents at the new level of noise, and the clean ones as predicted, (N, C, h, w)."""

    step: int
    steps: int
    latents: Tensor
    x0: Tensor


class Sampler:
    """The way of `num_steps` from noise to a picture, or the last part of it, `strength`, from a picture with noise.

    `timesteps` are those that will be visited. Raises `EngineError` when none are left.
    """

    def __init__(self, model: DiffusionModel, num_steps: int, *, strength: float = 1.0, control: Control | None = None):
        self._model, self._control = model, control
        self._scheduler = deepcopy(model.scheduler)  # it remembers the number of steps, and the model is shared
        self._scheduler.set_timesteps(num_steps)
        kept = min(int(num_steps * strength), num_steps)
        if not kept:
            raise EngineError(
                "A strength of {strength:g} leaves none of {num_steps} steps; raise one of the two.",
                strength=strength,
                num_steps=num_steps,
            )
        self.timesteps: list[int] = self._scheduler.timesteps[num_steps - kept :].tolist()

    def noise(self, generator: torch.Generator, count: int = 1) -> Tensor:
        """(count, C, h, w) to begin with. generator: on the CPU, for the same noise on every device."""
        config = self._model.unet.config
        shape = (count, config.in_channels, config.sample_size, config.sample_size)
        return torch.randn(shape, generator=generator).to(self._model.device)

    def noised(self, pictures: Tensor, generator: torch.Generator) -> Tensor:
        """(N, 3, H, W) in [0, 1] → (N, C, h, w) with the noise of the first timestep (SDEdit, arXiv 2108.01073)."""
        latents = self._model.latents(pictures).sample(generator).float() * self._model.vae.config.scaling_factor
        noise = torch.randn(latents.shape, generator=generator).to(latents)
        return self._scheduler.add_noise(latents, noise, torch.tensor(self.timesteps[:1]))

    def steps(self, latents: Tensor, guide: Callable[[int], Guidance]) -> Iterator[SampleStep]:
        """All of them. `guide` is asked at every step, with its timestep."""
        for done, timestep in enumerate(self.timesteps):
            step = self.step(latents, done, guide(timestep))
            latents = step.latents
            yield step

    @torch.no_grad()
    def step(self, latents: Tensor, done: int, guidance: Guidance) -> SampleStep:
        """The step after `done` others, at `timesteps[done]`."""
        timestep = self.timesteps[done]
        output = self._predict(latents, timestep, guidance)
        result = self._scheduler.step(output, timestep, latents)
        return SampleStep(done + 1, len(self.timesteps), result.prev_sample, result.pred_original_sample)

    def _predict(self, latents: Tensor, timestep: int, guidance: Guidance) -> Tensor:
        """All terms in one batch, summed."""
        kept = [isinstance(weight, Tensor) or bool(weight) for _, weight in guidance.terms]
        terms = list(compress(guidance.terms, kept))
        network = self._model.unet
        batch = latents.to(network.dtype).repeat(len(terms), 1, 1, 1)
        texts = torch.cat([text.expand(len(latents), -1, -1) for text, _ in terms]).to(network.dtype)
        added = self._residuals(batch, timestep, texts, guidance.control_scale)
        if guidance.seen is not None:
            seen = guidance.seen[torch.tensor(kept)].repeat_interleave(len(latents), 0)
            added["added_cond_kwargs"] = {"image_embeds": [seen[:, None].to(network.dtype)]}
        outputs = network(batch, timestep, texts, **added).sample.float().chunk(len(terms))
        return sum(weight * output for (_, weight), output in zip(terms, outputs, strict=True))

    def _residuals(self, batch: Tensor, timestep: int, texts: Tensor, scale: float) -> dict:
        """What the ControlNet adds within the U-Net."""
        if self._control is None or not scale:
            return {}
        picture = self._control.picture.to(batch).expand(len(batch), -1, -1, -1)
        down, mid = self._control.network(batch, timestep, texts, picture, conditioning_scale=scale, return_dict=False)
        return {"down_block_additional_residuals": down, "mid_block_additional_residual": mid}
