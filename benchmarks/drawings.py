"""Draw the 60 prompts that were fixed beforehand, at default settings, and let the independent judge name them.

`python -m benchmarks.drawings` prints the table and writes the contact sheet, unselected: what is drawn is shown.
With `--rephrased` the same for 40 prompts in other words than the training's, half of them Korean.
"""

from __future__ import annotations

import argparse
import json
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from engines import ENGINES
from engines.clip._open_clip import open_clip
from engines.clip.encoder import ClipEncoder, load_checkpoint
from engines.zoo import Models
from evaluation.judge import Judge
from training.clip import ASSETS as CLIP
from training.clip import MODEL
from world.subjects import load_subjects

PROMPTS = Path(__file__).with_name("prompts.txt")
REPHRASED = Path(__file__).with_name("prompts_rephrased.txt")
DOCS = Path(__file__).parents[1] / "docs"
CELL, COLUMNS, CAPTION = 128, 10, 18


@dataclass(frozen=True)
class Drawing:
    prompt: str
    name: str
    image: np.ndarray
    seconds: float
    steps: int


def read_prompts(path: Path = PROMPTS) -> list[tuple[str, str]]:
    """(prompt, English name of the subject that it asks for)."""
    return [tuple(line.split("\t")) for line in path.read_text(encoding="utf-8").splitlines()]


@dataclass(frozen=True)
class Task:
    """One drawing to make. changes: settings beside the defaults. weights: another checkpoint of the pocket CLIP."""

    prompt: str
    name: str
    changes: dict
    method: str = "clipdraw"
    weights: Path | None = None


@cache
def _load(weights: Path) -> ClipEncoder:
    open_clip.add_model_config(CLIP / f"{MODEL}.json")
    return load_checkpoint(
        MODEL, weights, device=torch.device("cpu"), sha256="", name=weights.stem, bpe_path=CLIP / "bpe.txt.gz"
    )


def draw(task: Task) -> Drawing:
    torch.set_num_threads(1)
    method = ENGINES[task.method]
    models = Models("pocket", "cpu")
    engine = method(models.override(clip=_load(task.weights)) if task.weights else models)
    started = time.monotonic()
    *_, last = engine.run(method.Settings.parse({"prompt": task.prompt, **task.changes}))
    return Drawing(task.prompt, task.name, last.image, time.monotonic() - started, last.step)


def draw_all(tasks: list[Task], processes: int) -> list[Drawing]:
    """Several at a time, one core each."""
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(draw, tasks))


def judged(drawings: list[Drawing]) -> list[int]:
    """Place of the right name among all pocket names, 1 = first."""
    names = [subject.en for subject in load_subjects()]
    judge = Judge.load()
    return judge.ranks([drawing.image for drawing in drawings], [names.index(drawing.name) for drawing in drawings])


def contact_sheet(drawings: list[Drawing], ranks: list[int]) -> Image.Image:
    """All drawings in their order, each with its prompt and the place at which the judge put the right name."""
    rows = -(-len(drawings) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * CELL, rows * (CELL + CAPTION)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(11)
    for number, (drawing, rank) in enumerate(zip(drawings, ranks, strict=True)):
        x, y = (number % COLUMNS) * CELL, (number // COLUMNS) * (CELL + CAPTION)
        sheet.paste(Image.fromarray(drawing.image).resize((CELL, CELL), Image.Resampling.LANCZOS), (x, y))
        pen.text(
            (x + 4, y + CELL + 2), f"{drawing.name}  {rank}", font=font, fill="#1a7f37" if rank == 1 else "#555555"
        )
    return sheet


def summary(ranks: list[int]) -> dict[str, float]:
    places = np.array(ranks)
    return {"first": float((places == 1).mean()), "in five": float((places <= 5).mean())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--rephrased", action="store_true")
    parser.add_argument("--prompts", type=int, help="only the first so many")
    parser.add_argument("--weights", type=Path, help="of a pocket CLIP, instead of the shipped ones")
    parser.add_argument("--sheet", type=Path)
    options = parser.parse_args()
    changes = dict(pair.split("=", 1) for pair in options.set)
    prompts = read_prompts(REPHRASED if options.rephrased else PROMPTS)[: options.prompts]
    tasks = [Task(prompt, name, changes, weights=options.weights) for prompt, name in prompts]
    drawings = draw_all(tasks, options.processes)
    ranks = judged(drawings)
    for drawing, rank in zip(drawings, ranks, strict=True):
        print(
            f"{drawing.prompt:<28}{rank:>6}   {drawing.seconds:5.1f} s  {drawing.steps / drawing.seconds:5.1f} steps/s"
        )
    print(json.dumps({"drawings": len(ranks), **summary(ranks)}))
    sheet = options.sheet or DOCS / f"clipdraw-{'40' if options.rephrased else '60'}.png"
    sheet.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(drawings, ranks).save(sheet, optimize=True)


if __name__ == "__main__":
    main()
