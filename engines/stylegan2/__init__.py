"""StyleGAN2: the generator, its style space, and readers for everybody's checkpoints that run nothing in them."""

from engines.stylegan2.checkpoint import load_generator, save_generator
from engines.stylegan2.generator import Generator, GeneratorConfig, Noise, block_channels
from engines.stylegan2.style_space import conv_channels, is_torgb, move_conv_channels, style_rows

__all__ = [
    "Generator",
    "GeneratorConfig",
    "Noise",
    "block_channels",
    "conv_channels",
    "is_torgb",
    "load_generator",
    "move_conv_channels",
    "save_generator",
    "style_rows",
]
