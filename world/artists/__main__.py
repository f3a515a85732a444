"""Fetch, check and render the pictures of all artists: `python -m world.artists`.

They go to a folder of the user's cache (or $ATELIER_WORLD); `world/SOURCES.md` is written anew.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from world.artists.build import drawings, make_sources_page, pictures
from world.artists.fetch import cache_folder, fetch_npm
from world.artists.gallery import INDEX, Gallery, write_gallery
from world.artists.sources import WORDS

PAGE = Path(__file__).parents[1] / "SOURCES.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=cache_folder(), help="for packages and pictures")
    folder = parser.parse_args().folder
    for source in WORDS:
        fetch_npm(source, folder / "packages")
    known = Gallery.open(folder) if (folder / INDEX).exists() else None
    count = write_gallery(pictures(drawings(folder / "packages"), known), folder)
    PAGE.write_text(make_sources_page(Gallery.open(folder).rows), encoding="utf-8")
    print(f"{count:,} pictures in {folder}")


if __name__ == "__main__":
    main()
