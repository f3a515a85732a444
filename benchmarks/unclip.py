"""unCLIP on the pocket world: `python -m benchmarks.unclip` prints its tables; `--sheets DIR` writes what was made.

* prompts: a hundred that were fixed beforehand, two seeds each, with the diffusion prior, the autoregressive prior, no
  prior (the words' own embedding in the place of a picture's) and the decoder's text pathway alone. First: the share in
  which the independent judge puts the right name first. Variety: the mean distance of the two seeds in its features.
* distance: Fréchet distance in the judge's features (arXiv 1706.08500) between pictures of captions of the world and
  the true pictures; and the mean cosine of the priors' embeddings with those of the true pictures.
* reconstruction: peak signal-to-noise ratio of pictures after DDIM inversion and sampling without noise.
* text differences: portraits that lack an attribute, turned by so much along a difference of words, or of what the
  diffusion prior expects of them. Reached and kept as in `benchmarks.edits`.
* interpolations: pairs of portraits that differ in an attribute. Rising: its probability rises by more than RISE from
  end to end. Monotone: it does so and never falls by more than SLACK on the way.
* time: from the beginning to the first frame of the decoder, and to the enlarged picture.

No sheet is selected: seeds begin at 0, portraits and captions at FIRST_SEED.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from benchmarks.drawings import REPHRASED, Drawing, contact_sheet, judged, read_prompts, summary
from benchmarks.faces import frechet_distance
from engines.base import Frame
from engines.diffusion.process import Predict, spaced_timesteps
from engines.diffusion.walk import Inversion, inversion_timesteps
from engines.images import as_pixels
from engines.unclip.decoder import changing
from engines.unclip.embeddings import interpolate, slerp, text_diff, unit
from engines.unclip.engine import AVERAGED, UnCLIP
from engines.unclip.loading import load_unclip
from engines.unclip.model import OpenClipReader, UnCLIPModel
from engines.unclip.settings import UnCLIPSettings
from engines.unclip.text import TextCondition
from engines.zoo import Models
from evaluation.judge import Judge
from evaluation.portrait_attributes import load_meter
from world.captioned import CaptionedWorld
from world.emoji import sprite_atlas
from world.painter import paint
from world.portrait_edits import EDITS, PortraitEdit
from world.portraits import ATTRIBUTES, Portraits, sample_portraits
from world.subjects import load_subjects

FIRST_SEED = 77_000
"""Of captions and portraits; trainings count theirs from elsewhere."""
SEEDS = (0, 1)
SIZE = 64
FEWEST = 16
"""Pictures of which the world can make all kinds."""
AT_ONCE = 16
"""Pictures made together."""
THETAS = (0.2, 0.3, 0.4, 0.5, 0.6)
STEPS = (25, 50, 100)
"""Of inversion, and of the way back."""
POINTS, RISE, SLACK = 6, 0.5, 0.05
"""Pictures of an interpolation, how much the probability has to rise from end to end, and may fall on the way."""
WAYS = ("diffusion", "autoregressive", "none", "text alone")


# ---------------------------------------------------------------------------------------------- making pictures


def models_of(folder: Path | None) -> Models:
    """The pocket models, with the unCLIP of another folder if one is given."""
    models = Models("pocket", "cpu")
    if folder is None:
        return models
    return models.override(unclip=UnCLIPModel.load(folder, OpenClipReader(models.clip()), "cpu", "pocket-unclip"))


class Painter:
    """Pictures of 64 px of many embeddings or captions at once, by the engine's own stages; values: of settings."""

    def __init__(self, models: Models, values: dict):
        self.models, self.model, self.values = models, load_unclip(models), values
        self.settings = UnCLIPSettings.parse({"prompt": "a cat", **values})
        self.null = self.model.clip.texts([""])

    def embeddings(self, texts: TextCondition, prior: str, seed: int) -> Tensor:
        """(N, d)"""
        if prior == "none":
            return self.model.from_words(texts)
        options = {"guidance_scale": self.settings.prior_scale, "num_candidates": self.settings.num_candidates}
        options["generator"] = torch.Generator().manual_seed(seed)
        if prior == "diffusion":
            *_, last = self.model.prior.sample(texts, self.null, num_steps=self.settings.prior_steps, **options)
        else:
            *_, last = self.model.ar_prior.sample(texts, self.null, **options)
        return last.best()

    @torch.no_grad()
    def of_captions(self, captions: list[str], way: str, seed: int) -> Tensor:
        """(N, 3, 64, 64) in [0, 1]"""
        parts = []
        for start in range(0, len(captions), AT_ONCE):
            texts = self.model.clip.texts(captions[start : start + AT_ONCE])
            if way == "text alone":
                z = self.model.decoder.projections.no_picture(len(texts))
            else:
                z = self.embeddings(texts, way, seed + start)
            parts.append(self.of_embeddings(z, texts, seed + start))
        return torch.cat(parts)

    @torch.no_grad()
    def of_embeddings(self, z: Tensor, texts: TextCondition, seed: int) -> Tensor:
        """(N, d) → (N, 3, 64, 64) in [0, 1]."""
        decoder, now, generator = self.model.decoder, self.settings, torch.Generator().manual_seed(seed)
        scales = {"image_scale": now.guidance_scale, "text_scale": now.text_scale}
        predict = decoder.conditioned(z, texts, self.null, **scales)
        noise, timesteps = torch.randn(len(z), *decoder.shape, generator=generator), spaced_timesteps(now.num_steps)
        *_, last = decoder.diffusion.ddim(predict, noise, timesteps, eta=now.eta, generator=generator)
        return (decoder.pictures(last.sample) / 2 + 0.5).clamp(0, 1)

    @torch.no_grad()
    def inverted(self, z: Tensor, pictures: Tensor) -> Tensor:
        """Embeddings of pictures, (N, 3, H, W) in [0, 1], → x_T."""
        decoder = self.model.decoder
        inversion = Inversion.begun(decoder.diffusion, decoder.samples(pictures * 2 - 1), self.kept_timesteps)
        while not inversion.is_done:
            inversion.step(self.unguided(z))
        return inversion.sample

    @torch.no_grad()
    def of_noise(self, noise: Tensor, z: Tensor, origin: Tensor | None = None) -> Tensor:
        """x_T of pictures, and embeddings, (N, d) → (N, 3, 64, 64) in [0, 1]. origin: what z was changed from."""
        decoder, now, generator = self.model.decoder, self.settings, torch.Generator().manual_seed(0)
        predict = self.unguided(z, now.edit_scale)
        if origin is not None:
            predict = changing(self.unguided, z, origin, now.theta_scale)
        *_, last = decoder.diffusion.ddim(predict, noise, self.kept_timesteps, eta=now.eta, generator=generator)
        return (decoder.pictures(last.sample) / 2 + 0.5).clamp(0, 1)

    def unguided(self, z: Tensor, scale: float = 1.0) -> Predict:
        """Without words; scale: of guidance, 1 is none."""
        return self.model.decoder.conditioned(z, self.null, self.null, image_scale=scale, text_scale=scale)

    @property
    def kept_timesteps(self) -> list[int]:
        return inversion_timesteps(self.model.decoder.diffusion, self.settings.num_steps)

    def seen(self, pictures: Tensor) -> Tensor:
        """(N, 3, 64, 64) in [0, 1] → embeddings."""
        return self.model.clip.encoder.encode_image(pictures)

    def compared(self, prompt: str, base: str, kind: str) -> Tensor:
        """(2, d): what the texts are to CLIP, or what the diffusion prior expects of them, as the engine compares."""
        texts = self.model.clip.texts([prompt, base])
        if kind == "words":
            return texts.embedding
        drawn = self.embeddings(texts.repeated(AVERAGED), "diffusion", 0)
        return unit(drawn.unflatten(0, (-1, AVERAGED)).mean(1))

    def with_settings(self, **values) -> Painter:
        return Painter(self.models, {**self.values, **values})


