"""Tables of channel relevance that were measured before: shipped in assets/, or kept in the cache of this machine."""

from __future__ import annotations

from pathlib import Path

from engines.clip.encoder import ClipEncoder
from engines.files import ASSETS
from engines.styleclip.relevance import RelevanceTable
from engines.stylegan2 import Generator
from engines.zoo import Models, replaceable
from engines.zoo.fetching import cache_folder

__all__ = ["find_relevance", "relevance_file", "relevance_name"]


@replaceable("relevance")
def find_relevance(models: Models, generator: Generator, encoder: ClipEncoder) -> RelevanceTable | None:
    """The complete table of this generator and this CLIP, where there is one."""
    name = relevance_name(generator, encoder)
    for path in (ASSETS / "faces" / name, relevance_file(generator, encoder)):
        if path.is_file() and (table := RelevanceTable.load(path)).is_whole:
            return table
    return None


def relevance_file(generator: Generator, encoder: ClipEncoder) -> Path:
    """The place of a table that is measured on this machine; it need not exist."""
    return cache_folder() / "relevance" / relevance_name(generator, encoder)


def relevance_name(generator: Generator, encoder: ClipEncoder) -> str:
    return f"relevance-{generator.sha256[:12]}-{encoder.sha256[:12]}.safetensors"
