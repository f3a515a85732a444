"""StyleGAN-NADA: a generator adapted to another domain by words or a few pictures (Gal et al., arXiv 2108.00946)."""

from engines.stylegan_nada.blend import chain, interpolate
from engines.stylegan_nada.delta import Domain, Strengths, descendant, load_domain, save_domain
from engines.stylegan_nada.losses import directional_loss, global_loss, image_direction, text_direction

__all__ = [
    "Domain",
    "Strengths",
    "chain",
    "descendant",
    "directional_loss",
    "global_loss",
    "image_direction",
    "interpolate",
    "load_domain",
    "save_domain",
    "text_direction",
]
