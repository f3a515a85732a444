"""Style sheets: which declarations hold for an element.

tinycss2 parses, cssselect2 tests one compound selector ("rect.a[x]") on one element. The combinators between compounds
are followed here, because cssselect2 takes exponential time for long selectors; every test spends from the budget.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import tinycss2
from cssselect2 import ElementWrapper, SelectorError, compile_selector_list
from tinycss2.ast import Node

from engines.errors import Sentence
from engines.vector.svg.budget import Budget, Notices, shown
from engines.vector.svg.document import Document, Element

__all__ = ["Styles"]

MAX_COMPOUNDS = 16
COMBINATORS = (">", "+", "~")
PSEUDO_CLASSES = {"first-child", "last-child", "only-child", "root", "empty", "hover", "active", "focus"}
# Each takes constant time; the last three never hold in a still drawing.
FUNCTIONS = {"not", "nth-child"}
MEDIA = {"", "all", "screen"}

PLAIN = re.compile(r"(?:[^\"'\\{}()\[\]/]|\([^\"'\\{}()\[\]/;]*+\))*+")
"""Declarations in which every semicolon is the end of one."""
TOKEN = re.compile(r"\s++|\w++|\W")

Declarations = dict[str, tuple[str, bool]]
"""Property → value and whether it is !important."""


@dataclass(eq=False)
class Selector:
    """Compounds from left to right, the combinator before each ("" before the first), and the matches found so far."""

    compounds: list[Any]
    combinators: list[str]
    specificity: tuple[int, int, int]
    order: int
    declarations: Declarations
    known: dict[tuple[int, ElementWrapper], bool] = field(default_factory=dict)


class Styles:
    """The style sheets of a document."""

    def __init__(self, document: Document, budget: Budget, notices: Notices):
        self._budget, self._notices = budget, notices
        self._inline: dict[str, Declarations] = {}
        self._parts: dict[str, Declarations] = {}
        self._by_key: dict[str, list[Selector]] = {}
        self._order = 0
        for sheet in document.style_sheets():
            self._read_sheet(sheet)
        self._elements: dict[Element, ElementWrapper] = {}
        if self._by_key:
            wrapped = ElementWrapper.from_xml_root(document.root)
            self._elements = {element.etree_element: element for element in wrapped.iter_subtree()}

    def declarations(self, element: Element) -> dict[str, str]:
        """Properties of an element by the cascade: style sheets, `style=`, then both with !important."""
        layers = [selector.declarations for selector in self._matching(element)]
        if inline := element.get("style"):
            layers.append(self._read_inline(inline))
        found: Declarations = {}
        for layer in layers:
            for name, (value, important) in layer.items():
                if important or not found.get(name, ("", False))[1]:
                    found[name] = value, important
        return {name: value for name, (value, _) in found.items()}

    # ------------------------------------------------------------------------------ parsing

    def _read_inline(self, text: str) -> Declarations:
        """The declarations of a `style=`. Those of one drawing repeat each other, so each is parsed once."""
        if text not in self._inline:
            self._budget.spend("style characters", len(text))
            parts = text.split(";") if PLAIN.fullmatch(text) else [text]
            found: Declarations = {}
            for part in parts:
                if part not in self._parts:
                    self._budget.spend("style tokens", _count_tokens(part) + 5)
                    self._parts[part] = _declarations(_parsed(tinycss2.parse_component_value_list, part))
                found |= {name: own for name, own in self._parts[part].items() if own[1] or not found.get(name, own)[1]}
            self._inline[text] = found
        return self._inline[text]

    def _read_sheet(self, text: str) -> None:
        self._budget.spend("style characters", len(text))
        self._budget.spend("style tokens", _count_tokens(text))
        rules = _parsed(tinycss2.parse_stylesheet, text, skip_comments=True, skip_whitespace=True)
        if rules is None:
            self._notices.add(Sentence("A style sheet cannot be read."))
        self._read_rules(rules or [])

    def _read_rules(self, rules: Iterable[Node], nested: bool = False) -> None:
        for rule in rules:
            if rule.type == "qualified-rule":
                declarations = _declarations(rule.content)
                for tokens in _split(rule.prelude, ","):
                    self._add_selector(tokens, declarations)
            elif rule.type == "at-rule" and rule.lower_at_keyword == "media" and not nested and rule.content:
                if _text(rule.prelude).lower() in MEDIA:
                    self._read_rules(tinycss2.parse_rule_list(rule.content, True, True), nested=True)
            elif rule.type == "at-rule" and rule.lower_at_keyword == "import":
                self._notices.add(Sentence("Style sheets of other files are not read."))

    def _add_selector(self, tokens: list[Node], declarations: Declarations) -> None:
        self._budget.spend("selectors")
        self._order += 1
        try:
            parts = list(_compounds(tokens))
            compiled = [compile_selector_list(part)[0] for _, part in parts]
            if any(own.pseudo_element for own in compiled):
                return  # generated content, which SVG has not
        except (SelectorError, ValueError, RecursionError, SyntaxError, MemoryError, IndexError):
            selector = shown(_text(tokens))
            self._notices.add(Sentence("The style selector '{selector}' is not understood.", selector=selector))
            return
        specificity = tuple(map(sum, zip(*(own.specificity for own in compiled), strict=True)))
        selector = Selector(compiled, [combinator for combinator, _ in parts], specificity, self._order, declarations)
        last = compiled[-1]
        key = f"#{last.id}" if last.id else f".{last.class_name}" if last.class_name else last.local_name or "*"
        self._by_key.setdefault(key, []).append(selector)

    # ------------------------------------------------------------------------------ matching

    def _matching(self, element: Element) -> list[Selector]:
        """Selectors that match, the weakest first."""
        wrapped = self._elements.get(element)
        if wrapped is None:
            return []
        keys = ["*", element.tag, f"#{wrapped.id}", *(f".{name}" for name in wrapped.classes)]
        candidates = [selector for key in keys for selector in self._by_key.get(key, [])]
        found = [own for own in candidates if self._matches(own, len(own.compounds) - 1, wrapped)]
        return sorted(found, key=lambda own: (own.specificity, own.order))

    def _matches(self, selector: Selector, last: int, element: ElementWrapper) -> bool:
        """Whether the element matches the selector's compounds up to number `last`."""
        known = selector.known.get((last, element))
        if known is None:
            self._budget.spend("selector tests", 1 + sum(map(len, element.etree_element.attrib.values())) // 200)
            known = bool(selector.compounds[last].test(element)) and (
                last == 0 or self._related(selector, last, element)
            )
            if last < len(selector.compounds) - 1:
                selector.known[last, element] = known
        return known

    def _related(self, selector: Selector, last: int, element: ElementWrapper) -> bool:
        """Whether compound `last` is reached by its combinator from an element that matches those before it."""
        combinator = selector.combinators[last]
        relation = "previous" if combinator in "+~" else "parent"
        other = getattr(element, relation)
        while other is not None:
            self._budget.spend("selector tests")
            if self._matches(selector, last - 1, other):
                return True
            other = getattr(other, relation) if combinator in " ~" else None
        return False


def _count_tokens(text: str) -> int:
    """At least about as many as the tokens of CSS, which cost tinycss2 some microseconds each."""
    return sum(1 for _ in TOKEN.finditer(text))


def _parsed(parse: Any, text: str, **options: bool) -> list[Node] | None:
    try:
        return parse(text, **options)
    except (ValueError, RecursionError):  # a number of too many digits
        return None


def _text(tokens: list[Node]) -> str:
    try:
        return tinycss2.serialize(tokens).strip()
    except RecursionError:  # hundreds of nested brackets
        return ""


def _declarations(tokens: list[Node] | None) -> Declarations:
    """The declarations of a block. Names are lower case; a broken declaration is left out, as CSS wants."""
    found: Declarations = {}
    for node in tinycss2.parse_declaration_list(tokens or [], skip_comments=True, skip_whitespace=True):
        if node.type == "declaration":
            value = _text(node.value)
            if node.important or not found.get(node.lower_name, ("", False))[1]:
                found[node.lower_name] = value, node.important
    return found


def _split(tokens: list[Node], separator: str) -> list[list[Node]]:
    parts: list[list[Node]] = [[]]
    for token in tokens:
        if token == separator:
            parts.append([])
        else:
            parts[-1].append(token)
    return parts


def _compounds(tokens: list[Node]) -> Iterator[tuple[str, list[Node]]]:
    """(combinator before it, tokens) of each compound selector; `ValueError` for what is not supported."""
    combinator, part, count = "", [], 0
    for token in [*tokens, None]:
        is_combinator = token in COMBINATORS
        if token is not None and not is_combinator and token.type not in ("whitespace", "comment"):
            _check(token, part)
            part.append(token)
            continue
        if part:
            count += 1
            if count > MAX_COMPOUNDS:
                raise ValueError("too long")
            yield combinator, part
            combinator, part = " ", []
        if is_combinator:
            if combinator != " ":
                raise ValueError("two combinators")
            combinator = token.value
    if combinator != " ":
        raise ValueError("nothing after a combinator")


def _check(token: Node, before: list[Node]) -> None:
    """`ValueError` for pseudo-classes that take more than constant time, and for compounds that are too long."""
    if len(before) > 100:
        raise ValueError("too long")
    if token.type == "ident" and before and before[-1] == ":" and before[-2:-1] != [":"]:
        if token.lower_value not in PSEUDO_CLASSES:
            raise ValueError("pseudo-class")
    elif token.type == "function":
        if token.lower_name not in FUNCTIONS:
            raise ValueError("pseudo-class")
        for inner in token.arguments if token.lower_name == "not" else []:
            if inner.type in ("whitespace", "function") or inner == ":" or inner in COMBINATORS:
                raise ValueError("selector inside a pseudo-class")
        if any(inner.type == "ident" and inner.lower_value == "of" for inner in token.arguments):
            raise ValueError("nth-child of a selector")