def rounds(count: int) -> Iterator[slice]:
    for start in range(0, count, AT_ONCE):
        yield slice(start, min(start + AT_ONCE, count))


# ---------------------------------------------------------------------------------------------- words


def of_prompts(painter: Painter, prompts: list[tuple[str, str]], sheets: Path | None) -> None:
    features = feature_network()
    for way in WAYS:
        drawings, seen, started = [], [], time.monotonic()
        for seed in SEEDS:
            pictures = painter.of_captions([prompt for prompt, _ in prompts], way, 1000 * seed)
            seen.append(features(pictures))
            pixels = as_pixels(pictures)
            drawings.append([Drawing(*pair, image, 0.0, 0) for pair, image in zip(prompts, pixels, strict=True)])
        seconds = (time.monotonic() - started) / (len(SEEDS) * len(prompts))
        ranks = judged(sum(drawings, []))
        variety = (seen[0] - seen[1]).norm(dim=1).mean().item()
        row = {"prompts": way, "pictures": len(ranks), **summary(ranks), "variety": round(variety, 3)}
        print(json.dumps({**row, "seconds": round(seconds, 2)}), flush=True)
        if sheets:
            name = f"unclip-prompts-{way.replace(' ', '-')}.png"
            contact_sheet(drawings[0], ranks[: len(prompts)]).save(sheets / name, optimize=True)


