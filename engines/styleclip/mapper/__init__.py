"""Latent mappers (StyleCLIP, §5): small networks that each learned one edit."""

from engines.styleclip.mapper.network import (
    LevelsMapper,
    SingleMapper,
    StyleSpaceMapper,
    add_residual,
    latent_loss,
    load_mapper,
    mapper_of,
    save_mapper,
)

__all__ = [
    "LevelsMapper",
    "SingleMapper",
    "StyleSpaceMapper",
    "add_residual",
    "latent_loss",
    "load_mapper",
    "mapper_of",
    "save_mapper",
]
