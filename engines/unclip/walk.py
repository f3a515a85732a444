"""Diffusion taken step by step, so that a run may be stopped anywhere and gone on with.

walk = Walk(decoder.diffusion, noise, spaced_timesteps(25), seed=3)
while not walk.is_done:
    walk.step(predict, eta=0.0)
    walk.x0                                                     # what it will be
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from engines.unclip.diffusion import Diffusion, Predict
from engines.unclip.prior import PriorStep

__all__ = ["Inversion", "PriorWalk", "Walk"]


class Walk:
    """From noise, (N, …), to clean samples, by DDIM along descending timesteps.

    With η = 1 it is DDPM with the smaller of its two variances; one that a network has learned is not used. seed: of
    the noise on the way, drawn on the CPU. is_shared: all samples get the same noise, that only conditions differ.
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

    @torch.no_grad()
    def step(self, predict: Predict, eta: float) -> None:
        timestep = self.timesteps[self.done]
        before = self.timesteps[self.done + 1] if self.left > 1 else None
        rows = 1 if self.is_shared else len(self.sample)
        noise = torch.randn(rows, *self.sample.shape[1:], generator=self._generator).to(self.sample)
        output = predict(self.sample, timestep)
        self.sample, self.x0 = self.diffusion.ddim_step(output, self.sample, timestep, before, eta, noise)
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
    """From clean samples to the x_T from which a `Walk` with η = 0 and the same timesteps comes back to them (§3.1).

    timesteps: descending, as for the walk. Nothing is clamped: it would be lost.
    """

    def __init__(self, diffusion: Diffusion, sample: Tensor, timesteps: Sequence[int]):
        self.diffusion = Diffusion(diffusion.alphas_cumprod, diffusion.prediction_type)
        self.timesteps, self.sample, self.done = list(timesteps), sample, 0

    @property
    def left(self) -> int:
        return len(self.timesteps) - 1 - self.done

    @property
    def is_done(self) -> bool:
        return not self.left

    @torch.no_grad()
    def step(self, predict: Predict) -> None:
        timestep, after = self.timesteps[-1 - self.done], self.timesteps[-2 - self.done]
        self.sample, _ = self.diffusion.inversion_step(predict(self.sample, timestep), self.sample, timestep, after)
        self.done += 1

    def state_dict(self) -> dict[str, Any]:
        return {"sample": self.sample.clone().cpu(), "timesteps": self.timesteps, "done": self.done}

    @classmethod
    def restored(cls, diffusion: Diffusion, state: dict[str, Any], device: torch.device) -> Inversion:
        inversion = cls(diffusion, state["sample"].to(device), state["timesteps"])
        inversion.done = state["done"]
        return inversion


class PriorWalk:
    """The steps of a prior. `scales`: the guidance of each so far; a new walk that is given them catches up.

    sample: begins the prior's `sample` with a function that it asks for the guidance of every step. num_steps: its
    number.
    """

    def __init__(self, sample: Callable[[Callable[[], float]], Iterator[PriorStep]], num_steps: int):
        self.scales: list[float] = []
        self.now: PriorStep | None = None
        self._steps, self._num_steps = sample(lambda: self.scales[-1]), num_steps

    @property
    def left(self) -> int:
        return self._num_steps - len(self.scales)

    @property
    def is_done(self) -> bool:
        return not self.left

    def step(self, scale: float) -> None:
        self.scales.append(scale)
        self.now = next(self._steps)
