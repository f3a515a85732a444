"""DreamStyler's ablation with the pocket models: `python -m benchmarks.dreamstyler`.

The styles are HELD_OUT, which the text-to-image model never saw and has no words for: one picture in each, of a subject
that no prompt asks for, is somebody's painting. The ways add up as in the paper's table: ordinary textual inversion, a
vector for each stage, the context told while learning, style and context guidance while painting. Of the pictures of
all prompts in all styles:

* gram: cosine between the Gram matrices of picture and true pictures of the style, of the pocket style network, mean
  over layers;
* palette: sliced Wasserstein-1 distance of their colours in CIE Lab, in ΔE, below which is better;
* first, in five: at which place among all names the independent judge puts what was to be painted.

"true" are other true pictures of the prompts' subjects in the style: no way can be expected to do better.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from benchmarks.drawings import CELL, Drawing, judged
from benchmarks.styles import gram_matrices, palette_distance
from engines.diffusion import DiffusionModel
from engines.dreamstyler.engine import DreamStyler
from engines.dreamstyler.prompts import STYLE_PROMPT
from engines.dreamstyler.settings import DreamStylerSettings
from engines.images import as_pixels
from engines.style import StyleEncoder
from engines.zoo import Models
from world.captioned import HELD_OUT, place
from world.captions import with_article
from world.emoji import sprite_atlas
from world.styles import STYLES, render
from world.subjects import load_subjects

PROMPTS = (
    "red apple", "cat face", "sailboat", "sunflower", "house", "owl", "rocket", "guitar", "snowman", "automobile",
)  # fmt: skip
PAINTED = ("pear", "teapot", "dog face", "tulip", "castle", "penguin", "airplane", "violin", "teddy bear", "bicycle")
"""What the paintings show: one for each style, in this order."""
EXAMPLES = 12
"""True pictures of a style that stand for it."""
SHOWN = 6
"""Styles and prompts on the sheet."""
TRUE = "true"


@dataclass(frozen=True)
class Way:
    """with_context: whether the painting's caption tells what it shows."""

    name: str
    num_stages: int
    with_context: bool = True
    style_scale: float = 0.0
    context_scale: float = 0.0
    guidance_scale: float = 2.0

    @property
    def learns_as(self) -> tuple[int, bool]:
        """What decides the style; guidance comes after."""
        return self.num_stages, self.with_context


TO_STYLE = {"style_scale": 1.2, "context_scale": 0.2, "guidance_scale": 1.3}
TO_CONTEXT = {"style_scale": 0.2, "context_scale": 1.2, "guidance_scale": 1.3}
ABLATION = (
    Way("textual inversion, T = 1", 1, False),
    Way("+ stages, T = 6", 6, False),
    Way("+ context prompt", 6),
    Way("+ guidance to style", 6, **TO_STYLE),
    Way("+ guidance to context", 6, **TO_CONTEXT),
)
"""The sum of the scales is the same in all, so that guidance differs by its direction alone."""
STAGES = tuple(
    Way(f"T = {count}, {told}{guided}", count, bool(told == "context"), **scales)
    for count in (1, 4, 6)
    for told in ("plain", "context")
    for guided, scales in (("", {}), (", guided", TO_STYLE))
)
"""The rows of the sheet: T, with and without context and guidance."""


@dataclass(frozen=True)
class Task:
    """One style, learned as all `ways` want it, and `prompts` painted. folder: of the text-to-image model."""

    style: str
    ways: tuple[Way, ...]
    prompts: tuple[str, ...]
    folder: Path | None
    training_steps: int
    num_steps: int


@dataclass(frozen=True)
class Score:
    gram: float
    palette: float
    first: float
    in_five: float


@dataclass(frozen=True)
class Result:
    """By the name of the way: pictures, (prompts, H, W, 3) uint8, and scores. seconds: of learning a style once."""

    painting: np.ndarray
    pictures: dict[str, np.ndarray]
    scores: dict[str, Score]
    seconds: float


def models_of(folder: Path | None) -> Models:
    """The pocket models, with another text-to-image model if a folder is given."""
    models = Models("pocket", "cpu")
    return models if folder is None else models.override(diffusion=DiffusionModel.load(folder))


