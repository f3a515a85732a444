"""Drawings as vectors: packed strokes, a differentiable rasteriser, and SVG files."""

from engines.vector.rasterizer import compile_in_background, composite, rasterize, resolve_backend
from engines.vector.scene import MOVE, Paint, Scene
from engines.vector.svg import SvgDocument, load_svg, read_svg, save_svg

__all__ = [
    "MOVE",
    "Paint",
    "Scene",
    "SvgDocument",
    "compile_in_background",
    "composite",
    "load_svg",
    "rasterize",
    "read_svg",
    "resolve_backend",
    "save_svg",
]
