"""Global directions in style space (StyleCLIP, §6)."""

from engines.styleclip.directions.formulas import (
    automatic_beta,
    beta_keeping,
    channel_offset,
    channel_relevance,
    load_relevance,
    manipulation,
    num_channels,
    save_relevance,
    text_direction,
    text_relevance,
)

__all__ = [
    "automatic_beta",
    "beta_keeping",
    "channel_offset",
    "channel_relevance",
    "load_relevance",
    "manipulation",
    "num_channels",
    "save_relevance",
    "text_direction",
    "text_relevance",
]
