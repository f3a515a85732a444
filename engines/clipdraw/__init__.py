"""CLIPDraw: strokes optimised until CLIP sees the prompt (Frans et al., arXiv 2106.14843)."""

from engines.clipdraw.engine import CLIPDraw
from engines.clipdraw.settings import CLIPDrawSettings

__all__ = ["CLIPDraw", "CLIPDrawSettings"]
