"""A drawing for a pen plotter: hairlines in millimetres, one layer per pen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from engines.vector import Paint
from engines.vector.path_data import format_path

if TYPE_CHECKING:
    from engines.vector import Scene

__all__ = ["format_plotter_svg"]

HAIRLINE_MM = 0.3
FAINTEST = 1 / 16
"""Strokes more transparent than this are left out: a pen would draw them as strongly as any other."""


def format_plotter_svg(scene: Scene, longest_side: float = 180.0, pens: int = 8) -> str:
    """An SVG of lines only: no background, no opacity, one width, `longest_side` millimetres along the longer side.

    The colours are reduced to at most `pens`; each pen is a layer as Inkscape and axidraw know them, lightest first,
    and within a layer the strokes follow each other so that the pen travels little. Filled areas become outlines.
    """
    scene = scene.detach().to("cpu")
    scene = scene.scaled(longest_side / max(scene.width, scene.height))
    layout = scene.layout
    points, offsets = scene.points.numpy(), layout.point_offsets.tolist()
    segments, segment_offsets = layout.segments.tolist(), layout.segment_offsets.tolist()
    visible = np.flatnonzero(scene.colors[:, 3].numpy() >= FAINTEST)
    colors = _reduced(scene.colors[visible, :3].clamp(0, 1).mul(255).round().byte().numpy(), pens)

    across, down = f"{scene.width:.3f}", f"{scene.height:.3f}"
    namespaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:inkscape="http://www.inkscape.org/namespaces/inkscape"'
    lines = [f'<svg {namespaces} width="{across}mm" height="{down}mm" viewBox="0 0 {across} {down}">']
    palette = sorted({tuple(color) for color in colors.tolist()}, key=lambda c: -np.dot(c, (0.299, 0.587, 0.114)))
    for number, color in enumerate(palette, start=1):
        name = "#{:02x}{:02x}{:02x}".format(*color)
        lines.append(
            f'<g inkscape:groupmode="layer" inkscape:label="{number} {name}" fill="none" stroke="{name}" '
            f'stroke-width="{HAIRLINE_MM}" stroke-linecap="round" stroke-linejoin="round">'
        )
        own = visible[(colors == color).all(axis=1)]
        ends = np.array([[points[offsets[i]], points[offsets[i + 1] - 1]] for i in own])
        for index in own[_short_tour(ends)]:
            chain = segments[segment_offsets[index] : segment_offsets[index + 1]]
            own_points = points[offsets[index] : offsets[index + 1]].tolist()
            data = format_path(own_points, chain, 3, close=layout.paints[index].item() != Paint.STROKE)
            lines.append(f'<path d="{data}"/>')
        lines.append("</g>")
    return "\n".join([*lines, "</svg>", ""])


def _reduced(colors: np.ndarray, count: int) -> np.ndarray:
    """(N, 3) uint8 with at most `count` different colours."""
    if len(np.unique(colors, axis=0)) <= count:
        return colors
    strip = Image.fromarray(colors[None])
    return np.asarray(strip.quantize(count, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB"))[0]


def _short_tour(ends: np.ndarray) -> list[int]:
    """An order of strokes with (start, end) points (N, 2, 2): from the top left, always on to the nearest start."""
    left, order, pen = list(range(len(ends))), [], np.zeros(2)
    while left:
        nearest = int(np.argmin(((ends[left, 0] - pen) ** 2).sum(axis=1)))
        order.append(left.pop(nearest))
        pen = ends[order[-1], 1]
    return order
