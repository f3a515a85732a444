"""Six prompts in six styles at default settings, unselected: `python -m benchmarks.styles`.

Every drawing is compared with its style picture, and so is CLIPDraw's drawing of the same prompt by CLIP alone:

* palette: sliced Wasserstein-1 distance between the two pictures' colours in CIE Lab (mean over 64 directions), in ΔE;
* Gram: ‖G - G'‖ / ‖G'‖ of the Gram matrices of four layers of the pocket style network that no loss looks at, mean.

The independent judge says at which place among all names it puts what was to be drawn. Then the same for a part of the
pairs at four strengths of the style, and how much a step costs beside one of CLIPDraw. Writes the contact sheet.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks.drawings import CAPTION, CELL, Drawing, Task, draw_all, judged
from engines import ENGINES
from engines.images import as_tensor, load_picture
from engines.style import SWATCHES, StyleEncoder
from engines.zoo import Models

SHEET = Path(__file__).parents[1] / "docs" / "styleclipdraw-36.png"
PROMPTS = [
    ("a red apple", "red apple"), ("a cat face", "cat face"), ("a sailboat", "sailboat"),
    ("a sunflower", "sunflower"), ("a house", "house"), ("an owl", "owl"),
]  # fmt: skip
STYLES = list(SWATCHES)[::2][:6]
STRENGTHS = (0, 25, 50, 100)
HELD_OUT = (18, 20, 25, 27)
"""relu4_1, 4_2, 5_1, 5_2: between the layers that the losses look at."""
SIDE, DIRECTIONS, QUANTILES = 224, 64, 512


# ---------------------------------------------------------------------------------------------- distances


def palette_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Sliced Wasserstein-1 distance of two pictures' colours, (H, W, 3) uint8 each, in ΔE (CIE 1976)."""
    directions = np.random.default_rng(0).normal(size=(3, DIRECTIONS))
    directions /= np.linalg.norm(directions, axis=0)
    shares = (np.arange(QUANTILES) + 0.5) / QUANTILES
    first, second = (np.quantile(lab(picture).reshape(-1, 3) @ directions, shares, axis=0) for picture in (one, other))
    return float(np.abs(first - second).mean())


def lab(picture: np.ndarray) -> np.ndarray:
    """sRGB uint8 → CIE L*a*b* under D65 (IEC 61966-2-1, CIE 15)."""
    srgb = picture / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = linear @ to_xyz.T / to_xyz.sum(1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


@torch.no_grad()
def gram_matrices(encoder: StyleEncoder, picture: np.ndarray) -> list[Tensor]:
    """One (C, C) per held-out layer, of the picture brought to 224 px."""
    image = Image.fromarray(picture)
    size = [max(16, round(side * SIDE / max(image.size))) for side in image.size]
    image = image.resize(size, Image.Resampling.BICUBIC)
    x = encoder.maps(as_tensor(np.asarray(image))[None])[0]
    grams = []
    for index, layer in enumerate(encoder.features):
        x = layer(x)
        if index in HELD_OUT:
            rows = x[0].flatten(1)
            grams.append(rows @ rows.T / rows.shape[1])
    return grams


def gram_distance(encoder: StyleEncoder, picture: np.ndarray, style: np.ndarray) -> float:
    pairs = zip(gram_matrices(encoder, picture), gram_matrices(encoder, style), strict=True)
    return statistics.mean(((own - other).norm() / other.norm()).item() for own, other in pairs)


# ---------------------------------------------------------------------------------------------- pairs


@dataclass(frozen=True)
class Pair:
    """How a drawing in a style fared, and the drawing without it (`plain_`)."""

    style: str
    drawing: Drawing
    rank: int
    palette: float
    plain_palette: float
    gram: float
    plain_gram: float

    @property
    def adheres(self) -> bool:
        return self.palette < self.plain_palette and self.gram < self.plain_gram


def measure_pairs(styles: list[str], plain: list[Drawing], changes: dict, processes: int) -> list[Pair]:
    """Every drawing of `plain` again in every style, prompt by prompt."""
    encoder = Models("pocket", "cpu").style_features()
    wanted = [(one, style) for one in plain for style in styles]
    tasks = [Task(one.prompt, one.name, {"swatch": style, **changes}, "styleclipdraw") for one, style in wanted]
    drawings = draw_all(tasks, processes)
    pairs = []
    for (one, style), drawing, rank in zip(wanted, drawings, judged(drawings), strict=True):
        picture = load_picture(SWATCHES[style])
        palette = [palette_distance(own.image, picture) for own in (drawing, one)]
        gram = [gram_distance(encoder, own.image, picture) for own in (drawing, one)]
        pairs.append(Pair(style, drawing, rank, *palette, *gram))
    return pairs


def summary(pairs: list[Pair]) -> dict[str, float]:
    def share(values) -> float:
        return round(statistics.mean(map(float, values)), 3)

    return {
        "pairs": len(pairs),
        "both smaller": share(pair.adheres for pair in pairs),
        "palette smaller": share(pair.palette < pair.plain_palette for pair in pairs),
        "gram smaller": share(pair.gram < pair.plain_gram for pair in pairs),
        "palette": share(pair.palette for pair in pairs),
        "palette of CLIPDraw": share(pair.plain_palette for pair in pairs),
        "gram": share(pair.gram for pair in pairs),
        "gram of CLIPDraw": share(pair.plain_gram for pair in pairs),
        "first": share(pair.rank == 1 for pair in pairs),
        "in five": share(pair.rank <= 5 for pair in pairs),
        "steps/s": round(statistics.median(pair.drawing.steps / pair.drawing.seconds for pair in pairs), 1),
    }


# ---------------------------------------------------------------------------------------------- what a step costs


def step_seconds(changes: dict, steps: int = 40) -> dict[str, float]:
    """Method → median seconds of a step on one thread, the two taken in turns: a busy machine slows both alike."""
    torch.set_num_threads(1)
    models = Models("pocket", "cpu")
    runs = {}
    for name in ("clipdraw", "styleclipdraw"):
        own = changes if name == "styleclipdraw" else {}
        settings = ENGINES[name].Settings.parse({"prompt": "a red apple", "num_steps": steps + 10, **own})
        runs[name] = ENGINES[name](models).run(settings)
    seconds = {name: [] for name in runs}
    for _ in range(steps):
        for name, run in runs.items():
            started = time.perf_counter()
            next(run)
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(own[5:]) for name, own in seconds.items()}


