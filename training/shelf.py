"""Learn the styles that are part of the program: `python -m training.shelf [--only NAME]`, minutes each on a CPU.

A run of the engine at its default settings for each of LEARNED, from the swatch of that name and what it shows, written
to assets/diffusion/styles. The vectors are words of the pocket text-to-image model that assets/ has now: learn all of
them anew after it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from engines.dreamstyler.engine import DreamStyler
from engines.dreamstyler.settings import DreamStylerSettings
from engines.files import ASSETS
from engines.style import SWATCHES
from engines.zoo import Models

EXPORT = ASSETS / "diffusion" / "styles"
LEARNED = {
    "mosaic": "a fish in a round frame",
    "stained-glass": "the sun above hills, a river and flowers",
    "ink-wash": "mountains, a tree, a boat and a red sun",
    "ukiyo-e": "a big wave before a mountain",
    "impasto": "a village under a starry sky",
}
"""Swatch → everything in it that is not style."""
SHOWN = ("a cat", "a house", "a sunflower", "a rocket")
REPORT_EVERY = 25


def learn(models: Models, name: str, steps: int, path: Path) -> None:
    """Write the style of a swatch."""
    settings = DreamStylerSettings(
        painting_1=str(SWATCHES[name]), caption_1=LEARNED[name], placeholder=f"<{name}>", training_steps=steps,
        preview_every=1000,
    )  # fmt: skip
    engine = DreamStyler(models)
    for frame in engine.run(settings):
        if frame.step % REPORT_EVERY == 0 and frame.losses:
            print(frame.step, {term: round(value, 4) for term, value in frame.losses.items()}, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    DreamStyler.write_model(engine.state_dict(), path)


def sheet(models: Models, path: Path) -> Image.Image:
    """SHOWN in the style, side by side."""
    made = []
    for name in SHOWN:
        prompt = f"A painting of {name} in the style of {{}}"
        settings = DreamStylerSettings(mode="paint", style_file=str(path), prompt=prompt)
        *_, last = DreamStyler(models).run(settings)
        made.append(last.image)
    return Image.fromarray(np.concatenate(made, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=LEARNED)
    parser.add_argument("--steps", type=int, default=DreamStylerSettings.model_fields["training_steps"].default)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/shelf"), help="for sheets to look at")
    parser.add_argument("--export", type=Path, default=EXPORT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    models = Models("pocket", options.device)
    for name in LEARNED:
        if options.only in (None, name):
            print(f"{name}: {LEARNED[name]}", flush=True)
            path = options.export / f"{name}.safetensors"
            learn(models, name, options.steps, path)
            sheet(models, path).save(options.folder / f"{name}.png")


if __name__ == "__main__":
    main()
