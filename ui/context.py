"""What every part of the page is given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from engines.engine import Engine
from studio import Studio
from ui.downloads import Downloads
from ui.language import Text

__all__ = ["Context"]


@dataclass(frozen=True)
class Context:
    """engines: method name → engine class.

    shared: others can reach this page too, so the history shows only what the asking browser made itself.
    """

    studio: Studio
    engines: Mapping[str, type[Engine]]
    text: Text
    downloads: Downloads = field(default_factory=Downloads)
    shared: bool = False