# ---------------------------------------------------------------------------------------------- contact sheet


def contact_sheet(styles: list[str], plain: list[Drawing], ranks: list[int], pairs: list[Pair]) -> Image.Image:
    """A row per prompt: CLIPDraw's drawing, then one per style, with the place that the judge gave; styles on top."""
    sheet = Image.new("RGB", ((1 + len(styles)) * CELL, (1 + len(plain)) * (CELL + CAPTION)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)

    def put(column: int, row: int, picture: np.ndarray, caption: str, good: bool = False) -> None:
        x, y = column * CELL, row * (CELL + CAPTION)
        sheet.paste(Image.fromarray(picture).resize((CELL, CELL), Image.Resampling.LANCZOS), (x, y))
        pen.text((x + 4, y + CELL + 2), caption, font=font, fill="#1a7f37" if good else "#555555")

    for column, style in enumerate(styles, 1):
        put(column, 0, load_picture(SWATCHES[style]), style)
    for row, (one, rank) in enumerate(zip(plain, ranks, strict=True), 1):
        put(0, row, one.image, f"{one.name}  {rank}", rank == 1)
        for column, pair in enumerate(pairs[(row - 1) * len(styles) : row * len(styles)], 1):
            put(column, row, pair.drawing.image, f"{pair.drawing.name}  {pair.rank}", pair.rank == 1)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="of StyleCLIPDraw")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), help="only the first so many")
    parser.add_argument("--styles", type=int, default=len(STYLES), help="only the first so many")
    parser.add_argument("--strengths", action=argparse.BooleanOptionalAction, default=True, help="the trade-off")
    parser.add_argument("--sheet", type=Path, default=SHEET)
    options = parser.parse_args()
    changes = dict(pair.split("=", 1) for pair in options.set)
    prompts, styles = PROMPTS[: options.prompts], STYLES[: options.styles]

    seconds = step_seconds(changes)
    ratio = seconds["styleclipdraw"] / seconds["clipdraw"]
    print(f"a step: {1 / seconds['styleclipdraw']:.1f} per second, {ratio:.2f} times one of CLIPDraw", flush=True)

    plain = draw_all([Task(prompt, name, {"painter_weight": 0.0}) for prompt, name in prompts], options.processes)
    ranks = judged(plain)
    pairs = measure_pairs(styles, plain, changes, options.processes)
    print(f"\n{'prompt':<16}{'style':<20}{'palette ΔE':>16}{'Gram':>16}{'judge':>7}")
    for pair in pairs:
        palette, gram = f"{pair.palette:.1f} / {pair.plain_palette:.1f}", f"{pair.gram:.2f} / {pair.plain_gram:.2f}"
        print(f"{pair.drawing.prompt:<16}{pair.style:<20}{palette:>16}{gram:>16}{pair.rank:>7}")
    print(json.dumps(summary(pairs)), flush=True)
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(styles, plain, ranks, pairs).save(options.sheet, optimize=True)

    if options.strengths:
        print(f"\n{'strength':>8}{'palette ΔE':>12}{'Gram':>8}{'in five':>9}")
        for strength in STRENGTHS:
            some = measure_pairs(styles[:2], plain[1:3], {**changes, "style_strength": strength}, options.processes)
            row = summary(some)
            print(f"{strength:>8}{row['palette']:>12.1f}{row['gram']:>8.2f}{row['in five']:>9.0%}", flush=True)


if __name__ == "__main__":
    main()
