"""A tiny world: coloured shapes by three invented artists, rendered from SVG made here."""

from pathlib import Path

from world.artists.build import pictures
from world.artists.drawing import Drawing
from world.artists.gallery import Gallery, write_gallery
from world.artists.sources import Source
from world.collection import Collection, collect
from world.concepts.vocabulary import Concept

CONCEPTS = (
    Concept("cat", ("kitty",), "고양이", ("야옹이",), "animal-mammal", emoji=("🐈",)),
    Concept("guitar", (), "기타", (), "musical-instrument"),
    Concept("umbrella", ("brolly",), "우산", (), "clothing", spellings=("parasol closed",)),
    Concept("sun", (), "해", (), "sky-weather"),
    Concept("red apple", ("apple",), "빨간 사과", (), "food-fruit", colour_named=True),
    Concept("axe", (), "", (), "artifact"),
)
SHAPES = {
    "cat": '<circle cx="50" cy="50" r="40" fill="#d08030"/><circle cx="35" cy="40" r="6" fill="#111"/>',
    "guitar": '<rect x="20" y="10" width="60" height="80" fill="#8a4b1f"/>',
    "umbrella": '<path d="M10 60 L50 10 L90 60 Z" fill="#2060d0"/>',
    "sun": '<circle cx="50" cy="50" r="30" fill="#ffd020"/>',
    "red apple": '<ellipse cx="50" cy="50" rx="40" ry="34" fill="#d02020"/>',
    "war axe": '<rect x="44" y="5" width="12" height="90" fill="#222"/>',
}


def as_svg(body: str) -> str:
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" width="100" height="100">{body}</svg>'


def drawings():
    """(source, style, drawing) as `build.drawings` yields them."""
    for artist, role, style in (
        ("noto", "training", ("flat",)),
        ("game-icons", "training", ("silhouette",)),
        ("openmoji", "test", ("outlined",)),
    ):
        source = Source(artist, artist, "1", "", "MIT", "nobody", "", role, style)
        for name, body in SHAPES.items():
            emoji = "🐈" if name == "cat" and artist == "noto" else ""
            yield source, style, Drawing(artist, name.replace(" ", "-"), as_svg(body), (name,), (), emoji)


def make_gallery(folder: Path) -> Gallery:
    write_gallery(pictures(drawings()), folder)
    return Gallery.open(folder)


def make_collection(gallery: Gallery) -> Collection:
    return collect(gallery, CONCEPTS, 64)
