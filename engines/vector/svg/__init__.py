"""SVG files: scenes written for every viewer, and other people's drawings read as scenes.

What is read: paths and basic shapes with fill and stroke, groups and their opacity, `use`, `symbol`, nested `svg`,
transforms, clip paths, style sheets. A shape with both fill and stroke becomes two paths. Caps and joins are round and
dashes solid; a gradient becomes its mean colour; text, pictures, patterns, masks and filters are left out. Each of
these leaves a notice.
"""

from __future__ import annotations

from pathlib import Path

from engines.svg_file import read_svg_bytes
from engines.vector.scene import Scene
from engines.vector.svg.reader import SvgDocument, read_document
from engines.vector.svg.writer import save_svg

__all__ = ["SvgDocument", "load_svg", "read_svg", "save_svg"]


def read_svg(path: str | Path) -> SvgDocument:
    """Read a drawing (.svg, or compressed .svgz) on the canvas that the file names: its size in px, else its viewBox.

    The file may come from anybody: time and memory are bounded, nothing outside the file is read, and an element or
    attribute that cannot be read is left out with a notice. Raises `EngineError` for a file that is no SVG drawing, is
    too large or too complicated, or draws nothing.
    """
    path = Path(path)
    return read_document(read_svg_bytes(path), path.name)


def load_svg(path: str | Path) -> Scene:
    """The scene of `read_svg`, without the background that `save_svg` wrote."""
    return read_svg(path).scene