# ---------------------------------------------------------------------------------------------- true pictures


class World:
    """Pictures in a style by the renderer of the training, on white."""

    def __init__(self) -> None:
        self._subjects = [subject.en for subject in load_subjects()]
        self._atlas = sprite_atlas(load_subjects())

    def pictures(self, style: str, names: tuple[str, ...], seed: int) -> np.ndarray:
        """(names, 64, 64, 3) uint8: one of each."""
        generator = torch.Generator().manual_seed(seed)
        sprites = self._atlas[[self._subjects.index(name) for name in names]]
        placed = place(sprites, 64, generator)
        named = next(one for one in STYLES if one.en == style)
        return as_pixels(render(placed[:, :3] + 1 - placed[:, 3:], named, generator))

    def examples(self, style: str) -> np.ndarray:
        index = torch.randperm(len(self._subjects), generator=torch.Generator().manual_seed(1))[:EXAMPLES]
        return self.pictures(style, tuple(self._subjects[i] for i in index.tolist()), 2)


# ---------------------------------------------------------------------------------------------- scores


class StyleScore:
    """How near pictures are to true ones of a style."""

    def __init__(self, encoder: StyleEncoder, examples: np.ndarray):
        self._encoder, self._examples = encoder, examples
        grams = [gram_matrices(encoder, picture) for picture in examples]
        self._means = [torch.stack(layer).mean(0) for layer in zip(*grams, strict=True)]

    def gram(self, picture: np.ndarray) -> float:
        """Mean cosine, at most 1."""
        pairs = zip(gram_matrices(self._encoder, picture), self._means, strict=True)
        return float(np.mean([_cosine(own, mean) for own, mean in pairs]))

    def palette(self, picture: np.ndarray) -> float:
        return palette_distance(picture, np.concatenate(self._examples))


def _cosine(one: Tensor, other: Tensor) -> float:
    return torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0).item()


def score(style: StyleScore, pictures: np.ndarray, names: tuple[str, ...]) -> Score:
    drawings = [Drawing(name, name, picture, 0, 0) for name, picture in zip(names, pictures, strict=True)]
    ranks = np.array(judged(drawings))
    return Score(
        float(np.mean([style.gram(picture) for picture in pictures])),
        float(np.mean([style.palette(picture) for picture in pictures])),
        float((ranks == 1).mean()),
        float((ranks <= 5).mean()),
    )


# ---------------------------------------------------------------------------------------------- learning and painting


def prompt_of(name: str) -> str:
    return f"A painting of {with_article(name)} in the style of {{}}"


def learn(models: Models, painting: Path, caption: str, way: Way, steps: int, file: Path) -> float:
    """Write the style of a painting; → seconds."""
    settings = DreamStylerSettings(
        painting_1=str(painting), caption_1=caption, num_stages=way.num_stages, training_steps=steps,
        num_steps=2, preview_every=steps,
    )  # fmt: skip
    engine, started = DreamStyler(models), time.monotonic()
    for _ in engine.run(settings):
        pass
    DreamStyler.write_model(engine.state_dict(), file)
    return time.monotonic() - started


