"""Style as something that can be measured: features of a picture, losses between them, and pictures to borrow from."""

from engines.style.features import (
    Mapping,
    StyleEncoder,
    drawing_positions,
    hypercolumns,
    style_statistics,
    truncated_hypercolumns,
)
from engines.style.losses import (
    Samples,
    gram_loss,
    moment_loss,
    palette_loss,
    relaxed_emd,
    self_similarity_loss,
)
from engines.style.swatches import NO_SWATCH, SWATCHES, Swatch, SwatchOrNone

__all__ = [
    "NO_SWATCH",
    "SWATCHES",
    "Mapping",
    "Samples",
    "StyleEncoder",
    "Swatch",
    "SwatchOrNone",
    "drawing_positions",
    "gram_loss",
    "hypercolumns",
    "moment_loss",
    "palette_loss",
    "relaxed_emd",
    "self_similarity_loss",
    "style_statistics",
    "truncated_hypercolumns",
]
