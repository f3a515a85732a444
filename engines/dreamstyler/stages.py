"""Stages: equal parts of the way of diffusion, each with a vector of its own for a style.

DreamStyler (Ahn et al., arXiv 2309.06933), §3.1. Stage 0 is the cleanest, where brushwork is made; the last stage is
the noisiest, where the composition is.
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from engines.errors import EngineError

__all__ = ["NUM_TRAIN_TIMESTEPS", "stage_of_timestep", "timesteps_of_stage", "unvisited_stages"]

NUM_TRAIN_TIMESTEPS = 1000


def stage_of_timestep(
    timestep: int | Tensor, num_stages: int, num_train_timesteps: int = NUM_TRAIN_TIMESTEPS
) -> int | Tensor:
    """⌊t · T / N⌋, in [0, T), of a timestep in [0, N), or of each in a tensor of whole numbers.

    Raises `EngineError` for fewer than 1 or more than N stages.
    """
    if not 1 <= num_stages <= num_train_timesteps:
        raise EngineError(
            "There may be 1 to {num_train_timesteps} stages, not {num_stages}; change their number.",
            num_train_timesteps=num_train_timesteps,
            num_stages=num_stages,
        )
    return timestep * num_stages // num_train_timesteps


def timesteps_of_stage(stage: int, num_stages: int, num_train_timesteps: int = NUM_TRAIN_TIMESTEPS) -> range:
    """All timesteps whose stage it is."""
    first, end = (-(-number * num_train_timesteps // num_stages) for number in (stage, stage + 1))
    return range(first, end)


def unvisited_stages(
    timesteps: Iterable[int], num_stages: int, num_train_timesteps: int = NUM_TRAIN_TIMESTEPS
) -> list[int]:
    """Stages, ascending, whose vectors these timesteps never use."""
    visited = {stage_of_timestep(timestep, num_stages, num_train_timesteps) for timestep in timesteps}
    return [stage for stage in range(num_stages) if stage not in visited]
