"""The diffusion prior: from a text to the CLIP embedding of a picture of it.

    prior = DiffusionPrior.load("karlo-v1-alpha")                  # a folder with prior/ and prior_scheduler/
    for step in prior.sample(text, null, guidance_scale=4.0, num_candidates=4, generator=generator):
        step.embeddings, step.scores                                # (N, 4, d) as they are now, and their cosines
    z_image = step.best()                                           # (N, d)

unCLIP (Ramesh et al., arXiv 2204.06125), §2.2: a causal transformer over the states of the text, its CLIP embedding,
the timestep, the noised embedding of the picture and a learned query, at which it predicts the clean embedding.
Network and folder are those of diffusers' PriorTransformer, as published for Karlo and Kandinsky.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from engines.diffusion.folders import load_complete_network, read_json
from engines.diffusion.process import Diffusion, current, spaced_timesteps
from engines.errors import EngineError
from engines.files import write_text
from engines.unclip.embeddings import candidate_scores, destandardize, standardize
from engines.unclip.text import TextCondition

if TYPE_CHECKING:
    from engines.diffusion._diffusers import PriorTransformer

__all__ = ["DiffusionPrior", "PriorStep", "PriorWalk"]

NETWORK, SCHEDULER, SCHEDULER_ALONE = "prior", "prior_scheduler", "scheduler"
"""Folders, as in published models."""
OWN_SCHEDULER = {
    "_class_name": "UnCLIPScheduler",
    "num_train_timesteps": 1000,
    "beta_schedule": "squaredcos_cap_v2",
    "prediction_type": "sample",
    "variance_type": "fixed_small_log",
    "clip_sample": True,
    "clip_sample_range": 5.0,
}
"""Karlo's: standardised embeddings beyond five deviations are no embeddings."""


@dataclass(frozen=True)
class PriorStep:
    """After `step` of `steps`: embeddings (N, k, d) of k candidates for N texts as predicted now, scores (N, k)."""

    step: int
    steps: int
    embeddings: Tensor
    scores: Tensor

    def best(self) -> Tensor:
        """The candidate of each text with the highest score, (N, d)."""
        return self.embeddings[torch.arange(len(self.scores)), self.scores.argmax(1)]


class DiffusionPrior:
    """A PriorTransformer, in evaluation mode, and the noise it was trained against."""

    def __init__(self, network: PriorTransformer, scheduler: dict[str, Any] = OWN_SCHEDULER):
        self.network, self.scheduler = network.eval(), scheduler
        self.diffusion = Diffusion.of(scheduler)

    @property
    def embed_dim(self) -> int:
        return self.network.clip_mean.shape[1]

    @property
    def num_tokens(self) -> int:
        """Of a text, padding included."""
        return self.network.config.num_embeddings

    @classmethod
    def load(cls, folder: Path | str) -> DiffusionPrior:
        """A published or own folder, float32 on the CPU. Nothing in it is run.

        Karlo's has prior_scheduler/ beside it, Kandinsky's, where there is no decoder, scheduler/.

        Raises `EngineError` when something in it is missing, damaged or not for this.
        """
        from engines.diffusion._diffusers import PriorTransformer

        network = load_complete_network(PriorTransformer, Path(folder) / NETWORK)
        if not network.clip_std.any():  # as in a network that was never told what it is to imitate
            raise EngineError("The prior in '{name}' was not trained; choose another folder.", name=Path(folder).name)
        name = SCHEDULER if (Path(folder) / SCHEDULER).is_dir() else SCHEDULER_ALONE
        return cls(network, read_json(Path(folder) / name / "scheduler_config.json"))

    def save(self, folder: Path | str, *, half: bool = False) -> None:
        """Write the folder that `load` reads. half: as fp16."""
        folder = Path(folder)
        network = deepcopy(self.network).half() if half else self.network
        network.save_pretrained(folder / NETWORK, safe_serialization=True)
        (folder / SCHEDULER).mkdir(parents=True, exist_ok=True)
        write_text(folder / SCHEDULER / "scheduler_config.json", json.dumps(self.scheduler, indent=2) + "\n")

    def predict(self, z: Tensor, timestep: int | Tensor, text: TextCondition) -> Tensor:
        """Standardised and noised embeddings (N, d) → the clean ones. timestep: one, or (N,) of them."""
        return self.network(z, timestep, text.embedding, text.tokens, text.mask).predicted_image_embedding

    def standardize(self, z: Tensor) -> Tensor:
        """CLIP embeddings (N, d) as the network knows them."""
        return standardize(z, self.network.clip_mean, self.network.clip_std)

    def sample(
        self,
        text: TextCondition,
        null: TextCondition,
        *,
        num_steps: int = 25,
        guidance_scale: float | Callable[[], float] = 4.0,
        num_candidates: int = 2,
        generator: torch.Generator,
    ) -> Iterator[PriorStep]:
        """Draw `num_candidates` embeddings for each of N texts; Karlo's defaults, the paper's two candidates.

        null: the condition of "", 1 text. guidance_scale: 1 is none; the paper found that more does not help, released
        priors were tuned with 4. A function is asked at every step. num_steps: at least 2.
        Raises `EngineError` when texts and prior are not of one CLIP.
        """
        check(text, self.embed_dim, self.num_tokens)
        count, device = len(text) * num_candidates, text.embedding.device
        conditions = text.repeated(num_candidates), null.expanded(count)
        both = conditions[0].followed_by(conditions[1])

        def predict(z: Tensor, timestep: int) -> Tensor:
            scale = current(guidance_scale)
            if scale == 1:
                return self.predict(z, timestep, conditions[0])
            told, untold = self.predict(z.repeat(2, 1), timestep, both).chunk(2)
            return untold + scale * (told - untold)

        noise = torch.randn(count, self.embed_dim, generator=generator, device=generator.device).to(device)
        for step in self.diffusion.ddpm(predict, noise, spaced_timesteps(num_steps), generator=generator):
            z = destandardize(step.x0, self.network.clip_mean, self.network.clip_std).unflatten(0, (len(text), -1))
            yield PriorStep(step.step, step.steps, z, candidate_scores(z, text.embedding))


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


def check(text: TextCondition, embed_dim: int, num_tokens: int) -> None:
    """Raises `EngineError` when texts are not of the CLIP that a prior was trained with."""
    found = text.tokens.shape[1], text.embedding.shape[1]
    if found != (num_tokens, embed_dim):
        raise EngineError(
            "The prior reads texts of {num_tokens} tokens and {embed_dim} numbers and this CLIP gives "
            "{found} and {found_2}; choose the CLIP it was trained with.",
            num_tokens=num_tokens,
            embed_dim=embed_dim,
            found=found[0],
            found_2=found[1],
        )
