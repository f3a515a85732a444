"""Train the embedded edits of faces: `python -m training.portrait_mappers [--only NAME]`, minutes each on a CPU.

A run of the engine for each of EDITS, as a person would start it, written as fp16 to assets/faces/mappers. A mapper
belongs to the generator and was made with the CLIP and the identity network that assets/ has now: train all of them
anew after any of these.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from engines.files import ASSETS
from engines.styleclip.mapper import mapper_of, save_mapper
from engines.styleclip.mapper.engine import StyleCLIPMapper
from engines.styleclip.mapper.settings import TRAIN, StyleCLIPMapperSettings
from engines.zoo import Models
from world.portrait_edits import EDITS

EXPORT = ASSETS / "faces" / "mappers"
REPORT_EVERY = 25


def train(models: Models, settings: StyleCLIPMapperSettings, path: Path) -> np.ndarray:
    """Run the engine, write its mapper; returns the last sheet, (H, W, 3) uint8."""
    engine = StyleCLIPMapper(models)
    for frame in engine.run(settings):
        if not frame.is_resting:
            sheet = frame.image
        if frame.step % REPORT_EVERY == 0 and frame.losses:
            print(frame.step, {name: round(value, 4) for name, value in frame.losses.items()}, flush=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    training = engine.state_dict()["training"]
    save_mapper(mapper_of(training["mapper"], training["metadata"]), path, half=True)
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=[edit.name for edit in EDITS])
    parser.add_argument("--steps", type=int, default=StyleCLIPMapperSettings.model_fields["num_steps"].default)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="auto")
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/mappers"), help="for sheets to look at")
    parser.add_argument("--export", type=Path, default=EXPORT)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    options.folder.mkdir(parents=True, exist_ok=True)
    models = Models("pocket", options.device)
    for edit in EDITS:
        if options.only in (None, edit.name):
            print(f"{edit.name}: {edit.prompt}", flush=True)
            settings = StyleCLIPMapperSettings(edit=TRAIN, prompt=edit.prompt, num_steps=options.steps)
            sheet = train(models, settings, options.export / f"{edit.name}.safetensors")
            Image.fromarray(sheet).save(options.folder / f"{edit.name}.png")


if __name__ == "__main__":
    main()
