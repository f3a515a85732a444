"""The pictures of the gallery with what they show: concept, artist, colour, and which half of the split they are in."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from world.artists.fetch import cache_folder
from world.artists.gallery import Gallery, Picture
from world.concepts.matching import Match, Matcher
from world.concepts.vocabulary import Concept, load_concepts

__all__ = ["Collection", "is_kept_back", "open_collection"]

KEPT_BACK = 20
"""One drawing in so many is kept back from training, whoever drew it."""
ONE_ARTIST = 40
"""Pictures of one concept by one artist that are used at most; generated portraits would outnumber all else."""


@dataclass(frozen=True)
class Collection:
    """Pictures whose concept is known, in the order of the gallery.

    rows: their index. sprites: (pictures, 4, side, side) uint8 premultiplied RGBA. concept, artist: (pictures,) places
    in `concepts` and `artists`. exact: (pictures,) whether the package's own name says the concept. kept_back:
    (pictures,) not for training. is_test: (pictures,) drawn by a test artist.
    """

    concepts: tuple[Concept, ...]
    artists: tuple[str, ...]
    rows: list[Picture]
    sprites: Tensor
    concept: Tensor
    artist: Tensor
    exact: Tensor
    kept_back: Tensor
    is_test: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def places(self, keep: Callable[[Picture, bool], bool]) -> Tensor:
        """Places of the exactly named pictures for which `keep(row, is kept back)` is true."""
        chosen = [
            place
            for place, (row, exact, back) in enumerate(
                zip(self.rows, self.exact.tolist(), self.kept_back.tolist(), strict=True)
            )
            if exact and keep(row, back)
        ]
        return torch.tensor(chosen, dtype=torch.long)

    def training_places(self, *, test_artists: bool = False, without: tuple[str, ...] = ()) -> Tensor:
        """Pictures to learn from. test_artists: with theirs, for what is never shipped. without: artists left out."""
        return self.places(
            lambda row, back: not back and row.artist not in without and (test_artists or row.role == "training")
        )

    def artist_places(self, artist: str) -> Tensor:
        """All exactly named pictures by one artist in their own colours."""
        return self.places(lambda row, _: row.artist == artist and not row.colour)


def is_kept_back(row: Picture) -> bool:
    """By artist and name, so that a drawing and its colour variant stay together."""
    return zlib.crc32(f"{row.artist}/{row.key}/split".encode()) % KEPT_BACK == 0


def collect(gallery: Gallery, concepts: tuple[Concept, ...], side: int, cache: Path | None = None) -> Collection:
    """The collection of a gallery; `cache` is a file for the small sprites."""
    matcher = Matcher(concepts)
    counts: dict[tuple[str, int], int] = {}
    kept: list[tuple[int, Picture, Match]] = []
    for place, row in enumerate(gallery.rows):
        match = matcher.find(row)
        if match is None:
            continue
        group = (row.artist, match.concept)
        counts[group] = counts.get(group, 0) + 1
        if counts[group] <= ONE_ARTIST:
            kept.append((place, row, match))
    artists = tuple(dict.fromkeys(row.artist for _, row, _ in kept))
    number = {artist: i for i, artist in enumerate(artists)}
    return Collection(
        concepts,
        artists,
        [row for _, row, _ in kept],
        _sprites(gallery, [place for place, _, _ in kept], side, cache),
        torch.tensor([match.concept for _, _, match in kept]),
        torch.tensor([number[row.artist] for _, row, _ in kept]),
        torch.tensor([match.exact for _, _, match in kept]),
        torch.tensor([is_kept_back(row) for _, row, _ in kept]),
        torch.tensor([row.role == "test" for _, row, _ in kept]),
    )


def open_collection(side: int = 64) -> Collection:
    """The collection of the gallery that `make world` wrote; sprites of `side` px are cached beside it."""
    folder = cache_folder()
    return collect(Gallery.open(folder), load_concepts(), side, folder / f"sprites-{side}.npz")


def _sprites(gallery: Gallery, places: list[int], side: int, cache: Path | None) -> Tensor:
    wanted = [(gallery.rows[place].digest, gallery.rows[place].colour) for place in places]
    stamp = zlib.crc32(repr(wanted).encode())
    if cache and cache.exists():
        with np.load(cache) as stored:
            if int(stored["stamp"]) == stamp:
                return torch.from_numpy(stored["sprites"])
    sprites = np.stack([_small(gallery.pixels[place], side) for place in places])
    if cache:
        fresh = cache.with_suffix(".new.npz")
        np.savez(fresh, sprites=sprites, stamp=stamp)
        fresh.replace(cache)
    return torch.from_numpy(sprites)


def _small(pixels: np.ndarray, side: int) -> np.ndarray:
    """(side, side, 4) straight RGBA of another size → (4, side, side) premultiplied."""
    small = np.asarray(Image.fromarray(np.asarray(pixels)).convert("RGBa").reduce(pixels.shape[0] // side))
    return small.transpose(2, 0, 1)
