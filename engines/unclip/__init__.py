"""unCLIP: from a text to a CLIP embedding to a picture, and what can be done with the embedding in between
(Ramesh et al., arXiv 2204.06125).

The mathematics and the models. Importing this is cheap: diffusers is imported by what needs it, when it is used.
"""

from engines.diffusion.process import Diffusion, Step, leading_timesteps, spaced_timesteps
from engines.unclip.ar_prior import AutoregressivePrior, AutoregressivePriorConfig, load_ar_prior, save_ar_prior
from engines.unclip.decoder import Decoder, Projections, guidance_weights
from engines.unclip.embeddings import candidate_scores, interpolate, mix, slerp, text_diff
from engines.unclip.pca import EmbeddingPCA
from engines.unclip.prior import DiffusionPrior, PriorStep
from engines.unclip.stable import StableDecoder
from engines.unclip.text import TextCondition, encode_texts
from engines.unclip.typographic import label_probabilities, with_label
from engines.unclip.upsampler import Upsampler

__all__ = [
    "AutoregressivePrior",
    "AutoregressivePriorConfig",
    "Decoder",
    "Diffusion",
    "DiffusionPrior",
    "EmbeddingPCA",
    "PriorStep",
    "Projections",
    "StableDecoder",
    "Step",
    "TextCondition",
    "Upsampler",
    "candidate_scores",
    "encode_texts",
    "guidance_weights",
    "interpolate",
    "label_probabilities",
    "leading_timesteps",
    "load_ar_prior",
    "mix",
    "save_ar_prior",
    "slerp",
    "spaced_timesteps",
    "text_diff",
    "with_label",
]
