"""A finished drawing made again stroke by stroke: as pictures for a video, and as an SVG that draws itself."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from engines.images import as_pixels
from engines.vector import Paint, composite, rasterize
from engines.vector.path_data import format_path

if TYPE_CHECKING:
    from engines.vector import Scene

__all__ = ["format_replay_svg", "stroke_frames"]

SECONDS = 8.0
"""How long the pen is on the paper."""


def stroke_frames(
    scene: Scene, background: Sequence[float], count: int = 200, longest_side: int = 768
) -> Iterator[np.ndarray]:
    """About `count` pictures (H, W, 3) uint8: the empty paper, a few more strokes on each, at last the whole drawing.

    Premultiplied "over" is associative, so every picture is the one before with only the new strokes laid over it.
    background: RGB in [0, 1].
    """
    scene = scene.detach()
    factor = longest_side / max(scene.width, scene.height)
    size = round(scene.height * factor), round(scene.width * factor)
    canvas = scene.points.new_zeros(4, *size)
    yield _picture(canvas, background)
    for strokes in np.array_split(np.arange(len(scene)), min(count, max(len(scene), 1))):
        if len(strokes):
            new = rasterize(scene.select(strokes.tolist()), size)
            canvas = new + (1 - new[3:]) * canvas
            yield _picture(canvas, background)


def _picture(rgba, background: Sequence[float]) -> np.ndarray:
    return as_pixels(composite(rgba, background))


def format_replay_svg(scene: Scene, background: Sequence[float] | None = None, seconds: float = SECONDS) -> str:
    """An SVG whose strokes draw themselves one after the other, by CSS alone, so that it also plays inside an <img>.

    Longer strokes take longer. A viewer without animation, or a person who asked for less motion, sees the drawing.
    """
    scene = scene.detach().to("cpu")
    layout = scene.layout
    points, offsets = scene.points.tolist(), layout.point_offsets.tolist()
    segments, segment_offsets = layout.segments.tolist(), layout.segment_offsets.tolist()
    paths = [points[start:end] for start, end in pairwise(offsets)]
    lengths = [sum(np.hypot(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(path)) for path in paths]
    lengths = [length + 0.02 * scene.width for length in lengths]  # a dot takes its moment too
    rate = seconds / max(sum(lengths), 1e-9)
    size = f'width="{scene.width:g}" height="{scene.height:g}"'
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} viewBox="0 0 {scene.width:g} {scene.height:g}">',
        _STYLE,
    ]
    if background is not None:
        lines.append(f'<rect {size} fill="{_hex(background)}"/>')
    lines.append('<g stroke-linecap="round" stroke-linejoin="round">')
    begin = 0.0
    for index, path in enumerate(paths):
        duration = lengths[index] * rate
        paint, (*rgb, alpha) = layout.paints[index].item(), scene.colors[index].tolist()
        data = format_path(
            path, segments[segment_offsets[index] : segment_offsets[index + 1]], 2, close=paint != Paint.STROKE
        )
        timing = f'style="animation-delay:{begin:.3f}s;animation-duration:{duration:.3f}s"'
        if paint == Paint.STROKE:
            width = 2 * max(scene.widths[index].item(), 0)
            look = f'fill="none" stroke="{_hex(rgb)}" stroke-width="{width:.3f}" stroke-opacity="{_clip(alpha):.3f}"'
            lines.append(f'<path class="stroke" pathLength="1" d="{data}" {look} {timing}/>')
        else:
            rule = ' fill-rule="evenodd"' if paint == Paint.EVENODD else ""
            lines.append(
                f'<path class="area" d="{data}" fill="{_hex(rgb)}" fill-opacity="{_clip(alpha):.3f}"{rule} {timing}/>'
            )
        begin += duration
    return "\n".join([*lines, "</g>", "</svg>", ""])


# The dash pattern leaves a gap longer than the path and starts inside it: a round cap would show at its very edge.
_STYLE = """<style>
@keyframes draw {
  from { stroke-dasharray: 1 1.2; stroke-dashoffset: 1.1 }
  to { stroke-dasharray: 1 1.2; stroke-dashoffset: 0 }
}
@keyframes appear { from { opacity: 0 } to { opacity: 1 } }
.stroke { animation: draw linear both }
.area { animation: appear linear both }
@media (prefers-reduced-motion: reduce) { .stroke, .area { animation: none } }
</style>"""


def _hex(rgb: Sequence[float]) -> str:
    return "#{:02x}{:02x}{:02x}".format(*(round(255 * _clip(value)) for value in rgb))


def _clip(value: float) -> float:
    return min(max(float(value), 0.0), 1.0)
