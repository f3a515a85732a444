"""Builds the gallery from the packages, and the list of sources that stands in the repository."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from world.artists.dicebear import STYLES, draw_avatars, read_license
from world.artists.drawing import Drawing
from world.artists.fetch import check_license, fetch_debian, fetch_npm, installed_version
from world.artists.gallery import Gallery, Picture
from world.artists.iconify import read_icons
from world.artists.openclipart import read_clip_art
from world.artists.recolour import COLOURS, main_hue, recolour
from world.artists.render import RECIPE, render
from world.artists.sources import ICONIFY, OPENCLIPART, PORTRAITS, SOURCES, TRAINING, WORDS, Source

__all__ = ["drawings", "make_sources_page", "pictures"]

RECOLOURED = ("noto", "noto-v1", "fxemoji", "fluent-emoji-flat", "twemoji", "emojione", "openclipart")
"""Artists whose drawings come in a second colour, too; all of them training artists."""


def drawings(folder: Path) -> Iterator[tuple[Source, tuple[str, ...], Drawing]]:
    """(source, style words, drawing) of every package; packages are fetched into `folder`."""
    for source in ICONIFY:
        for drawing in read_icons(source.name, fetch_npm(source, folder)):
            yield source, source.style, drawing
    for drawing in read_clip_art(OPENCLIPART.name, fetch_debian(OPENCLIPART, folder)):
        yield OPENCLIPART, OPENCLIPART.style, drawing
    installed_version(PORTRAITS)
    for style in STYLES:
        if read_license(style).rstrip(".") != style.license:
            check_license(PORTRAITS, f"{read_license(style)} in {style.name}")
        for drawing in draw_avatars(style):
            yield PORTRAITS, style.words, drawing


def pictures(
    found: Iterator[tuple[Source, tuple[str, ...], Drawing]], known: Gallery | None = None
) -> Iterator[tuple[Picture, np.ndarray]]:
    """Every drawing as pixels, and for the artists of RECOLOURED a colour variant of what has one main hue.

    known: a gallery made before; what has not changed since is taken from it.
    """
    places = {(row.artist, row.key, row.colour, row.digest): i for i, row in enumerate(known.rows)} if known else {}
    for source, style, drawing in found:
        row = Picture(
            drawing.artist, drawing.key, source.role, drawing.names, drawing.tags, drawing.emoji,
            style=style, digest=zlib.crc32(drawing.svg.encode(), RECIPE),
        )  # fmt: skip
        if (place := places.get((row.artist, row.key, "", row.digest))) is not None:
            yield row, known.pixels[place]
            for colour in COLOURS:
                if (place := places.get((row.artist, row.key, colour, row.digest))) is not None:
                    yield replace(row, colour=colour), known.pixels[place]
            continue
        pixels = render(drawing.svg)
        if pixels is None:
            continue
        yield row, pixels
        if source.role == TRAINING and source.name in RECOLOURED and not says_colour(drawing.names):
            yield from _variant(row, drawing, pixels)


def says_colour(names: tuple[str, ...]) -> bool:
    return bool({*COLOURS, "gray"} & {word for name in names for word in name.lower().split()})


def _variant(row: Picture, drawing: Drawing, pixels: np.ndarray) -> Iterator[tuple[Picture, np.ndarray]]:
    """The drawing in one other colour, chosen by its name so that it is the same in every build."""
    found = main_hue(pixels)
    if found is None:
        return
    colours = list(COLOURS)
    colour = colours[zlib.crc32(f"{row.artist}/{row.key}".encode()) % len(colours)]
    changed = render(recolour(drawing.svg, *found, colour))
    if changed is None or np.abs(changed.astype(int) - pixels).mean() < 8:  # it had that colour before
        return
    yield replace(row, colour=colour), changed


# ---------------------------------------------------------------------------------------------- the list of sources


def make_sources_page(rows: list[Picture]) -> str:
    """`world/SOURCES.md`: package, version, licence, author, role and number of pictures of every source."""
    counts = Counter(row.artist for row in rows)
    lines = [
        "# Where the pictures come from",
        "",
        "Written by `make world`, which fetches every package in the version below, checks its hash and the licence it",
        "declares, and renders it. Nothing of it is stored in the repository. A *test* artist is in no shipped model",
        "and in no choice made on the way: share-alike sets are test artists.",
        "",
        "| artist | package | version | licence | author | role | pictures |",
        "|---|---|---|---|---|---|---|",
    ]
    for source in SOURCES:
        if source is PORTRAITS:
            continue
        package = f"[{source.package}]({source.url})"
        lines.append(
            f"| {source.name} | {package} | {source.version} | {source.license.removeprefix('LicenseRef-')} "
            f"| {source.author} | {source.role} | {counts[source.name]:,} |"
        )
    for style in STYLES:
        name = f"dicebear-{style.name}"
        lines.append(
            f"| {name} | [{PORTRAITS.package}]({PORTRAITS.url}) | {PORTRAITS.version} | {style.license} "
            f"| {style.author} | {PORTRAITS.role} | {counts[name]:,} |"
        )
    lines += ["", f"{sum(counts.values()):,} pictures by {len(counts)} artists, colour variants counted in.", ""]
    lines += [
        "Words (names, synonyms, kinds; no pictures):",
        "",
        "| package | version | licence | author |",
        "|---|---|---|---|",
    ]
    for source in WORDS:
        lines.append(f"| [{source.package}]({source.url}) | {source.version} | {source.license} | {source.author} |")
    return "\n".join(lines) + "\n"