def feature_network() -> Callable[[Tensor], Tensor]:
    judge = Judge.load()
    judge.head = torch.nn.Identity()
    return torch.no_grad()(judge)


def captioned(count: int, seed: int = FIRST_SEED) -> tuple[Tensor, list[str]]:
    """Pictures (count, 3, 64, 64) in [0, 1] and their captions, all kinds in their shares."""
    subjects = load_subjects()
    world = CaptionedWorld(subjects, sprite_atlas(subjects), SIZE)
    pictures, captions = world(max(count, FEWEST), torch.Generator().manual_seed(seed), random.Random(seed))
    return pictures[:count], captions[:count]


def distances(painter: Painter, count: int) -> None:
    pictures, captions = captioned(count)
    features, truth = feature_network(), painter.seen(pictures)
    true_features, words = features(pictures), painter.model.clip.texts(captions)
    floor = frechet_distance(true_features, features(captioned(count, FIRST_SEED + 1)[0]))
    print(json.dumps({"distance": "other true pictures", "pictures": count, "frechet": round(floor, 2)}), flush=True)
    for way in WAYS:
        made = painter.of_captions(captions, way, 0)
        row = {"distance": way, "pictures": count, "frechet": round(frechet_distance(true_features, features(made)), 2)}
        if way != "text alone":
            z = painter.embeddings(words, way, 0)
            row["cosine to picture"] = round(F.cosine_similarity(z, truth).mean().item(), 3)
            row["cosine to words"] = round(F.cosine_similarity(z, words.embedding).mean().item(), 3)
        print(json.dumps(row), flush=True)


# ---------------------------------------------------------------------------------------------- pictures


def reconstructions(painter: Painter, count: int) -> None:
    pictures, _ = captioned(count)
    z = painter.seen(pictures)
    for steps in STEPS:
        steady = painter.with_settings(num_steps=steps, eta=0.0, edit_scale=1.0)
        errors = []
        for part in rounds(count):
            noise = steady.inverted(z[part], pictures[part])
            back = steady.of_noise(noise, z[part])
            errors.append((back - pictures[part]).square().mean((1, 2, 3)))
        psnr = -10 * torch.cat(errors).log10()
        row = {"reconstruction": steps, "pictures": count, "psnr": round(psnr.mean().item(), 1)}
        print(json.dumps({**row, "above 25 dB": round((psnr >= 25).float().mean().item(), 3)}), flush=True)


