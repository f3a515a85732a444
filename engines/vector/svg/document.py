"""The elements of an SVG file: parsed as XML and cleaned of foreign names, within a `Budget`."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element
from xml.parsers import expat

from engines.errors import EngineError, Sentence
from engines.vector.svg.budget import MAX_DEPTH, REASONS, Budget, Notices

__all__ = ["Document", "parse_document"]

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
AMPLIFICATION_LIMIT = 43  # expat's XML_ERROR_AMPLIFICATION_LIMIT_BREACH


class Document:
    """A parsed drawing.

    root: the <svg> element; tags are local names ("rect"), those of foreign namespaces "{namespace}name". Attributes
    are SVG's own without a namespace; xlink:href is "href". by_id: the first element with each id.
    declares_entities: whether the document type declares XML entities.
    """

    def __init__(self, root: Element, declares_entities: bool):
        self.root, self.declares_entities = root, declares_entities
        self.by_id: dict[str, Element] = {}
        for element in root.iter():
            if name := element.get("id"):
                self.by_id.setdefault(name, element)

    def style_sheets(self) -> Iterator[str]:
        for element in self.root.iter("style"):
            if element.get("type", "text/css").strip().lower() in ("", "text/css"):
                yield element.text or ""

    def target(self, reference: str | None) -> Element | None:
        """The element that "#name" refers to, None where there is none or it is in another file."""
        reference = (reference or "").strip()
        return self.by_id.get(reference[1:]) if reference.startswith("#") else None


def parse_document(data: bytes, name: str, budget: Budget, notices: Notices) -> Document:
    """Parse XML. Internal entities are expanded within the budget, those of other files are never read."""
    builder = _Builder(budget, notices)
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = builder.start
    parser.EndElementHandler = builder.end
    parser.CharacterDataHandler = builder.text
    parser.EntityDeclHandler = builder.entity
    try:
        parser.Parse(data, True)
    except expat.ExpatError as error:
        if error.code == AMPLIFICATION_LIMIT:
            raise EngineError(REASONS["characters"]) from None
        raise EngineError(
            "The file '{name}' is not a readable SVG drawing: {reason}.", name=name, reason=error
        ) from None
    except (UnicodeError, ValueError, LookupError) as error:
        raise EngineError(
            "The file '{name}' is not a readable SVG drawing: {reason}.", name=name, reason=error
        ) from None
    if builder.root.tag != "svg":
        tag = builder.root.tag.rpartition("}")[2][:40]
        raise EngineError("The file '{name}' is not an SVG drawing: it begins with <{tag}>.", name=name, tag=tag)
    return Document(builder.root, builder.declares_entities)


class _Builder:
    """Turns expat's events into elements."""

    def __init__(self, budget: Budget, notices: Notices):
        self.root: Element | None = None
        self.declares_entities = False
        self._budget, self._notices = budget, notices
        self._open: list[Element] = []
        self._style: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._budget.spend("elements")
        self._budget.spend("characters", sum(map(len, attributes.values())))
        if len(self._open) >= MAX_DEPTH:
            raise EngineError(REASONS["elements"])
        element = Element(_tag(name), _own_attributes(attributes))
        if self._open:
            self._open[-1].append(element)
        else:
            self.root = element
        self._open.append(element)
        self._style = []

    def end(self, _name: str) -> None:
        element = self._open.pop()
        if element.tag == "style":
            element.text = "".join(self._style)
        self._style = []

    def text(self, data: str) -> None:
        self._budget.spend("characters", len(data))
        if self._open[-1].tag == "style":
            self._style.append(data)

    def entity(self, _name, _is_parameter, _value, _base, system_id, _public_id, _notation) -> None:
        self.declares_entities = True
        if system_id is not None:
            self._notices.add(Sentence("The SVG drawing declares XML entities of other files, which are not read."))


def _tag(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    return local if namespace in ("", SVG) else f"{{{namespace}}}{local}"


def _own_attributes(attributes: dict[str, str]) -> dict[str, str]:
    """Attributes without a namespace, and xlink:href where there is no plain href."""
    own = {key: value for key, value in attributes.items() if " " not in key}
    if (link := attributes.get(f"{XLINK} href")) is not None:
        own.setdefault("href", link)
    return own
