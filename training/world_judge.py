"""Train the judge of the world (`evaluation/world_judge.py`): `python -m training.world_judge` (resumes by itself).

Three fifths of a batch are single drawings, the others scenes of two or three. Loss: the cross entropy of the concept
with label smoothing on single drawings, binary cross entropy of presence on all, cross entropy of the artist. Its
pictures are made its own way: wavy warps, mixed colour channels, outlines, posterised colours, erased parts.

`--without ARTIST …` leaves artists out and reports how the judge names their pictures; several such runs say how far
the one that has seen all can be trusted.
"""

from __future__ import annotations

import json
from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluation.world_judge import SIZE, WorldJudge, average_precision, leave_one_out
from training.judge import each, erase, wavy_grid
from training.loop import Resumable, descend, make_parser, read_options, train
from training.schedule import average_decay, learning_rate
from training.weights import save_weights, update_average
from world.artists.fetch import cache_folder
from world.collection import Collection, open_collection
from world.emoji import backgrounds, uniform_of

BATCH, SCENES = 160, 64
"""Pictures in a batch, and those of them that are scenes."""
MOST = 3
"""Things in a scene at most."""
PEAK_LR, WEIGHT_DECAY, WARM_UP, LAST, EMA = 2e-3, 0.03, 0.03, 0.01, 0.998
SMOOTHING = 0.1
PRESENCE, ARTIST = 20.0, 0.2
"""Weights of the two other losses; that of presence is a mean over thousands of classes."""
SUBJECTS = 1327
"""Concepts with an emoji and a Noto picture, the first of the list: figures are given among them, too."""


