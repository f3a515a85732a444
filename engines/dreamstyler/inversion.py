"""Multi-stage textual inversion: the vectors of a style, learned from one painting or a few.

    loss = ‖ prediction(x_t, t, prompt with the vector of t's stage) - target ‖²,

DreamStyler (Ahn et al., arXiv 2309.06933), §3.1: nothing of the model is trained. Published: 500 steps of 8 at 0.002,
by AdamW. The timesteps of a batch go round the stages, so that all of them learn equally (the paper draws them from all
alike), and what the VAE makes of each painting and of its mirror image is computed once.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from engines.diffusion import DiffusionModel
from engines.dreamstyler.stages import timesteps_of_stage
from engines.dreamstyler.styles import Style
from engines.dreamstyler.tokens import PromptReader
from engines.errors import EngineError
from engines.images import as_tensor, middle_square

if TYPE_CHECKING:
    from engines.dreamstyler.settings import DreamStylerSettings

__all__ = ["Painting", "StageInversion", "as_input"]

MOST_SNAPSHOTS = 40


@dataclass(frozen=True)
class Painting:
    """picture: (H, W, 3) uint8. sentence: what it shows, with one place for the style."""

    picture: np.ndarray
    sentence: str


class StageInversion:
    """A style in learning, a step at a time; gradients reach nothing but its vectors.

    settings: the number of stages, the first word, the cropping and the seed are read here, everything else at each
    step. `losses` are those of the last step; `snapshots` map steps to the vectors as they were then.
    """

    def __init__(self, model: DiffusionModel, paintings: Sequence[Painting], settings: DreamStylerSettings):
        self.steps_done, self.losses = 0, {}
        self.snapshots: dict[int, Tensor] = {}
        self._model, self._reader = model, PromptReader(model)
        self._random = torch.Generator().manual_seed(settings.training_seed)
        self._prompts = [self._reader.parse(painting.sentence) for painting in paintings]
        self._means, self._stds = self._see(paintings, settings.center_crop)
        self._drawn = 0
        first = self._reader.word(settings.initializer)
        self.vectors = first.repeat(settings.num_stages, 1).requires_grad_()
        self._optimizer = torch.optim.AdamW([self.vectors], betas=(0.9, 0.999), eps=1e-8, weight_decay=1e-2)
        self._metadata = {
            "model": model.name,
            "sentences": "\n".join(painting.sentence for painting in paintings),
            "initializer": settings.initializer,
            "seed": str(settings.training_seed),
            "pictures": "\n".join(hashlib.sha256(painting.picture.tobytes()).hexdigest() for painting in paintings),
        }

    def _see(self, paintings: Sequence[Painting], center_crop: bool) -> tuple[Tensor, Tensor]:
        """(paintings, 2, C, h, w): mean and deviation of the latents of each, as it is and mirrored."""
        size, scale = self._model.size, self._model.vae.config.scaling_factor
        seen = []
        for painting in paintings:
            picture = as_input(painting.picture, size, center_crop=center_crop)
            seen.append(self._model.latents(torch.cat([picture, picture.flip(3)])))
        means = torch.stack([posterior.mean.float() * scale for posterior in seen])
        return means, torch.stack([posterior.std.float() * scale for posterior in seen])

    # ------------------------------------------------------------------ a step

    def step(self, settings: DreamStylerSettings) -> None:
        """Learn from `batch_size` noised paintings. Raises `EngineError` when the loss is no longer a number."""
        scheduler, network = self._model.scheduler, self._model.unet
        count = settings.batch_size
        which = torch.randint(len(self._prompts), (count,), generator=self._random)
        mirrored = torch.randint(2, (count,), generator=self._random)
        stages, timesteps = self._draw_timesteps(count)
        means, stds = self._means[which, mirrored], self._stds[which, mirrored]
        latents = means + stds * self._noise_like(means)
        noise = self._noise_like(means)
        noised = scheduler.add_noise(latents, noise, timesteps)
        texts = self._reader([self._prompts[number] for number in which.tolist()], self.vectors[stages])
        output = network(noised.to(network.dtype), timesteps.to(noised.device), texts.to(network.dtype)).sample
        loss = F.mse_loss(output.float(), _target(scheduler, latents, noise, timesteps))
        self.losses = {"loss": loss.item()}
        if not math.isfinite(self.losses["loss"]):
            raise EngineError("The loss is no longer a number; lower the learning rate and start again.")
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.param_groups[0]["lr"] = settings.lr
        self._optimizer.step()
        self.steps_done += 1
        if self.steps_done % settings.snapshot_every == 0:
            self._take_snapshot()

    def _draw_timesteps(self, count: int) -> tuple[Tensor, Tensor]:
        """(count,) stages, going round, and a timestep of each."""
        num_stages = len(self.vectors)
        stages = (self._drawn + torch.arange(count)) % num_stages
        self._drawn = (self._drawn + count) % num_stages
        total = self._model.scheduler.config.num_train_timesteps
        parts = [timesteps_of_stage(stage, num_stages, total) for stage in stages.tolist()]
        shares = torch.rand(count, generator=self._random, dtype=torch.float64).tolist()
        timesteps = [part[int(share * len(part))] for part, share in zip(parts, shares, strict=True)]
        return stages, torch.tensor(timesteps)

    def _noise_like(self, values: Tensor) -> Tensor:
        return torch.randn(values.shape, generator=self._random).to(values)

    # ------------------------------------------------------------------ what was learned

    def _take_snapshot(self) -> None:
        self.snapshots[self.steps_done] = self.vectors.detach().clone()
        if len(self.snapshots) > MOST_SNAPSHOTS:
            self.snapshots = dict(list(self.snapshots.items())[1::2])

    def style(self, settings: DreamStylerSettings) -> Style:
        """As it was at the last snapshot up to `settings.snapshot`, the first word before; 0 is the latest."""
        step, vectors = self.steps_done, self.vectors.detach().clone()
        if settings.snapshot:
            step = max((number for number in self.snapshots if number <= settings.snapshot), default=0)
            word = self._reader.word(settings.initializer)
            vectors = self.snapshots.get(step, word.expand_as(vectors))
        metadata = {**self._metadata, "steps": str(step), "lr": f"{settings.lr:g}"}
        return Style(vectors, settings.placeholder, metadata)

    def state_dict(self) -> dict[str, Any]:
        """CPU tensors that later steps do not change, and numbers."""
        memory = self._optimizer.state.get(self.vectors, {})
        return {
            "step": self.steps_done,
            "losses": dict(self.losses),
            "vectors": _copy(self.vectors),
            "optimizer": {name: _copy(value) for name, value in memory.items()},
            "drawn": self._drawn,
            "random": self._random.get_state(),
            "snapshots": {str(step): _copy(vectors) for step, vectors in self.snapshots.items()},
            "prompts": torch.stack(self._prompts),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Raises `ValueError` for the state of another style."""
        if state["vectors"].shape != self.vectors.shape or not torch.equal(
            state["prompts"], torch.stack(self._prompts)
        ):
            raise ValueError
        with torch.no_grad():
            self.vectors.copy_(state["vectors"])
        if state["optimizer"]:
            moments = {
                name: value.to(self.vectors, copy=True) for name, value in state["optimizer"].items() if name != "step"
            }
            self._optimizer.state[self.vectors] = {**moments, "step": state["optimizer"]["step"].clone()}
        self._drawn = state["drawn"]
        self._random.set_state(state["random"])
        self.snapshots = {
            int(step): vectors.to(self.vectors, copy=True) for step, vectors in state["snapshots"].items()
        }
        self.steps_done, self.losses = state["step"], dict(state["losses"])


def _target(scheduler, latents: Tensor, noise: Tensor, timesteps: Tensor) -> Tensor:
    """What the U-Net should have said, by what it predicts."""
    match scheduler.config.prediction_type:
        case "epsilon":
            return noise
        case "v_prediction":
            return scheduler.get_velocity(latents, noise, timesteps)
        case _:
            return latents


def as_input(picture: np.ndarray, size: int, *, center_crop: bool = False) -> Tensor:
    """(H, W, 3) uint8 → (1, 3, size, size) in [0, 1], by Lanczos; squashed, or its middle square."""
    shown = Image.fromarray(middle_square(picture) if center_crop else picture)
    return as_tensor(np.asarray(shown.resize((size, size), Image.Resampling.LANCZOS)))[None]


def _copy(value: Tensor) -> Tensor:
    return value.detach().clone().cpu()
