"""Writes a scene as an SVG file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from engines.vector.path_data import format_number, format_path
from engines.vector.scene import Paint, Scene

__all__ = ["format_svg", "save_svg"]

DECIMALS = 4


def save_svg(
    scene: Scene,
    path: str | Path,
    *,
    background: tuple[float, float, float] | None = None,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Write a scene; viewers draw what `rasterize` draws (opaque convention, strokes 2 × half-width wide).

    background: RGB in [0, 1] of a rectangle behind everything. metadata: written as JSON into <metadata>.
    """
    Path(path).write_text(format_svg(scene, background=background, metadata=metadata), encoding="utf-8")


def format_svg(
    scene: Scene,
    *,
    background: tuple[float, float, float] | None = None,
    metadata: dict[str, Any] | None = None,
) -> str:
    """The text that `save_svg` writes."""
    scene = scene.detach().to("cpu")
    scene.check_finite()
    width, height = format_number(scene.width, DECIMALS), format_number(scene.height, DECIMALS)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
    ]
    if metadata is not None:
        lines.append(f"<metadata>{escape(json.dumps(metadata, ensure_ascii=False))}</metadata>")
    if background is not None:
        fill = quoteattr(_rgb(background))
        lines.append(f'<rect data-role="background" width="{width}" height="{height}" fill={fill}/>')
    lines.append('<g fill="none" stroke-linecap="round" stroke-linejoin="round">')
    lines += _path_elements(scene)
    lines += ["</g>", "</svg>", ""]
    return "\n".join(lines)


def _path_elements(scene: Scene) -> list[str]:
    layout = scene.layout
    points, point_offsets = scene.points.tolist(), layout.point_offsets.tolist()
    segments, segment_offsets = layout.segments.tolist(), layout.segment_offsets.tolist()
    elements = []
    for path, (paint, width, color) in enumerate(
        zip(layout.paints.tolist(), scene.widths.tolist(), scene.colors.tolist(), strict=True)
    ):
        data = format_path(
            points[point_offsets[path] : point_offsets[path + 1]],
            segments[segment_offsets[path] : segment_offsets[path + 1]],
            DECIMALS,
            close=paint != Paint.STROKE,
        )
        rgb, alpha = _rgb(color[:3]), format_number(min(max(color[3], 0), 1), DECIMALS + 1)
        if paint == Paint.STROKE:
            style = (
                f'stroke="{rgb}" stroke-width="{format_number(2 * max(width, 0), DECIMALS)}" stroke-opacity="{alpha}"'
            )
        else:
            rule = ' fill-rule="evenodd"' if paint == Paint.EVENODD else ""
            style = f'fill="{rgb}" fill-opacity="{alpha}"{rule}'
        elements.append(f'<path d="{data}" {style}/>')
    return elements


def _rgb(color: Any) -> str:
    """Percentages keep more than the 8 bits of a hex colour."""
    return "rgb({}%, {}%, {}%)".format(*(format_number(100 * min(max(float(value), 0), 1), 2) for value in color))
