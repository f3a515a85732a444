"""StyleCLIP: moving through a StyleGAN2's latent spaces by text (Patashnik et al., arXiv 2103.17249).

The mathematics of its three methods: latent optimisation, latent mappers, and global directions of style space.
"""

from engines.clip.losses import clip_distance, clip_input, reference_clip_input
from engines.styleclip.directions import (
    automatic_beta,
    beta_keeping,
    channel_relevance,
    load_relevance,
    manipulation,
    num_channels,
    save_relevance,
    text_direction,
    text_relevance,
)
from engines.styleclip.mapper import (
    LevelsMapper,
    SingleMapper,
    StyleSpaceMapper,
    add_residual,
    latent_loss,
    load_mapper,
    save_mapper,
)
from engines.styleclip.mapper.ranger import Ranger
from engines.styleclip.optimize.losses import l2_loss
from engines.stylegan2.schedule import learning_rate

__all__ = [
    "LevelsMapper",
    "Ranger",
    "SingleMapper",
    "StyleSpaceMapper",
    "add_residual",
    "automatic_beta",
    "beta_keeping",
    "channel_relevance",
    "clip_distance",
    "clip_input",
    "l2_loss",
    "latent_loss",
    "learning_rate",
    "load_mapper",
    "load_relevance",
    "manipulation",
    "num_channels",
    "reference_clip_input",
    "save_mapper",
    "save_relevance",
    "text_direction",
    "text_relevance",
]
