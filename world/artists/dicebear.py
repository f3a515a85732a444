"""Draws portraits, creatures, robots, landscapes and planets with the styles of DiceBear; every part is named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files

from world.artists.drawing import Drawing

__all__ = ["STYLES", "AvatarStyle", "draw_avatars", "read_license"]

CC0, CC_BY = "CC0 1.0", "CC BY 4.0"
FREE = "Free for personal and commercial use"


@dataclass(frozen=True)
class AvatarStyle:
    """name: the style's file. license: as the file must declare it. author. shows: English names, best first.

    words: style words. count: pictures to draw.
    """

    name: str
    license: str
    author: str
    shows: tuple[str, ...]
    words: tuple[str, ...]
    count: int = 120


_FACE = ("portrait", "face", "person")
STYLES = (
    AvatarStyle("adventurer", CC_BY, "Lisa Wischofsky", _FACE, ("cartoon", "comic")),
    AvatarStyle("avataaars", FREE, "Pablo Stanley", _FACE, ("flat", "avatar")),
    AvatarStyle("big-ears", CC_BY, "The Visual Team", _FACE, ("flat", "cartoon")),
    AvatarStyle("big-smile", CC_BY, "Ashley Seo", _FACE, ("flat", "cartoon")),
    AvatarStyle("croodles", CC_BY, "vijay verma", _FACE, ("line drawing", "doodle")),
    AvatarStyle("lorelei", CC0, "Lisa Wischofsky", _FACE, ("line drawing", "black and white")),
    AvatarStyle("micah", CC_BY, "Micah Lanier", _FACE, ("flat", "outlined")),
    AvatarStyle("miniavs", CC_BY, "Webpixels", _FACE, ("flat", "minimal")),
    AvatarStyle("notionists", CC0, "Zoish", _FACE, ("line drawing", "black and white")),
    AvatarStyle("open-peeps", CC0, "Pablo Stanley", _FACE, ("outlined", "hand-drawn")),
    AvatarStyle("personas", CC_BY, "Draftbit", _FACE, ("flat", "minimal")),
    AvatarStyle("toon-head", CC_BY, "Johan Melin", _FACE, ("cartoon", "flat")),
    AvatarStyle("dylan", CC_BY, "Natalia Spivak", _FACE, ("cartoon", "flat")),
    AvatarStyle("voxel-art", CC0, "DiceBear", ("person", "portrait"), ("voxel art", "blocky")),
    AvatarStyle("pixel-art", CC0, "DiceBear", _FACE, ("pixel art", "blocky")),
    AvatarStyle("cutouts", CC0, "DiceBear", ("face", "mask"), ("paper cut-out", "collage"), 60),
    AvatarStyle("cameo", CC0, "DiceBear", ("face", "portrait"), ("minimal", "pastel"), 60),
    AvatarStyle("clay", CC0, "DiceBear", ("monster", "creature"), ("clay", "soft")),
    AvatarStyle("critters", CC0, "DiceBear", ("monster", "creature"), ("flat", "cute")),
    AvatarStyle("bottts", FREE, "Pablo Stanley", ("robot",), ("flat", "cartoon")),
    AvatarStyle("voxel-bot", CC0, "DiceBear", ("robot",), ("voxel art", "blocky")),
    AvatarStyle("landscape", CC0, "DiceBear", ("landscape", "hills"), ("flat", "pastel"), 240),
    AvatarStyle("planets", CC0, "DiceBear", ("planet", "space"), ("flat", "glossy"), 240),
    AvatarStyle("sprouts", CC0, "DiceBear", ("potted plant", "plant"), ("flat", "cute")),
    AvatarStyle("constellation", CC0, "DiceBear", ("constellation", "starry sky"), ("minimal", "line drawing"), 60),
    AvatarStyle("stack", CC0, "DiceBear", ("stones", "pile of stones"), ("flat", "pastel"), 60),
)


def draw_avatars(style: AvatarStyle) -> Iterator[Drawing]:
    """`style.count` drawings, always the same ones; tags are "part: variant" and "part: colour"."""
    from dicebear import Avatar, Style

    definition = Style(_definition(style.name))
    for number in range(style.count):
        avatar = Avatar(definition, {"seed": f"{style.name}-{number}", "size": 256})
        options = avatar.to_json()["options"]
        yield Drawing(f"dicebear-{style.name}", f"{number:03}", avatar.to_string(), style.shows, _parts(options))


def read_license(style: AvatarStyle) -> str:
    return _definition(style.name)["meta"]["license"]["name"]


def _definition(name: str) -> dict:
    return json.loads((files("dicebear_styles") / f"{name}.json").read_text(encoding="utf-8"))


def _parts(options: dict) -> tuple[str, ...]:
    """{"hairVariant": "long06", "hairColor": ["#ab2a18"]} → ("hair: long06", "hair: #ab2a18")."""
    parts = []
    for name, value in options.items():
        if name.endswith("Variant") and value and value != "none":
            parts.append(f"{name.removesuffix('Variant')}: {value}")
        elif name.endswith("Color") and value:
            parts.append(f"{name.removesuffix('Color')}: {value[0]}")
    return tuple(parts)