class Portraitist:
    """Portraits that can be read again."""

    def __init__(self) -> None:
        self.meter = load_meter()

    def read(self, pictures: Tensor) -> Portraits:
        return Portraits(self.meter.read(pictures), {})

    def without(self, edit: PortraitEdit, count: int) -> Tensor:
        """(count, 3, 64, 64) in [0, 1]: people who lack the goal, where the attribute can be seen."""
        choices = ATTRIBUTES[edit.attribute]
        starts = ["none"] if "none" in choices else [choice for choice in choices if choice != edit.goal]
        people = sample_portraits(40 * count, torch.Generator().manual_seed(FIRST_SEED))
        pictures = paint(people[people.shows(edit.attribute, *starts).bool()][: 2 * count], SIZE)
        seen = self.read(pictures)
        return pictures[seen.visible(edit.attribute) & seen.shows(edit.attribute, *starts).bool()][:count]

    def score(self, edit: PortraitEdit, before: Tensor, after: Tensor) -> tuple[float, float]:
        """Shares (reached, kept)."""
        one, two = self.read(before), self.read(after)
        kept = []
        for name in ATTRIBUTES:
            if name != edit.attribute:
                both = one.visible(name) & two.visible(name)
                kept.append((one.choices[name] == two.choices[name])[both].float().mean())
        return two.shows(edit.attribute, edit.goal).mean().item(), torch.stack(kept).nanmean().item()

    @torch.no_grad()
    def chance(self, edit: PortraitEdit, pictures: Tensor) -> Tensor:
        """(N,) probability of the goal."""
        place = ATTRIBUTES[edit.attribute].index(edit.goal)
        return self.meter(pictures)[edit.attribute].softmax(1)[:, place]


def differences(painter: Painter, count: int, kind: str) -> None:
    """All attributes at each θ, and each at the θ at which most of them are reached together. kind: of difference."""
    people = Portraitist()
    table: dict[str, list[tuple[float, float]]] = {}
    for edit in EDITS:
        pictures = people.without(edit, count)
        told, base = painter.compared(edit.prompt, edit.neutral, kind).split(1)
        z = painter.seen(pictures)
        noise = torch.cat([painter.inverted(z[part], pictures[part]) for part in rounds(len(z))])
        scores = []
        for theta in THETAS:
            turned = text_diff(z, told.expand_as(z), base.expand_as(z), theta)
            made = torch.cat([painter.of_noise(noise[p], turned[p], z[p]) for p in rounds(len(z))])
            scores.append(people.score(edit, pictures, made))
        table[edit.name] = scores
    means = np.array(list(table.values())).mean(0)
    for theta, (reached, kept) in zip(THETAS, means, strict=True):
        row = {"text differences": theta, "between": kind, "faces": count * len(EDITS)}
        print(json.dumps({**row, "reached": round(reached, 3), "kept": round(kept, 3)}), flush=True)
    best = int(means[:, 0].argmax())
    for name, scores in table.items():
        reached, kept = scores[best]
        row = {"text difference": name, "between": kind, "theta": THETAS[best]}
        print(json.dumps({**row, "reached": round(reached, 3), "kept": round(kept, 3)}), flush=True)


def interpolations(painter: Painter, count: int) -> None:
    """Each portrait and the same one with the goal, in `count` pairs for each attribute."""
    people, shares = Portraitist(), []
    for edit in EDITS:
        choices = sample_portraits(40 * count, torch.Generator().manual_seed(FIRST_SEED))
        choices = choices[~choices.shows(edit.attribute, edit.goal).bool()][:count]
        goal = choices.changed(**{edit.attribute.replace(" ", "_").replace("-", "_"): edit.goal})
        ends = [paint(side, SIZE) for side in (choices, goal)]
        z = [painter.seen(end) for end in ends]
        noise = [painter.inverted(one, end) for one, end in zip(z, ends, strict=True)]
        chances = []
        for theta in torch.linspace(0, 1, POINTS).tolist():
            made = painter.of_noise(slerp(*noise, theta), interpolate(*z, theta))
            chances.append(people.chance(edit, made))
        way = torch.stack(chances)
        rises = way[-1] - way[0] > RISE
        shares.append(torch.stack([rises, rises & (way.diff(dim=0) >= -SLACK).all(0)], 1).float())
    for name, share in [("all", torch.cat(shares)), *zip([edit.name for edit in EDITS], shares, strict=True)]:
        rising, monotone = share.mean(0).tolist()
        row = {"interpolation": name, "pairs": len(share), "rising": round(rising, 3), "monotone": round(monotone, 3)}
        print(json.dumps(row), flush=True)


