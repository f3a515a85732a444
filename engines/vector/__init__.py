"""Drawings as vectors: packed strokes, a differentiable rasteriser, and SVG files."""

from engines.vector.rasterizer import compile_in_background, composite, rasterize, resolve_backend
from engines.vector.scene import MOVE, Paint, Scene
from engines.vector.svg import load_svg, save_svg

__all__ = [
    "MOVE",
    "Paint",
    "Scene",
    "compile_in_background",
    "composite",
    "load_svg",
    "rasterize",
    "resolve_backend",
    "save_svg",
]
