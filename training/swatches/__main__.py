"""Paint swatches: `python -m training.swatches [NAME ...]`."""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image

from engines.style import SWATCHES
from training.swatches import PAINTERS, Picture


def as_image(picture: Picture) -> Image.Image:
    """With 256 colours chosen for this picture: a third of the size, and no difference to see."""
    pixels = Image.fromarray((picture.clip(0, 1) * 255).round().astype(np.uint8))
    return pixels.quantize(256, Image.Quantize.MEDIANCUT, kmeans=2, dither=Image.Dither.NONE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"all unless given: {', '.join(PAINTERS)}")
    options = parser.parse_args()
    if unknown := set(options.names) - set(PAINTERS):
        parser.error(f"there is no swatch {unknown.pop()!r}")
    for name in options.names or PAINTERS:
        SWATCHES[name].parent.mkdir(parents=True, exist_ok=True)
        as_image(PAINTERS[name]()).save(SWATCHES[name], optimize=True)
        print(f"{SWATCHES[name]}  {SWATCHES[name].stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