# ---------------------------------------------------------------------------------------------- the engine


def frames_of(models: Models, **values) -> Iterator[Frame]:
    yield from UnCLIP(models).run(UnCLIPSettings.parse(values))


def timing(models: Models) -> None:
    """With models that are loaded; one picture."""
    list(frames_of(models, prompt="a house", num_pictures=1, num_steps=2, prior_steps=2))
    started, first = time.monotonic(), 0.0
    for frame in frames_of(models, prompt="a cat", num_pictures=1):
        frame.image  # noqa: B018  somebody looks
        first = first or (time.monotonic() - started if frame.step else 0.0)
    whole = time.monotonic() - started
    print(json.dumps({"first frame": round(first, 2), "picture": round(whole, 2)}), flush=True)


def sheets_of(models: Models, folder: Path) -> None:
    """What the engine shows at its default settings, of each task with the first picture or prompt there is."""
    pictures, _ = captioned(8)
    people = paint(sample_portraits(2, torch.Generator().manual_seed(FIRST_SEED)), SIZE)
    with tempfile.TemporaryDirectory() as place:
        files = {}
        for name, tensor in {"thing": pictures[0], "one": people[0], "other": people[1]}.items():
            files[name] = str(Path(place) / f"{name}.png")
            Image.fromarray(as_pixels(tensor)).save(files[name])
        tasks = {
            "generate": {"prompt": "a red apple", "num_pictures": 8},
            "priors": {"prompt": "a red apple", "prior": "compare", "num_pictures": 8},
            "mixture": {"prompt": "a cat face", "second_prompt": "a sunflower", "num_pictures": 8},
            "variations": {"operation": "variations", "picture_1": files["thing"], "num_pictures": 8, "eta": 0.6},
            "interpolate": {"operation": "interpolate", "picture_1": files["one"], "picture_2": files["other"],
                            "num_pictures": 8},
            "textdiff": {"operation": "textdiff", "picture_1": files["one"], "prompt": "face with glasses",
                         "base_prompt": "face", "num_pictures": 8},
            "pca": {"operation": "pca", "picture_1": files["thing"]},
            "probe": {"operation": "probe", "picture_1": files["thing"], "num_pictures": 8},
        }  # fmt: skip
        for name, values in tasks.items():
            *_, last = frames_of(models, **values)
            rows = [last.image] if last.before is None else [last.before[: last.image.shape[0]], last.image]
            Image.fromarray(np.concatenate(rows)).save(folder / f"unclip-{name}.png", optimize=True)
            print(json.dumps({"sheet": f"unclip-{name}.png", "told": last.status}), flush=True)


PARTS = ("prompts", "distances", "reconstructions", "differences", "interpolations", "time")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="of an unCLIP, instead of the shipped one")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--prompts", type=int, help="only the first so many of either list")
    parser.add_argument("--pictures", type=int, default=500, help="captions of the world")
    parser.add_argument("--reconstructed", type=int, default=64)
    parser.add_argument("--faces", type=int, default=10, help="for each of the attributes")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a setting of the engine")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--sheets", type=Path, metavar="DIR", help="write sheets of every task, unselected")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    models = models_of(options.folder)
    painter = Painter(models, dict(pair.split("=", 1) for pair in options.set))
    if options.sheets:
        options.sheets.mkdir(parents=True, exist_ok=True)
    prompts = [*read_prompts()[: options.prompts], *read_prompts(REPHRASED)[: options.prompts]]
    parts: dict[str, Callable[[], object]] = {
        "prompts": lambda: of_prompts(painter, prompts, options.sheets),
        "distances": lambda: distances(painter, options.pictures),
        "reconstructions": lambda: reconstructions(painter, options.reconstructed),
        "differences": lambda: [differences(painter, options.faces, kind) for kind in ("words", "prior")],
        "interpolations": lambda: interpolations(painter, options.faces),
        "time": lambda: timing(models),
    }
    for name in options.only:
        parts[name]()
    if options.sheets:
        sheets_of(models, options.sheets)


if __name__ == "__main__":
    main()
