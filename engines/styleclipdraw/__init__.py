"""StyleCLIPDraw: strokes that become the prompt in the style of a picture (Schaldenbrand et al., arXiv 2202.12362)."""

from engines.styleclipdraw.engine import StyleCLIPDraw
from engines.styleclipdraw.settings import StyleCLIPDrawSettings

__all__ = ["StyleCLIPDraw", "StyleCLIPDrawSettings"]