class JudgeTrainer(Resumable):
    """collection: with sprites of SIZE px. without: artists that are left out."""

    kept = ("judge", "average", "optimizer")

    def __init__(self, collection: Collection, batches: int, seed: int, without: tuple[str, ...] = ()):
        super().__init__(batches, seed, "cpu")
        self.collection = collection
        self.places = collection.training_places(test_artists=True, without=without)
        judge = WorldJudge(len(collection.concepts), len(collection.artists))
        self.judge = judge.to(memory_format=torch.channels_last).train()
        self.average = deepcopy(judge).eval().requires_grad_(False)
        self.optimizer = torch.optim.AdamW(judge.parameters(), lr=PEAK_LR, weight_decay=WEIGHT_DECAY, fused=True)

    def step(self) -> dict[str, float]:
        """Loss, and the share of single drawings that are named right."""
        generator, _ = self.chances()
        singles = _draw(self.places, BATCH - SCENES, generator)
        pictures = compose(self._sprites(singles), generator)
        scenes, shown = self._scenes(SCENES, self.places, generator)
        concept, artist = self.collection.concept[singles], self.collection.artist[singles]
        present = torch.cat([F.one_hot(concept, len(self.collection.concepts)).float(), shown])
        with torch.autocast("cpu", torch.bfloat16):
            verdict = self.judge(torch.cat([pictures, scenes]))
        logits = verdict.concept[: len(singles)].float()
        naming = F.cross_entropy(logits, concept, label_smoothing=SMOOTHING)
        presence = F.binary_cross_entropy_with_logits(verdict.presence.float(), present)
        drawing = F.cross_entropy(verdict.artist[: len(singles)].float(), artist)
        rate = learning_rate(PEAK_LR, self.batch / self.batches, WARM_UP, last=LAST)
        descend(naming + PRESENCE * presence + ARTIST * drawing, self.optimizer, rate, self.judge, max_norm=5.0)
        update_average(self.average, self.judge, average_decay(EMA, self.batch))
        self.batch += 1
        right = (logits.argmax(1) == concept).float().mean().item()
        return {"naming": naming.item(), "presence": presence.item(), "artist": drawing.item(), "right": right}

    def _sprites(self, places: Tensor) -> Tensor:
        return self.collection.sprites[places].float() / 255

    def _scenes(self, count: int, among: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(count, 3, SIZE, SIZE) of two or three things each, and (count, concepts) what is in them."""
        places = _draw(among, count * MOST, generator)
        number = torch.randint(2, MOST + 1, (count,), generator=generator)
        drawn = torch.arange(MOST) < number[:, None]
        pictures = compose_scenes(self._sprites(places).view(count, MOST, 4, SIZE, SIZE), drawn, generator)
        concepts = self.collection.concept[places].view(count, MOST)
        shown = torch.zeros(count, len(self.collection.concepts))
        shown.scatter_add_(1, concepts, drawn.float())
        return pictures, shown.clamp(max=1)

    @torch.no_grad()
    def presence_precision(self, batches: int = 4) -> float:
        """Average precision of presence in scenes of drawings that were kept back."""
        kept_back = self.collection.places(lambda row, back: back and not row.colour)
        generator = torch.Generator().manual_seed(987_654_321)
        scenes = [self._scenes(SCENES, kept_back, generator) for _ in range(batches)]
        pictures, shown = (torch.cat(parts) for parts in zip(*scenes, strict=True))
        return average_precision(self.average.presences(pictures), shown > 0)


def _draw(places: Tensor, count: int, generator: torch.Generator) -> Tensor:
    return places[torch.randint(len(places), (count,), generator=generator)]


# ---------------------------------------------------------------------------------------------- its own pictures


def compose(sprites: Tensor, generator: torch.Generator) -> Tensor:
    """Premultiplied sprites (B, 4, S, S) → training pictures (B, 3, S, S)."""
    uniform = uniform_of(len(sprites), generator)
    placed = F.grid_sample(sprites, wavy_grid(len(sprites), uniform), align_corners=False)
    return _finish(change_colours(placed, uniform), uniform, generator)


def compose_scenes(sprites: Tensor, drawn: Tensor, generator: torch.Generator) -> Tensor:
    """Premultiplied sprites (B, n, 4, S, S) side by side, where `drawn` (B, n) says so → (B, 3, S, S)."""
    count, most = drawn.shape
    uniform = uniform_of(count, generator)
    layers = sprites.new_zeros(count, 4, SIZE, SIZE)
    turn = uniform(0, 2 * torch.pi)
    for number in range(most):
        scale = uniform(0.4, 0.68)
        angle = turn + number * 2 * torch.pi / drawn.sum(1).clamp_min(1) + uniform(-0.3, 0.3)
        spread = 1.05 - scale
        across, down = angle.cos() * spread, angle.sin() * spread
        zero = torch.zeros_like(scale)
        theta = torch.stack(
            [torch.stack([1 / scale, zero, -across / scale], 1), torch.stack([zero, 1 / scale, -down / scale], 1)], 1
        )
        grid = F.affine_grid(theta, (count, 4, SIZE, SIZE), align_corners=False)
        thing = F.grid_sample(sprites[:, number], grid, align_corners=False) * drawn[:, number, None, None, None]
        layers = thing + layers * (1 - thing[:, 3:])
    return _finish(layers, uniform, generator)


def change_colours(sprites: Tensor, uniform) -> Tensor:
    """A third with their channels mixed, one in seven grey or inverted, one in five as outlines."""
    rgb, alpha = sprites[:, :3], sprites[:, 3:]
    lot = uniform(0, 1)
    mixing = torch.softmax(uniform(-1, 1, 3, 3) * 3, dim=2)
    mixed = torch.einsum("bij,bjhw->bihw", mixing, rgb)
    grey = rgb.mean(1, keepdim=True).expand_as(rgb)
    rgb = torch.where(each(lot < 0.33), mixed, rgb)
    rgb = torch.where(each((lot > 0.33) & (lot < 0.43)), grey, rgb)
    rgb = torch.where(each((lot > 0.43) & (lot < 0.47)), alpha - rgb, rgb)
    return torch.where(
        each(uniform(0, 1) < 0.2), outlined(torch.cat([rgb, alpha], 1), uniform), torch.cat([rgb, alpha], 1)
    )


def outlined(sprites: Tensor, uniform) -> Tensor:
    """Dark lines where colour or alpha changes, over a paler or no filling."""
    wide = F.max_pool2d(sprites, 3, 1, 1) + F.max_pool2d(-sprites, 3, 1, 1)
    ink = (wide.amax(1, keepdim=True) * uniform(2, 5, 1, 1, 1) - 0.4).clamp(0, 1)
    left = torch.where(each(uniform(0, 1) < 0.5), uniform(0.3, 1, 1, 1, 1), torch.zeros_like(ink[:, :, :1, :1]))
    paper = sprites[:, 3:] * uniform(0.8, 1, 1, 1, 1)
    filling = torch.lerp(paper.expand(-1, 3, -1, -1), sprites[:, :3], left)
    alpha = torch.maximum(ink, sprites[:, 3:])
    return torch.cat([filling * (1 - ink) + ink * uniform(0, 0.15, 3, 1, 1), alpha], 1)


def _finish(layers: Tensor, uniform, generator: torch.Generator) -> Tensor:
    """Paper or a ground behind, posterised colours, an erased part, exposure."""
    rgb, alpha = layers[:, :3], layers[:, 3:]
    levels = uniform(2, 8, 1, 1, 1).round()
    rgb = torch.where(each(uniform(0, 1) < 0.15), (rgb * levels).round() / levels, rgb)
    ground = backgrounds(len(rgb), SIZE, generator)
    ground = torch.where(each(uniform(0, 1) < 0.4), torch.ones_like(ground), ground)
    picture = erase(rgb + (1 - alpha) * ground, uniform)
    blurred = F.avg_pool2d(picture, 3, 1, 1, count_include_pad=False)
    picture = torch.where(each(uniform(0, 1) < 0.2), blurred, picture)
    return (picture * uniform(0.75, 1.15, 3, 1, 1) + uniform(-0.1, 0.1, 1, 1, 1)).clamp(0, 1)


# ---------------------------------------------------------------------------------------------- command


def main() -> None:
    folder = cache_folder().parent / "training" / "world-judge"
    parser = make_parser(__doc__, batches=4000, seed=5, folder=folder, export=folder / "judge.safetensors")
    parser.add_argument("--without", nargs="*", default=[], metavar="ARTIST", help="artists to leave out")
    options = read_options(parser)
    collection = open_collection(SIZE)
    trainer = JudgeTrainer(collection, options.batches, options.seed, tuple(options.without))
    print(f"{len(trainer.places):,} pictures, {len(collection.concepts):,} concepts", flush=True)
    train(trainer, options.folder / "last.pt", every=50)
    save_weights(trainer.average, options.export)
    print(json.dumps(report(trainer, tuple(options.without))))


def report(trainer: JudgeTrainer, artists: tuple[str, ...]) -> dict[str, dict[str, float] | float]:
    """How the averaged judge names the artists that it has not seen, and its average precision for scenes."""
    figures: dict = {
        f"{artist} among {names or 'all'}": leave_one_out(trainer.average, trainer.collection, artist, names)
        for artist in artists
        for names in (SUBJECTS, None)
    }
    return figures | {"presence": trainer.presence_precision()}


if __name__ == "__main__":
    main()
