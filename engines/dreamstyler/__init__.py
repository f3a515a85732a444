"""DreamStyler: a style learned as a word for each stage of diffusion (Ahn et al., arXiv 2309.06933)."""

from engines.dreamstyler.guidance import guidance_weights, guide
from engines.dreamstyler.stages import stage_of_timestep, timesteps_of_stage, unvisited_stages

__all__ = ["guidance_weights", "guide", "stage_of_timestep", "timesteps_of_stage", "unvisited_stages"]
