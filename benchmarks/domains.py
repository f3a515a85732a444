"""Domains of the pocket generator, scored by judges that none is optimised for: `python -m benchmarks.domains`.

The generator is adapted to each of PORTRAIT_DOMAINS at the engine's default settings, to manners of painting by three
style pictures and to other beings by words (with `--words` all by words, with `--embedded` as its file has it), and the
same random faces are looked at before and after. Reached: the share in which a judge sees the target;
of another manner of painting the judge of domains among all styles and none, of another being the judge of names among
RIVALS; "before" is the same of the original faces. Variety: the mean distance between two faces in the features of the
judge of names, as a share of the original's. Kept: the mean share of the attributes that the change need not touch that
the attribute meter reads as before, where they can be seen before and after. The same three of the original faces when
the style's own filter repaints them stand beside: judge of names and meter know plain pictures only, and no more can
be asked of an adaptation. With `--ablation` there is a second table, all by words and for the global loss in the
directional one's place.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.edits import Pair, sheet
from engines.images import as_pixels
from engines.styleclip.face import latent_of_seed
from engines.stylegan2 import Generator
from engines.stylegan_nada import descendant, load_domain
from engines.stylegan_nada.settings import DOMAINS
from engines.zoo import Models
from evaluation.domain_judge import MANNERS, DomainJudge
from evaluation.judge import SIZE, Judge
from evaluation.portrait_attributes import load_meter
from training.portrait_domains import PORTRAIT_DOMAINS, PortraitDomain, adapting, settings_for, style_pictures
from world.portraits import ATTRIBUTES, Portraits
from world.styles import STYLES, render
from world.subjects import load_subjects

FIRST_SEED, PSI = 2000, 1.0
"""Of the faces: their numbers, and how far they are from the mean face; 1 as the generator learned."""
RIVALS = (
    "zombie", "robot", "clown face", "cat face", "dog face", "ghost", "skull", "alien", "monkey face",
    "person", "woman", "man", "child", "girl", "boy", "older person", "old woman", "old man", "person beard",
    "person blond hair",
)  # fmt: skip
"""What a face may be."""
GLOBAL_LOSS = (("directional_lambda", 0), ("global_lambda", 1))
SHOWN = 8


@dataclass(frozen=True)
class Score:
    """Shares in [0, 1], but for the variety, which may be above."""

    reached: float
    variety: float
    kept: float


# ---------------------------------------------------------------------------------------------- judging


class Judges:
    """Pictures are (B, 3, H, W) in [0, 1]."""

    def __init__(self) -> None:
        names = [subject.en for subject in load_subjects()]
        self.manners, self.names, self.attributes = DomainJudge.load(), Judge.load(), load_meter()
        self.features = Judge.load()
        self.features.head = nn.Identity()
        self.rivals = torch.tensor([names.index(name) for name in RIVALS])

    def reached(self, domain: PortraitDomain, pictures: Tensor) -> float:
        if domain.kind == "manner":
            seen, target = self.manners.read(pictures), MANNERS.index(domain.shows)
        else:
            seen, target = self.names(_small(pictures))[:, self.rivals].argmax(1), RIVALS.index(domain.shows)
        return (seen == target).float().mean().item()

    def variety(self, pictures: Tensor) -> float:
        return torch.pdist(self.features(_small(pictures))).mean().item()

    def kept(self, domain: PortraitDomain, before: Tensor, after: Tensor) -> float:
        one, two = (Portraits(self.attributes.read(pictures), {}) for pictures in (before, after))
        shares = []
        for name in ATTRIBUTES:
            if name not in domain.touches:
                both = one.visible(name) & two.visible(name)
                shares.append((one.choices[name] == two.choices[name])[both].float().mean())
        return torch.stack(shares).nanmean().item()

    def score(self, domain: PortraitDomain, before: Tensor, after: Tensor) -> Score:
        variety = self.variety(after) / self.variety(before)
        return Score(self.reached(domain, after), variety, self.kept(domain, before, after))


def _small(pictures: Tensor) -> Tensor:
    return F.interpolate(pictures, (SIZE, SIZE), mode="area")


def repainted(domain: PortraitDomain, pictures: Tensor) -> Tensor:
    """The same pictures as the style's own filter paints them."""
    style = next(style for style in STYLES if style.en == domain.shows)
    return render(pictures, style, torch.Generator().manual_seed(FIRST_SEED))


# ---------------------------------------------------------------------------------------------- adapting


