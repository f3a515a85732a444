"""Computed style: which properties an element has, by attributes, style sheets and inheritance, and its paints."""

from __future__ import annotations

import re
from xml.etree.ElementTree import Element

import numpy as np

from engines.colors import CURRENT_COLOR, parse_css_color
from engines.errors import Sentence
from engines.vector.svg.budget import MAX_DEPTH, Budget, Notices, shown
from engines.vector.svg.css import Styles
from engines.vector.svg.document import Document
from engines.vector.svg.values import opacity

__all__ = ["INHERITED", "Stylist", "reference"]

INHERITED = {
    "clip-rule": "nonzero",
    "color": "black",
    "fill": "black",
    "fill-opacity": "1",
    "fill-rule": "nonzero",
    "marker-end": "none",
    "marker-mid": "none",
    "marker-start": "none",
    "paint-order": "normal",
    "stroke": "none",
    "stroke-dasharray": "none",
    "stroke-linecap": "butt",
    "stroke-linejoin": "miter",
    "stroke-miterlimit": "4",
    "stroke-opacity": "1",
    "stroke-width": "1",
    "visibility": "visible",
}
"""Properties that children take over, and their initial values."""
OWN = {
    "clip-path", "display", "filter", "mask", "mix-blend-mode", "opacity", "overflow", "stop-color", "stop-opacity",
    "transform", "transform-origin", "vector-effect",
}  # fmt: skip
PAINTS = {"fill", "stroke"}
COLORS = {"color", "stop-color"}
URL = re.compile(r"\s*+url\(\s*+[\"']?#([^\"')]++)[\"']?\s*+\)\s*+")

RGBA = tuple[float, float, float, float]


def reference(text: str) -> str | None:
    """The id in "url(#id)", None where the text is something else."""
    found = URL.match(text)
    return found[1].strip() if found else None


class Stylist:
    """Styles of a document's elements; each element is looked at once."""

    def __init__(self, document: Document, budget: Budget, notices: Notices):
        self._document, self._notices = document, notices
        self._styles = Styles(document, budget, notices)
        self._css: dict[Element, dict[str, str]] = {}
        self._own: dict[Element, dict[str, str]] = {}
        self._gradients: dict[str, RGBA | None] = {}

    def css(self, element: Element) -> dict[str, str]:
        """Declarations of style sheets and `style=`, which may give lengths of shapes too."""
        if element not in self._css:
            self._css[element] = self._styles.declarations(element)
        return self._css[element]

    def own(self, element: Element) -> dict[str, str]:
        """Properties that the element itself has, attributes first; those that cannot be read are left out."""
        if element not in self._own:
            own: dict[str, str] = {}
            for name, value in [*element.attrib.items(), *self.css(element).items()]:
                if name in INHERITED or name in OWN:
                    if self._is_valid(name, value):
                        own[name] = value.strip()
                elif name == "marker":
                    own |= dict.fromkeys(("marker-start", "marker-mid", "marker-end"), value.strip())
            self._own[element] = own
        return self._own[element]

    def computed(self, element: Element, inherited: dict[str, str]) -> dict[str, str]:
        """Inherited properties as they hold for an element."""
        own = {name: value for name, value in self.own(element).items() if name in INHERITED}
        own = {name: INHERITED[name] if value == "initial" else value for name, value in own.items()}
        own = {name: value for name, value in own.items() if value not in ("inherit", "unset")}
        if own.get("color", "").lower() == CURRENT_COLOR:
            del own["color"]
        return inherited | own if own else inherited

    def _is_valid(self, name: str, value: str) -> bool:
        text = value.strip()
        if name not in PAINTS | COLORS or text in ("inherit", "initial", "unset"):
            return True
        if name in PAINTS and (text == "none" or URL.match(text) or text.startswith("context-")):
            return True
        if parse_css_color(text) is not None:
            return True
        self._notices.add(Sentence("The colour '{color}' is not understood.", color=shown(text)))
        return False

    # ------------------------------------------------------------------------------ paints

    def paint(self, style: dict[str, str], name: str) -> RGBA | None:
        """The colour of "fill" or "stroke" with its opacity as straight RGBA in [0, 1], None for no paint."""
        text = style[name]
        if found := URL.match(text):
            color = self._server(found[1].strip(), text[found.end() :], style)
        else:
            color = self._color(text, style)
        return color and (*color[:3], color[3] * opacity(style[f"{name}-opacity"]))

    def _color(self, text: str, style: dict[str, str]) -> RGBA | None:
        color = parse_css_color(text)
        if color == CURRENT_COLOR:
            color = parse_css_color(style["color"])
        return color if isinstance(color, tuple) and color[3] > 0 else None

    def _server(self, name: str, fallback: str, style: dict[str, str]) -> RGBA | None:
        """The mean colour of a gradient; of other paint servers the fallback colour, if there is one."""
        target = self._document.by_id.get(name)
        if target is None:
            return self._color(fallback, style)
        if target.tag not in ("linearGradient", "radialGradient"):
            self._notices.add(Sentence("Patterns are left out."))
            return self._color(fallback, style)
        if name not in self._gradients:
            self._gradients[name] = self._mean(target, style)
        if self._gradients[name] is not None:
            self._notices.add(Sentence("Gradients are drawn in their mean colour."))
        return self._gradients[name]

    def _mean(self, gradient: Element, style: dict[str, str]) -> RGBA | None:
        """The mean of a gradient's stops, which may be those of another gradient."""
        for _ in range(MAX_DEPTH):
            stops = [child for child in gradient if child.tag == "stop"]
            following = None if stops else self._document.target(gradient.get("href"))
            if following is None:
                break
            gradient = following
        colors = []
        for stop in stops:
            own = self.own(stop)
            color = self._color(own.get("stop-color", "black"), style) or (0.0, 0.0, 0.0, 0.0)
            colors.append((*color[:3], color[3] * opacity(own.get("stop-opacity", "1"))))
        return tuple(np.mean(colors, axis=0).tolist()) if colors else None
