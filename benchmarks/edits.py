"""Edits of pocket faces, scored by truth meters that no edit is optimised for: `python -m benchmarks.edits`.

Random faces that lack an attribute are edited towards it, by each of StyleCLIP's three methods at its default settings
(directions by α as well). Reached: the share in which the attribute meter then reads what was asked for. Kept: the mean
share of the other attributes that read as before, where they can be seen before and after. Identity: the mean cosine of
the identity network. Writes the sheet of the first faces of each edit, unselected.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from engines import ENGINES
from engines.base import LiveSettings
from engines.images import as_tensor
from engines.zoo import Models
from evaluation.portrait_attributes import load_meter
from world.portrait_edits import EDITS, PortraitEdit
from world.portraits import ATTRIBUTES, Portraits

DOCS = Path(__file__).parents[1] / "docs"
FIRST_SEED = 1000
"""Of the faces. The default alpha and number of channels of the directions were chosen on the first
thirty, the wording of four edits on the first sixteen."""


CELL = 96
"""px of a face on a sheet."""

Pair = tuple[np.ndarray, np.ndarray]
"""A face before and after, (H, W, 3) uint8 each."""


@dataclass(frozen=True)
class Score:
    reached: float
    kept: float
    identity: float
    faces: int
    seconds: float


# ---------------------------------------------------------------------------------------------- reading faces


class Meters:
    def __init__(self) -> None:
        self.attributes = load_meter()
        self.identity = Models("pocket", "cpu").identity()

    def read(self, pictures: list[np.ndarray]) -> Portraits:
        return Portraits(self.attributes.read(as_tensor(np.stack(pictures))), {})

    @torch.no_grad()
    def score(self, edit: PortraitEdit, pairs: list[Pair], seconds: float) -> Score:
        before, after = (self.read([pair[side] for pair in pairs]) for side in (0, 1))
        kept = []
        for name in ATTRIBUTES:
            if name != edit.attribute:
                both = before.visible(name) & after.visible(name)
                kept.append((before.choices[name] == after.choices[name])[both].float().mean())
        faces = [np.stack([pair[side] for pair in pairs]) for side in (0, 1)]
        one, two = (self.identity(as_tensor(side) * 2 - 1) for side in faces)
        return Score(
            after.shows(edit.attribute, edit.goal).mean().item(),
            torch.stack(kept).nanmean().item(),
            (one * two).sum(1).mean().item(),
            len(pairs),
            seconds / len(pairs),
        )

    def seeds_without(self, edit: PortraitEdit, count: int) -> list[int]:
        """The first `count` face numbers that do not show the goal yet, and where the attribute can be seen.

        What can be absent is so before: "with glasses" is not untrue of sunglasses, nor "with a beard" of a moustache.
        """
        from engines.styleclip.face import latent_of_seed, to_pixels

        choices = ATTRIBUTES[edit.attribute]
        starts = ["none"] if "none" in choices else [choice for choice in choices if choice != edit.goal]
        generator, found, first = Models("pocket", "cpu").generator(), [], FIRST_SEED
        while len(found) < count:
            seeds = range(first, first + 50)
            with torch.no_grad():
                pictures = [to_pixels(generator.synthesis(latent_of_seed(generator, seed, 1.0))) for seed in seeds]
            people = self.read(pictures)
            usable = people.visible(edit.attribute) & people.shows(edit.attribute, *starts).bool()
            found += [seed for seed, is_usable in zip(seeds, usable.tolist(), strict=True) if is_usable]
            first += 50
        return found[:count]


# ---------------------------------------------------------------------------------------------- making edits


def follow(method: str, seeds: list[int], **values) -> Iterator[Pair]:
    """An engine that rests, its face number turned from one to the next."""
    engine = ENGINES[method]
    live = LiveSettings(engine.Settings.parse({"seed": seeds[0], **values}))
    frames = engine(Models("pocket", "cpu")).run(live.current, live)
    for seed in seeds:
        live.update(seed=seed)
        frame = next(frame for frame in frames if frame.is_resting)
        yield frame.before, frame.image


def by_directions(edit: PortraitEdit, seeds: list[int], **values) -> list[Pair]:
    return list(follow("styleclip-directions", seeds, prompt=edit.prompt, neutral=edit.neutral, **values))


def by_mapper(edit: PortraitEdit, seeds: list[int], **values) -> list[Pair]:
    return list(follow("styleclip-mapper", seeds, edit=edit.name, **values))


def by_optimisation(edit: PortraitEdit, seeds: list[int], **values) -> list[Pair]:
    pairs, engine = [], ENGINES["styleclip-optimize"]
    for seed in seeds:
        *_, last = engine(Models("pocket", "cpu")).run(
            engine.Settings.parse({"prompt": edit.prompt, "seed": seed, **values})
        )
        pairs.append((last.before, last.image))
    return pairs


WAYS: dict[str, Callable[..., list[Pair]]] = {
    "directions": by_directions,
    "mapper": by_mapper,
    "optimise": by_optimisation,
}


@dataclass(frozen=True)
class Task:
    way: str
    edit: PortraitEdit
    count: int
    values: tuple[tuple[str, object], ...] = ()


def measure(task: Task) -> tuple[Score, list[Pair]]:
    torch.set_num_threads(1)
    meters = Meters()
    seeds = meters.seeds_without(task.edit, task.count)
    started = time.monotonic()
    pairs = WAYS[task.way](task.edit, seeds, **dict(task.values))
    return meters.score(task.edit, pairs, time.monotonic() - started), pairs[:8]


# ---------------------------------------------------------------------------------------------- the table


def sheet(rows: list[tuple[str, list[Pair]]]) -> Image.Image:
    """A row per edit: eight faces before, and below them after."""
    side = CELL
    picture = Image.new("RGB", (90 + 8 * side, len(rows) * (2 * side + 6)), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(15)
    for number, (name, pairs) in enumerate(rows):
        top = number * (2 * side + 6)
        pen.text((6, top + side - 8), name, fill="black", font=font)
        for column, (before, after) in enumerate(pairs):
            for below, face in enumerate((before, after)):
                shown = Image.fromarray(face).resize((side, side), Image.Resampling.LANCZOS)
                picture.paste(shown, (90 + column * side, top + below * side))
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", choices=[*WAYS], default=[*WAYS])
    parser.add_argument("--faces", type=int, default=100)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the engine")
    parser.add_argument("--sheets", type=Path, help="folder for the sheets")
    options = parser.parse_args()
    values = tuple(tuple(pair.split("=", 1)) for pair in options.set)
    for way in options.ways:
        tasks = [Task(way, edit, options.faces, values) for edit in EDITS]
        with ProcessPoolExecutor(options.processes) as pool:
            results = list(pool.map(measure, tasks))
        print(f"\n{way}, {options.faces} faces\n{'edit':<12}{'reached':>9}{'kept':>8}{'identity':>10}{'s/face':>9}")
        rows = [(task.edit.name, score) for task, (score, _) in zip(tasks, results, strict=True)]
        mean = [float(np.mean([getattr(score, key) for _, score in rows])) for key in ("reached", "kept", "identity")]
        rows.append(("mean", Score(*mean, 0, float(np.mean([score.seconds for _, score in rows])))))
        for name, score in rows:
            print(f"{name:<12}{score.reached:>9.0%}{score.kept:>8.0%}{score.identity:>10.2f}{score.seconds:>9.2f}")
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            named = [(task.edit.name, pairs) for task, (_, pairs) in zip(tasks, results, strict=True)]
            sheet(named).save(options.sheets / f"edits-{way}.png", optimize=True)


if __name__ == "__main__":
    main()