@dataclass(frozen=True)
class Task:
    """how: "pictures" for manners of painting, "words" for all, or "embedded"."""

    domain: PortraitDomain
    faces: int
    how: Literal["pictures", "words", "embedded"]
    values: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class Result:
    """truth: of the original faces repainted, where a filter can do that. pairs: the first faces."""

    before: float
    score: Score
    truth: Score | None
    seconds: float
    pairs: list[Pair]


@torch.no_grad()
def faces_of(generator: Generator, count: int) -> Tensor:
    """(count, 3, H, W) in [0, 1]: the faces numbered from FIRST_SEED on."""
    seeds = range(FIRST_SEED, FIRST_SEED + count)
    pictures = torch.cat([generator.synthesis(latent_of_seed(generator, seed, PSI)) for seed in seeds])
    return (pictures / 2 + 0.5).clamp(0, 1)


def adapted(task: Task, models: Models) -> Generator:
    base = models.generator()
    if task.how == "embedded":
        return descendant(base, load_domain(DOMAINS[task.domain.name], base).change)
    with tempfile.TemporaryDirectory() as folder:
        shown = style_pictures(task.domain, base.img_resolution, Path(folder)) if task.how == "pictures" else {}
        *_, training = adapting(models, settings_for(task.domain, **shown, **dict(task.values)))
    return descendant(base, training.change)


def measure(task: Task) -> Result:
    torch.set_num_threads(1)
    models, judges = Models("pocket", "cpu"), Judges()
    started = time.monotonic()
    generator = adapted(task, models)
    seconds = time.monotonic() - started
    before, after = (faces_of(each, task.faces) for each in (models.generator(), generator))
    is_manner = task.domain.kind == "manner"
    return Result(
        judges.reached(task.domain, before),
        judges.score(task.domain, before, after),
        judges.score(task.domain, before, repainted(task.domain, before)) if is_manner else None,
        seconds,
        list(zip(*(as_pixels(pictures[:SHOWN]) for pictures in (before, after)), strict=True)),
    )


# ---------------------------------------------------------------------------------------------- the tables


def table(tasks: list[Task], results: list[Result]) -> str:
    lines = [
        f"{'':<15}{'':>8}{'adapted':>27}{'':>9}{'repainted':>29}",
        f"{'domain':<15}{'before':>8}" + f"{'reached':>9}{'variety':>10}{'kept':>8}{'seconds':>9}"
        f"{'reached':>11}{'variety':>10}{'kept':>8}",
    ]
    for task, result in zip(tasks, results, strict=True):
        line = f"{task.domain.name:<15}{result.before:>8.0%}{_shares(result.score, 9)}{result.seconds:>9.0f}"
        lines.append(line + (_shares(result.truth, 11) if result.truth else ""))
    scores = [result.score for result in results]
    mean = Score(*(float(np.mean([getattr(score, field.name) for score in scores])) for field in fields(Score)))
    return "\n".join([*lines, f"{'mean':<15}{'':>8}{_shares(mean, 9)}"])


def _shares(score: Score, width: int) -> str:
    return f"{score.reached:>{width}.0%}{score.variety:>10.0%}{score.kept:>8.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=[domain.name for domain in PORTRAIT_DOMAINS])
    parser.add_argument("--faces", type=int, default=64)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the engine")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--words", action="store_true", help="all by words")
    how.add_argument("--embedded", action="store_true", help="the domains that are part of the program, as they are")
    parser.add_argument("--ablation", action="store_true", help="the global loss as well")
    parser.add_argument("--sheets", type=Path, help="folder for the sheets")
    options = parser.parse_args()
    chosen = [domain for domain in PORTRAIT_DOMAINS if options.only is None or domain.name in options.only]
    values = tuple(tuple(pair.split("=", 1)) for pair in options.set)
    how = "words" if options.words else "embedded" if options.embedded else "pictures"
    if options.embedded:
        chosen = [domain for domain in chosen if domain.name in DOMAINS]
        if not chosen or values:
            parser.error("--embedded needs embedded domains (python -m training.portrait_domains), and no --set")
    rounds = {how: (how, values)}
    if options.ablation:
        rounds["global"] = ("words", (*values, *GLOBAL_LOSS))
    for made, (how, changed) in rounds.items():
        tasks = [Task(domain, options.faces, how, changed) for domain in chosen]
        with ProcessPoolExecutor(options.processes) as pool:
            results = list(pool.map(measure, tasks))
        print(f"\n{made}, {options.faces} faces\n{table(tasks, results)}", flush=True)
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            rows = [(task.domain.name.replace("-", "\n"), r.pairs) for task, r in zip(tasks, results, strict=True)]
            sheet(rows).save(options.sheets / f"domains-{made}.png", optimize=True)


if __name__ == "__main__":
    main()