def painted(models: Models, file: Path, way: Way, task: Task) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 of every prompt."""
    for seed, name in enumerate(task.prompts):
        settings = DreamStylerSettings(
            mode="paint", style_file=str(file), prompt=prompt_of(name), num_steps=task.num_steps, seed=seed,
            guidance_scale=way.guidance_scale, style_scale=way.style_scale, context_scale=way.context_scale,
        )  # fmt: skip
        *_, last = DreamStyler(models).run(settings)
        yield last.image


def measure(task: Task) -> Result:
    torch.set_num_threads(1)
    models, world = models_of(task.folder), World()
    shown = PAINTED[HELD_OUT.index(task.style)]
    (painting,) = world.pictures(task.style, (shown,), 0)
    style = StyleScore(models.style_features(), world.examples(task.style))
    pictures, seconds = {TRUE: world.pictures(task.style, task.prompts, 3)}, []
    with tempfile.TemporaryDirectory() as folder:
        Image.fromarray(painting).save(Path(folder) / "painting.png")
        for way in task.ways:
            file = Path(folder) / f"{way.num_stages}-{way.with_context}.safetensors"
            if not file.exists():
                # Not "" without a context: an empty caption would be found by the captioner.
                caption = f"{with_article(shown)} on a white background" if way.with_context else STYLE_PROMPT
                seconds.append(learn(models, Path(folder) / "painting.png", caption, way, task.training_steps, file))
            pictures[way.name] = np.stack(list(painted(models, file, way, task)))
    scores = {name: score(style, made, task.prompts) for name, made in pictures.items()}
    return Result(painting, pictures, scores, float(np.mean(seconds)))


# ---------------------------------------------------------------------------------------------- tables and sheets


def table(ways: tuple[Way, ...], results: list[Result]) -> str:
    lines = [f"{'':<28}{'gram':>8}{'palette':>9}{'first':>8}{'in five':>9}"]
    for name in (*(way.name for way in ways), TRUE):
        scores = [result.scores[name] for result in results]
        mean = Score(*(float(np.mean([getattr(one, field.name) for one in scores])) for field in fields(Score)))
        lines.append(f"{name:<28}{mean.gram:>8.3f}{mean.palette:>9.1f}{mean.first:>8.0%}{mean.in_five:>9.0%}")
    return "\n".join(lines)


def sheet(rows: list[tuple[str, np.ndarray | None, np.ndarray]], columns: tuple[str, ...]) -> Image.Image:
    """A row each: its name, its painting if it has one, and a picture for each of `columns`."""
    margin, line = 110, 18
    width = margin + (1 + len(columns)) * CELL
    picture = Image.new("RGB", (width, line + len(rows) * CELL), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(11)
    for number, name in enumerate(columns, 1):
        pen.text((margin + number * CELL + 4, 3), name, font=font, fill="#555555")
    for row, (name, painting, made) in enumerate(rows):
        top = line + row * CELL
        pen.text((4, top + CELL // 2 - 8), name.replace(", ", "\n"), font=font, fill="#555555")
        for number, one in enumerate([painting, *made]):
            if one is not None:
                resized = Image.fromarray(one).resize((CELL, CELL), Image.Resampling.LANCZOS)
                picture.paste(resized, (margin + number * CELL, top))
    return picture


def measured(styles: list[str], ways: tuple[Way, ...], prompts: tuple[str, ...], options) -> list[Result]:
    tasks = [Task(style, ways, prompts, options.folder, options.training_steps, options.steps) for style in styles]
    with ProcessPoolExecutor(options.processes) as pool:
        return list(pool.map(measure, tasks))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of another text-to-image model than the embedded one")
    parser.add_argument("--styles", nargs="+", choices=HELD_OUT, default=list(HELD_OUT), metavar="STYLE")
    parser.add_argument("--prompts", type=int, default=len(PROMPTS), help="only the first so many")
    defaults = DreamStylerSettings.model_fields
    parser.add_argument("--training-steps", type=int, default=defaults["training_steps"].default)
    parser.add_argument("--steps", type=int, default=12, help="of painting")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--sheets", type=Path, help="folder for dreamstyler-36.png and dreamstyler-ablation.png")
    options = parser.parse_args()
    prompts = PROMPTS[: options.prompts]
    results = measured(options.styles, ABLATION, prompts, options)
    print(f"{len(results)} styles × {len(prompts)} prompts\n\n{table(ABLATION, results)}\n")
    print(f"{np.mean([result.seconds for result in results]):.0f} s to learn a style on one core", flush=True)
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
        pairs = list(zip(options.styles, results, strict=True))[:SHOWN]
        best = "+ context prompt"
        rows = [(style.replace(" ", ", "), r.painting, r.pictures[best][:SHOWN]) for style, r in pairs]
        sheet(rows, prompts[:SHOWN]).save(options.sheets / "dreamstyler-36.png", optimize=True)
        (one,) = measured(options.styles[:1], STAGES, prompts[:SHOWN], options)
        rows = [(way.name, None if row else one.painting, one.pictures[way.name]) for row, way in enumerate(STAGES)]
        sheet(rows, prompts[:SHOWN]).save(options.sheets / "dreamstyler-ablation.png", optimize=True)


if __name__ == "__main__":
    main()
