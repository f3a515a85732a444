"""Diffusion taken step by step, so that a run may be stopped anywhere and gone on with.

    walk = Walk(decoder.diffusion, noise, spaced_timesteps(25), seed=3)
    while not walk.is_done:
        walk.step(predict, eta=0.0)
        walk.x0                                                     # what it will be

A step depends on nothing but the sample before it, so that each is the first of what `Diffusion` would still go.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from engines.diffusion.process import Diffusion, Predict, leading_timesteps

__all__ = ["Inversion", "Walk", "inversion_timesteps"]

FIRST_NOISE = 40
"""The cleanest timestep at which noise can be told from the errors of a network that predicts samples."""


class Walk:
    """From noise, (N, …), to clean samples, by DDIM along descending timesteps.

    seed: of the noise on the way, drawn on the CPU. is_shared: all samples get the same noise, that only conditions
    differ.
    """

    def __init__(
        self, diffusion: Diffusion, sample: Tensor, timesteps: Sequence[int], *, seed: int, is_shared: bool = False
    ):
        self.diffusion, self.timesteps, self.is_shared = diffusion, list(timesteps), is_shared
        self.sample = self.x0 = sample
        self.done = 0
        self._generator = torch.Generator().manual_seed(seed)

    @property
    def left(self) -> int:
        return len(self.timesteps) - self.done

    @property
    def is_done(self) -> bool:
        return not self.left

    def step(self, predict: Predict, eta: float) -> None:
        options = {"eta": eta, "generator": self._generator, "is_shared": self.is_shared}
        step = next(self.diffusion.ddim(predict, self.sample, self.timesteps[self.done :], **options))
        self.sample, self.x0 = step.sample, step.x0
        self.done += 1

    def state_dict(self) -> dict[str, Any]:
        tensors = {"sample": self.sample, "x0": self.x0, "generator": self._generator.get_state()}
        values = {"timesteps": self.timesteps, "is_shared": self.is_shared, "done": self.done}
        return {**{name: tensor.clone().cpu() for name, tensor in tensors.items()}, **values}

    @classmethod
    def restored(cls, diffusion: Diffusion, state: dict[str, Any], device: torch.device) -> Walk:
        walk = cls(diffusion, state["sample"].to(device), state["timesteps"], seed=0, is_shared=state["is_shared"])
        walk.x0, walk.done = state["x0"].to(device), state["done"]
        walk._generator.set_state(state["generator"])
        return walk


class Inversion:
    """From clean samples to the x_T from which a `Walk` with η = 0 and the same timesteps comes back to them.

    timesteps: descending, as for the walk, best of `inversion_timesteps`.
    """

    def __init__(self, diffusion: Diffusion, sample: Tensor, timesteps: Sequence[int]):
        self.diffusion, self.timesteps, self.sample, self.done = diffusion, list(timesteps), sample, 0

    @property
    def left(self) -> int:
        return len(self.timesteps) - 1 - self.done

    @property
    def is_done(self) -> bool:
        return not self.left

    def step(self, predict: Predict) -> None:
        left = self.timesteps[: len(self.timesteps) - self.done]
        self.sample = next(self.diffusion.ddim_inversion(predict, self.sample, left)).sample
        self.done += 1

    def state_dict(self) -> dict[str, Any]:
        return {"sample": self.sample.clone().cpu(), "timesteps": self.timesteps, "done": self.done}

    @classmethod
    def begun(cls, diffusion: Diffusion, sample: Tensor, timesteps: Sequence[int]) -> Inversion:
        """Clean samples get the noise of the first timestep, the same ones always, where that is not 0."""
        if first := timesteps[-1]:
            noise = torch.randn(sample.shape[1:], generator=torch.Generator().manual_seed(0)).to(sample)
            sample = diffusion.noised(sample, noise, torch.full((len(sample),), first))
        return cls(diffusion, sample, timesteps)

    @classmethod
    def restored(cls, diffusion: Diffusion, state: dict[str, Any], device: torch.device) -> Inversion:
        inversion = cls(diffusion, state["sample"].to(device), state["timesteps"])
        inversion.done = state["done"]
        return inversion


def inversion_timesteps(diffusion: Diffusion, count: int) -> list[int]:
    """Descending: those of `leading_timesteps`, but of a network that predicts samples none cleaner than FIRST_NOISE.

    Where a sample has less noise than such a network errs, the error is read as noise, at 0 as more than a hundred and
    fifty times itself, and what is found is none: it leads back, but every other condition paints a ruin from it.
    """
    timesteps = leading_timesteps(count)
    if diffusion.prediction_type != "sample":
        return timesteps
    return [timestep for timestep in timesteps if timestep > FIRST_NOISE] + [FIRST_NOISE]
