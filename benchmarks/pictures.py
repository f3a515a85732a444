"""A hundred prompts that were fixed beforehand, two seeds each, by the pocket text-to-image model, unselected.

`python -m benchmarks.pictures` prints three tables and writes the contact sheet of the first seed:

* subjects: at which place among all names the independent judge puts what was to be painted; the 60 plain prompts of
  the drawings, and the 40 in other words than the training's, half of them Korean;
* grounds: how often the rim of "a cat on a red background" has, of all colours with a name, the one asked for;
* styles: how often "a watercolor of a cat" is nearest to its own style of those painted in training, by the Gram
  matrices of the pocket style network; and how often that is so of true pictures, the most that can be expected.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import product
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.drawings import REPHRASED, Drawing, contact_sheet, judged, read_prompts, summary
from benchmarks.styles import gram_matrices
from engines.clip.guidance import KNOWN_WORDS, ClipGuide
from engines.diffusion import PocketDiffusion, sample
from engines.files import ASSETS
from engines.images import as_pixels
from engines.style import StyleEncoder
from engines.zoo import Models
from world.captioned import PAINTED, place
from world.captions import with_article
from world.emoji import sprite_atlas
from world.scenes import COLOURS
from world.styles import STYLES, render
from world.subjects import load_subjects

FOLDER = ASSETS / "diffusion" / "pocket"
SHEET = Path(__file__).parents[1] / "docs" / "pocket-diffusion-100.png"
SEEDS = (1, 2)
AT_ONCE = 20
"""Pictures sampled together."""
NAMES = ("cat", "house", "rocket", "sunflower")
"""What is put on grounds and painted in styles."""
EXAMPLES = 24
"""True pictures of a style whose mean stands for it; half as many others show how well it is told from the rest."""


class Painter:
    """prompts, seed → (prompts, 64, 64, 3) uint8; of each prompt the one of `best_of` pictures that CLIP likes best."""

    def __init__(self, folder: Path, num_steps: int, guidance_scale: float, best_of: int = 1):
        self.model = PocketDiffusion.load(folder)
        self.num_steps, self.guidance_scale, self.best_of = num_steps, guidance_scale, best_of
        self.critic = ClipGuide.load(Models("pocket", "cpu").clip, "")

    def __call__(self, prompts: list[str], seed: int) -> np.ndarray:
        generator = torch.Generator().manual_seed(seed)
        if self.best_of > 1:
            return as_pixels(torch.stack([self._best(prompt, generator) for prompt in prompts]))
        parts = [prompts[start : start + AT_ONCE] for start in range(0, len(prompts), AT_ONCE)]
        pictures = [sample(self.model, part, self.num_steps, self.guidance_scale, generator) for part in parts]
        return as_pixels(torch.cat(pictures))

    def _best(self, prompt: str, generator: torch.Generator) -> Tensor:
        pictures = sample(self.model, [prompt] * self.best_of, self.num_steps, self.guidance_scale, generator)
        shown = self.critic.text_target("prompt", prompt, 1.0, known_words=KNOWN_WORDS)
        return self.critic.favourite(pictures, [shown])


def of_subjects(paint: Painter, prompts: list[tuple[str, str]], seed: int) -> list[Drawing]:
    started = time.monotonic()
    pictures = paint([prompt for prompt, _ in prompts], seed)
    seconds = (time.monotonic() - started) / len(prompts)
    rows = zip(prompts, pictures, strict=True)
    return [Drawing(prompt, name, picture, seconds, paint.num_steps) for (prompt, name), picture in rows]


# ---------------------------------------------------------------------------------------------- grounds and styles


def grounds_right(paint: Painter, seed: int) -> float:
    """Share of right colours; the rim of a picture is a frame of 2 px."""
    asked = list(product(NAMES, range(len(COLOURS))))
    prompts = [f"{with_article(name)} on {with_article(COLOURS[i].en)} background" for name, i in asked]
    palette = np.array([colour.rgb for colour in COLOURS]) * 255
    right = []
    for picture, (_, wanted) in zip(paint(prompts, seed), asked, strict=True):
        inner = np.zeros(picture.shape[:2], bool)
        inner[2:-2, 2:-2] = True
        colour = np.median(picture[~inner], axis=0)
        right.append(np.abs(palette - colour).sum(1).argmin() == wanted)
    return float(np.mean(right))


class StyleExaminer:
    """Knows each style by the mean Gram matrices of true pictures in it."""

    def __init__(self, encoder: StyleEncoder, seed: int):
        self.encoder = encoder
        self.styles = [STYLES[number] for number in PAINTED.tolist()]
        self.generator = torch.Generator().manual_seed(seed)
        self.atlas = sprite_atlas(load_subjects())
        self.means = [self._mean(self.true_pictures(style, EXAMPLES)) for style in self.styles]

    def true_pictures(self, style, count: int) -> np.ndarray:
        """On white, by the renderer of the training."""
        index = torch.randperm(len(self.atlas), generator=self.generator)[:count]
        placed = place(self.atlas[index], 64, self.generator)
        return as_pixels(render(placed[:, :3] + 1 - placed[:, 3:], style, self.generator))

    def nearest(self, picture: np.ndarray) -> int:
        """Place among the styles."""
        grams = gram_matrices(self.encoder, picture)
        distances = [
            sum((own - mean).norm() / mean.norm() for own, mean in zip(grams, m, strict=True)) for m in self.means
        ]
        return int(torch.stack(distances).argmin())

    def _mean(self, pictures: np.ndarray) -> list[Tensor]:
        layers = zip(*[gram_matrices(self.encoder, picture) for picture in pictures], strict=True)
        return [torch.stack(layer).mean(0) for layer in layers]


def styles_right(paint: Painter, seed: int) -> tuple[float, float]:
    """Shares of pictures nearest to their own style: of the model's, and of true ones."""
    examiner = StyleExaminer(Models("pocket", "cpu").style_features(), seed)
    asked = list(product(NAMES, range(len(examiner.styles))))
    prompts = [f"{with_article(examiner.styles[i].en)} of {with_article(name)}" for name, i in asked]
    right = [examiner.nearest(picture) == i for picture, (_, i) in zip(paint(prompts, seed), asked, strict=True)]
    true = [
        examiner.nearest(picture) == i
        for i, style in enumerate(examiner.styles)
        for picture in examiner.true_pictures(style, EXAMPLES // 2)
    ]
    return float(np.mean(right)), float(np.mean(true))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="of the model")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--guidance", type=float, default=2.0)
    parser.add_argument("--best-of", type=int, default=1, help="of so many pictures the one CLIP likes best")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--sheet", type=Path, default=SHEET)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    paint = Painter(options.folder, options.steps, options.guidance, options.best_of)

    plain, rephrased = read_prompts(), read_prompts(REPHRASED)
    drawings = [drawing for seed in SEEDS for drawing in of_subjects(paint, [*plain, *rephrased], seed)]
    ranks = judged(drawings)
    by_seed = np.array(ranks).reshape(len(SEEDS), -1)
    rows = (("plain", by_seed[:, : len(plain)]), ("rephrased", by_seed[:, len(plain) :]), ("all", by_seed))
    for title, places in rows:
        print(json.dumps({"prompts": title, "pictures": places.size, **summary(places.ravel().tolist())}))
    print(json.dumps({"seconds a picture": round(float(np.mean([drawing.seconds for drawing in drawings])), 3)}))
    options.sheet.parent.mkdir(parents=True, exist_ok=True)
    first = len(plain) + len(rephrased)
    contact_sheet(drawings[:first], ranks[:first]).save(options.sheet, optimize=True)

    print(json.dumps({"grounds right": round(grounds_right(paint, SEEDS[0]), 3)}))
    right, true = styles_right(paint, SEEDS[0])
    print(json.dumps({"styles right": round(right, 3), "of true pictures": round(true, 3)}))


if __name__ == "__main__":
    main()
