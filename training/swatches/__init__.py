"""The style swatches: small pictures in distinct manners, painted by formulas from a seed.

`python -m training.swatches` paints all of them into assets/styles/, `python -m training.swatches neon mosaic` some.
"""

from training.swatches import built, painted, printed
from training.swatches.canvas import Picture

__all__ = ["PAINTERS", "Picture"]

PAINTERS = {
    "impasto": painted.impasto,
    "pointillism": painted.pointillism,
    "watercolor": painted.watercolor,
    "ink-wash": painted.ink_wash,
    "pencil": painted.pencil,
    "woodcut": printed.woodcut,
    "ukiyo-e": printed.ukiyo_e,
    "pop-art": printed.pop_art,
    "paper-cut": printed.paper_cut,
    "mosaic": built.mosaic,
    "stained-glass": built.stained_glass,
    "cubism": built.cubism,
    "neon": built.neon,
    "pixel-art": built.pixel_art,
}
"""Swatch → the function that paints it, the same picture at every call."""
