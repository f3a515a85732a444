"""Diffusion step by step: schedules, DDPM and DDIM sampling, and DDIM inversion, as generators of steps.

    diffusion = Diffusion.of({"beta_schedule": "squaredcos_cap_v2", "prediction_type": "sample"})
    for step in diffusion.ddpm(predict, noise, spaced_timesteps(25), generator=generator):
        step.x0, step.sample                                        # what it will be; what it is

    *_, last = diffusion.ddim_inversion(predict, picture, leading_timesteps(50))      # → x_T, level after level
    *_, last = diffusion.ddim(predict, last.sample, leading_timesteps(50), eta=0.0)   # → picture again

`predict(sample, timestep)` is the network with all its conditions, guidance included; its output is read as the
prediction_type says. ᾱ is the share of the signal's variance: x_t = √ᾱ x_0 + √(1 - ᾱ) ε. All coefficients are
computed in double precision. DDPM: Ho et al., arXiv 2006.11239; DDIM: Song et al., arXiv 2010.02502; the interpolated
variance and the spacing of timesteps: Nichol and Dhariwal, arXiv 2102.09672.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from torch import Tensor

from engines.errors import EngineError

__all__ = ["Diffusion", "Predict", "PredictionType", "Step", "leading_timesteps", "spaced_timesteps"]

PredictionType = Literal["epsilon", "v_prediction", "sample"]
Predict = Callable[[Tensor, int], Tensor]

NUM_TRAIN_TIMESTEPS = 1000
SCHEDULERS = {
    "UnCLIPScheduler": {"beta_schedule": "squaredcos_cap_v2"},
    "DDPMScheduler": {"beta_schedule": "linear"},
    "DDIMScheduler": {"beta_schedule": "linear"},
    "PNDMScheduler": {"beta_schedule": "linear", "clip_sample": False},
}
"""What published files of these classes leave out, where it is not as in OURS."""
OURS = {
    "num_train_timesteps": NUM_TRAIN_TIMESTEPS,
    "beta_schedule": "squaredcos_cap_v2",
    "beta_start": 1e-4,
    "beta_end": 0.02,
    "prediction_type": "epsilon",
    "clip_sample": True,
    "clip_sample_range": 1.0,
}


@dataclass(frozen=True)
class Step:
    """After `step` of `steps` predictions: the sample at its new level of noise, and the clean one as predicted."""

    step: int
    steps: int
    sample: Tensor
    x0: Tensor


# ---------------------------------------------------------------------------------------------- timesteps


def spaced_timesteps(*counts: int, num_train_timesteps: int = NUM_TRAIN_TIMESTEPS) -> list[int]:
    """Descending timesteps: so many in each of as many equal parts of the schedule, both ends of each included.

    One number spaces all of them evenly, `spaced_timesteps(7)` is 999, 832, …, 166, 0; more than one gives the cleanest
    part first. Raises `EngineError` for fewer than 2 or more than there are.
    """
    size = num_train_timesteps // len(counts)
    if min(counts) < 2 or max(counts) > size:
        raise EngineError("The number of diffusion steps has to be between 2 and {size}.", size=size)
    timesteps = [
        round(part * size + number * (size - 1) / (count - 1))
        for part, count in enumerate(counts)
        for number in range(count)
    ]
    return timesteps[::-1]


def leading_timesteps(count: int, num_train_timesteps: int = NUM_TRAIN_TIMESTEPS) -> list[int]:
    """Descending multiples of the whole stride that gives at least so many: 50 are 980, 960, …, 20, 0.

    The spacing for inversion: at 999 next to nothing of the picture is left to find its way back from.
    Raises `EngineError` for fewer than 2 or more than there are.
    """
    if not 2 <= count <= num_train_timesteps:
        raise EngineError(
            "The number of diffusion steps has to be between 2 and {num_train_timesteps}.",
            num_train_timesteps=num_train_timesteps,
        )
    stride = num_train_timesteps // count
    return [number * stride for number in range(count)][::-1]


# ---------------------------------------------------------------------------------------------- schedules


def cosine_betas(count: int = NUM_TRAIN_TIMESTEPS) -> Tensor:
    """(count,) double: the cosine schedule (arXiv 2102.09672, eq. 17), no β above 0.999; "squaredcos_cap_v2"."""
    level = ((torch.arange(count + 1, dtype=torch.float64) / count + 0.008) / 1.008 * (math.pi / 2)).cos().square()
    return (1 - level[1:] / level[:-1]).clamp(max=0.999)


def linear_betas(count: int, start: float, end: float) -> Tensor:
    """(count,) double, from start to end (arXiv 2006.11239, §4); "linear"."""
    return torch.linspace(start, end, count, dtype=torch.float64)


def scaled_linear_betas(count: int, start: float, end: float) -> Tensor:
    """(count,) double, whose roots are linear, of latent diffusion; "scaled_linear"."""
    return linear_betas(count, start**0.5, end**0.5).square()


# ---------------------------------------------------------------------------------------------- the process


@dataclass(frozen=True)
class Diffusion:
    """A schedule, what its network predicts, and the range ±clip that predicted samples are clamped to, if any.

    alphas_cumprod: ᾱ of each timestep, (T,) double, on the CPU.
    """

    alphas_cumprod: Tensor
    prediction_type: PredictionType
    clip: float | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Diffusion:
        """From a published or own scheduler_config.json. Raises `EngineError` for what is not known here."""
        kind = config.get("_class_name", "UnCLIPScheduler")
        if kind not in SCHEDULERS:
            raise EngineError(
                "The scheduler '{kind}' is not known; use one of {choices}.", kind=kind, choices=", ".join(SCHEDULERS)
            )
        values = {**OURS, **SCHEDULERS[kind], **config}
        limits = (values["num_train_timesteps"], values["beta_start"], values["beta_end"])
        schedules = {
            "squaredcos_cap_v2": lambda: cosine_betas(limits[0]),
            "linear": lambda: linear_betas(*limits),
            "scaled_linear": lambda: scaled_linear_betas(*limits),
        }
        if values["beta_schedule"] not in schedules:
            raise EngineError(
                "The schedule '{values}' is not known; use {choices}.",
                values=values["beta_schedule"],
                choices=", ".join(schedules),
            )
        if values["prediction_type"] not in get_args(PredictionType):
            raise EngineError(
                "Networks that predict '{values}' are not known; use another model.", values=values["prediction_type"]
            )
        alphas_cumprod = (1 - schedules[values["beta_schedule"]]()).cumprod(0)
        clip = values["clip_sample_range"] if values["clip_sample"] else None
        return cls(alphas_cumprod, values["prediction_type"], clip)

    def level(self, timestep: int | None) -> float:
        """ᾱ; 1 where there is no timestep, after the last."""
        return 1.0 if timestep is None else self.alphas_cumprod[timestep].item()

    def noised(self, x0: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
        """√ᾱ x_0 + √(1 - ᾱ) ε for (N, …) samples, each at a timestep of its own, (N,) whole numbers."""
        level = self.alphas_cumprod[timesteps.cpu()].view(-1, *[1] * (x0.dim() - 1))
        return level.sqrt().to(x0) * x0 + (1 - level).sqrt().to(x0) * noise

    def read(self, output: Tensor, sample: Tensor, timestep: int) -> tuple[Tensor, Tensor]:
        """What a network said of x_t → (x_0, ε), of which x_t consists; x_0 is clamped."""
        level = self.level(timestep)
        signal, noise = math.sqrt(level), math.sqrt(1 - level)
        if self.prediction_type == "epsilon":
            x0, epsilon = (sample - noise * output) / signal, output
        elif self.prediction_type == "v_prediction":
            x0, epsilon = signal * sample - noise * output, signal * output + noise * sample
        else:
            x0, epsilon = output, (sample - signal * output) / noise
        if self.clip is None:
            return x0, epsilon
        x0 = x0.clamp(-self.clip, self.clip)
        return x0, (sample - signal * x0) / noise

    # ------------------------------------------------------------------------------------------ one step

    def ddpm_step(
        self, output: Tensor, sample: Tensor, timestep: int, before: int | None, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """x_t → (x at the timestep `before`, x_0): a draw from the posterior (arXiv 2006.11239, eq. 6 and 7).

        output: of the network, (N, C, …) as the sample, or (N, 2C, …) if it learned its variance (arXiv 2102.09672,
        eq. 15): the second half, in [-1, 1], lies between the logarithms of the smallest and the largest. before: None
        after the last step, which adds no noise. noise: standard normal, as the sample.
        """
        prediction, learned = _halves(output, sample)
        x0, _ = self.read(prediction, sample, timestep)
        now, then = self.level(timestep), self.level(before)
        if before is None:
            return x0, x0
        beta = 1 - now / then
        mean = math.sqrt(then) * beta / (1 - now) * x0 + math.sqrt(now / then) * (1 - then) / (1 - now) * sample
        smallest = math.log(beta * (1 - then) / (1 - now))
        if learned is None:
            return mean + math.exp(smallest / 2) * noise, x0
        share = (learned + 1) / 2
        return mean + ((share * math.log(beta) + (1 - share) * smallest) / 2).exp() * noise, x0

    def ddim_step(
        self, output: Tensor, sample: Tensor, timestep: int, before: int | None, eta: float, noise: Tensor
    ) -> tuple[Tensor, Tensor]:
        """x_t → (x at the timestep `before`, x_0) (arXiv 2010.02502, eq. 12 and 16); a learned variance is not used.

        eta: 0 adds no noise and can be inverted, 1 adds as much as DDPM. noise: standard normal, as the sample.
        """
        x0, epsilon = self.read(_halves(output, sample)[0], sample, timestep)
        now, then = self.level(timestep), self.level(before)
        sigma = eta * math.sqrt((1 - then) / (1 - now) * (1 - now / then))
        return math.sqrt(then) * x0 + math.sqrt(1 - then - sigma**2) * epsilon + sigma * noise, x0

    def inversion_step(self, output: Tensor, sample: Tensor, timestep: int, after: int | None) -> tuple[Tensor, Tensor]:
        """x_t → (x at the noisier timestep `after`, x_0): the step of eq. 14 backwards; None is noise alone."""
        x0, epsilon = self.read(_halves(output, sample)[0], sample, timestep)
        then = 0.0 if after is None else self.level(after)
        return math.sqrt(then) * x0 + math.sqrt(1 - then) * epsilon, x0

    # ------------------------------------------------------------------------------------------ all steps

    @torch.no_grad()
    def ddpm(
        self, predict: Predict, sample: Tensor, timesteps: Sequence[int], *, generator: torch.Generator
    ) -> Iterator[Step]:
        """From noise, (N, …), to a clean sample, along descending timesteps."""
        for number, (timestep, before) in enumerate(_pairs(timesteps), 1):
            noise = _noise_like(sample, generator)
            sample, x0 = self.ddpm_step(predict(sample, timestep), sample, timestep, before, noise)
            yield Step(number, len(timesteps), sample, x0)

    @torch.no_grad()
    def ddim(
        self,
        predict: Predict,
        sample: Tensor,
        timesteps: Sequence[int],
        *,
        eta: float | Callable[[], float] = 0.0,
        generator: torch.Generator,
        is_shared: bool = False,
    ) -> Iterator[Step]:
        """From noise, or x_T of `ddim_inversion`, to a clean sample, along descending timesteps.

        eta: 0 reconstructs, more makes variations (arXiv 2204.06125, §3.1); a function is asked at every step. With 1
        it is DDPM with the smaller of its two variances. is_shared: all samples get the same noise.
        """
        for number, (timestep, before) in enumerate(_pairs(timesteps), 1):
            noise = _noise_like(sample[:1] if is_shared else sample, generator)
            output = predict(sample, timestep)
            sample, x0 = self.ddim_step(output, sample, timestep, before, current(eta), noise)
            yield Step(number, len(timesteps), sample, x0)

    @torch.no_grad()
    def ddim_inversion(self, predict: Predict, sample: Tensor, timesteps: Sequence[int]) -> Iterator[Step]:
        """From a clean sample to the x_T from which `ddim` with η = 0 and the same timesteps comes back to it.

        timesteps: descending, as they are for sampling, best of `leading_timesteps`. Guide with a scale of 1, here and
        when sampling, or the way back is another one. Nothing may be clamped: it would be lost. N timesteps are N - 1
        steps.
        """
        timesteps = list(timesteps)[::-1]
        unclamped = Diffusion(self.alphas_cumprod, self.prediction_type)
        for number, (timestep, after) in enumerate(zip(timesteps, timesteps[1:], strict=False), 1):
            sample, x0 = unclamped.inversion_step(predict(sample, timestep), sample, timestep, after)
            yield Step(number, len(timesteps) - 1, sample, x0)


def current(value: Any) -> Any:
    """The value of a setting that may change while a run goes on."""
    return value() if callable(value) else value


def _pairs(timesteps: Sequence[int]) -> Iterator[tuple[int, int | None]]:
    """Each timestep and the one it leads to."""
    return zip(timesteps, [*timesteps[1:], None], strict=True)


def _halves(output: Tensor, sample: Tensor) -> tuple[Tensor, Tensor | None]:
    """The prediction, and the learned variance if there is one."""
    channels = sample.shape[1]
    return output[:, :channels], output[:, channels:] if output.shape[1] == 2 * channels else None


def _noise_like(sample: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal, drawn where the generator is: the same numbers on any device if that is the CPU."""
    return torch.randn(sample.shape, generator=generator, device=generator.device, dtype=sample.dtype).to(sample.device)
