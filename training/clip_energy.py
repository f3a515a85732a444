"""Second stage of the pocket CLIP: `python -m training.clip_energy` teaches it to give no credit for its own scribbles.

CLIP-JEM (arXiv 2408.17046) trains a tower to score a real picture above a negative that was optimised, by the tower's
own gradient, to match the same caption. Here the negatives are what this studio draws: stroke scenes, improved by a few
steps of a small CLIPDraw each time they are used and begun anew when they are old. The tower so learns exactly where
strokes cheat. Only the image tower is trained; every text stays where it is.

Per batch: pictures → names over all names (English and Korean), names → pictures with the drawings as further
negatives, ½ softplus(20 (drawing − picture) + 2) of the cosines with the name, then one adversarial pass.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engines.clip._open_clip import open_clip
from engines.clip.augment import apply_views, random_views
from engines.clip.guidance import SCALE, certainties
from engines.vector import Scene, composite, rasterize
from training.clip import ASSETS, MEAN, MODEL, STD, ascend, make_composer, name_embeddings, retrieval
from training.weights import load_weights, save_weights
from training.worlds.subjects import load_subjects

BATCH, DRAWN = 120, 40
"""Pictures of a batch, and how many of them also have a drawing."""
POOL = 160
"""Drawings under way; each is used in every fourth batch."""
DRAW_STEPS, VISITS = 3, 25
"""Steps of a drawing per visit, and visits until it is begun anew under another name."""
STROKES, CANVAS = 20, 80.0
RATES = {"points": 0.7, "widths": 0.1, "colors": 0.06}
PEAK_LR, WEIGHT_DECAY, EMA = 4e-4, 0.02, 0.998
SCALE_UP = 40.0
"""Inverse temperature of the training's own softmaxes."""


class Drawings:
    """A pool of small CLIPDraw runs. Parameters and Adam moments are dense: (POOL, STROKES, …)."""

    def __init__(self, subjects: int, generator: torch.Generator):
        self.subjects, self.generator = subjects, generator
        shapes = {"points": (STROKES, 7, 2), "widths": (STROKES,), "colors": (STROKES, 4)}
        self.values = {name: torch.zeros(POOL, *shape) for name, shape in shapes.items()}
        self.first = {name: torch.zeros_like(value) for name, value in self.values.items()}
        self.second = {name: torch.zeros_like(value) for name, value in self.values.items()}
        self.age = torch.zeros(POOL)
        self.names = torch.zeros(POOL, dtype=torch.long)
        points = [torch.zeros(7, 2)] * STROKES
        self.template = Scene.from_paths(
            points, [[2, 2]] * STROKES, torch.ones(STROKES), torch.zeros(STROKES, 4), CANVAS, CANVAS
        )
        for slot in range(POOL):
            self._begin(slot)

    def _begin(self, slot: int) -> None:
        def uniform(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=self.generator)

        steps = (uniform(STROKES, 6, 2) - 0.5) * 0.14 * CANVAS
        start = uniform(STROKES, 1, 2) * CANVAS
        self.values["points"][slot] = torch.cat([start, start + steps.cumsum(1)], dim=1)
        self.values["widths"][slot] = 0.8 + 1.6 * uniform(STROKES)
        self.values["colors"][slot] = uniform(STROKES, 4)
        for moments in (self.first, self.second):
            for tensor in moments.values():
                tensor[slot] = 0
        self.age[slot] = 0
        self.names[slot] = torch.randint(self.subjects, (1,), generator=self.generator)

    def draw(self, slots: Tensor, values: dict[str, Tensor]) -> Tensor:
        """(slots, 3, 64, 64): one random view of each on white or a plain colour."""
        scenes = [
            self.template.replace(points=points.flatten(0, 1), widths=widths, colors=colors)
            for points, widths, colors in zip(values["points"], values["widths"], values["colors"], strict=True)
        ]
        views = random_views(len(slots), self.generator, distortion=0.3, scale=(0.7, 1.0))
        return composite(apply_views(rasterize(scenes), views, 64), torch.ones(3))

    def improve(self, slots: Tensor, encode, wanted: Tensor, names: Tensor) -> None:
        """A few Adam steps towards the names, by the objective of the engine."""
        for _ in range(DRAW_STEPS):
            values = {name: value[slots].requires_grad_(True) for name, value in self.values.items()}
            features = encode(self.draw(slots, values))
            cosine = (features * wanted).sum(1)
            certainty = certainties(features, wanted, names).diagonal()
            (-(cosine + certainty).sum()).backward()
            self.age[slots] += 1
            for name, value in values.items():
                self._adam(name, slots, value.grad)

    @torch.no_grad()
    def _adam(self, name: str, slots: Tensor, gradient: Tensor) -> None:
        age = self.age[slots].view(-1, *[1] * (gradient.ndim - 1))
        first = self.first[name][slots] * 0.9 + gradient * 0.1
        second = self.second[name][slots] * 0.99 + gradient.square() * 0.01
        self.first[name][slots], self.second[name][slots] = first, second
        move = (first / (1 - 0.9**age)) / ((second / (1 - 0.99**age)).sqrt() + 1e-8)
        value = self.values[name][slots] - RATES[name] * move
        limits = {"points": (-20, CANVAS + 20), "widths": (0.3, 6.0), "colors": (0, 1)}[name]
        self.values[name][slots] = value.clamp(*limits)

    def renew(self, slots: Tensor) -> None:
        for slot in slots.tolist():
            if self.age[slot] >= DRAW_STEPS * VISITS or torch.rand((), generator=self.generator) < 0.02:
                self._begin(slot)


class EnergyTrainer:
    def __init__(self, batches: int, seed: int, start: Path):
        torch.manual_seed(seed)
        self.batches, self.seed, self.batch = batches, seed, 0
        self.subjects = load_subjects()
        self.composer = make_composer(self.subjects)
        open_clip.add_model_config(ASSETS / f"{MODEL}.json")
        self.model = open_clip.create_model(MODEL)
        self.model.load_state_dict(load_weights(start))
        self.model.requires_grad_(False).visual.requires_grad_(True)
        self.model.visual.to(memory_format=torch.channels_last)
        self.tokenizer = open_clip.get_tokenizer(MODEL, bpe_path=str(ASSETS / "bpe.txt.gz"))
        self.names = name_embeddings(self.model.eval(), self.tokenizer, self.subjects)
        self.average = deepcopy(self.model).eval()
        self.optimizer = torch.optim.AdamW(
            self.model.visual.parameters(), lr=PEAK_LR, weight_decay=WEIGHT_DECAY, betas=(0.9, 0.98), fused=True
        )
        self.generator = torch.Generator().manual_seed(seed)
        self.drawings = Drawings(len(self.subjects), self.generator)

    def step(self) -> dict[str, float]:
        slots = torch.arange(DRAWN) + DRAWN * (self.batch % (POOL // DRAWN))
        own = self.drawings.names[slots]
        language = torch.randint(2, (BATCH,), generator=self.generator)
        others = torch.randperm(len(self.subjects), generator=self.generator)
        index = torch.cat([own, others[~torch.isin(others, own)][: BATCH - DRAWN]])
        text = self.names[language, index]

        self.model.eval()
        self.drawings.improve(slots, self._encode, text[:DRAWN], self.names[0])
        with torch.no_grad():
            drawn = self.drawings.draw(slots, {name: value[slots] for name, value in self.drawings.values.items()})
        self.model.train()

        pictures = self.composer(index, self.generator, guises=self.batch % 4 == 0).requires_grad_(True)
        features = self._encode(torch.cat([pictures, drawn]))
        real, cheats = features[:BATCH], features[BATCH:]
        to_picture = text @ features.T
        # a name that stands twice in the batch must not be its own negative
        same = torch.cat([index, own]) == index[:, None]
        same[:, :BATCH] &= ~torch.eye(BATCH, dtype=torch.bool)
        same[:DRAWN, BATCH:] &= ~torch.eye(DRAWN, dtype=torch.bool)
        by_name = F.cross_entropy((SCALE_UP * to_picture).masked_fill(same, -1e4), torch.arange(BATCH))
        gap = (cheats * text[:DRAWN]).sum(1) - (real[:DRAWN] * text[:DRAWN]).sum(1)
        energy = 0.5 * F.softplus(SCALE * gap + 2).mean()
        naming, accuracy = self._naming(real, index)
        self._descend(naming + by_name + energy)

        delta = self._perturbation(pictures)
        attacked, robust_accuracy = self._naming(self._encode((pictures.detach() + delta).clamp(0, 1)), index)
        self._descend(attacked)
        self.drawings.renew(slots)
        self.batch += 1
        return {
            "naming": naming.item(), "attacked": attacked.item(), "energy": energy.item(), "accuracy": accuracy,
            "robust": robust_accuracy, "real": (real * text).sum(1).mean().item(),
            "drawn": (cheats * text[:DRAWN]).sum(1).mean().item(),
        }  # fmt: skip

    def _encode(self, pictures: Tensor) -> Tensor:
        normalized = (pictures - MEAN.view(1, 3, 1, 1)) / STD.view(1, 3, 1, 1)
        with torch.autocast("cpu", torch.bfloat16):
            features = self.model.visual(normalized.contiguous(memory_format=torch.channels_last))
        return F.normalize(features.float(), dim=-1)

    def _naming(self, features: Tensor, index: Tensor) -> tuple[Tensor, float]:
        scores = SCALE_UP * torch.einsum("bd,lnd->lbn", features, self.names)
        loss = (F.cross_entropy(scores[0], index) + F.cross_entropy(scores[1], index)) / 2
        return loss, (scores[0].argmax(1) == index).float().mean().item()

    def _perturbation(self, pictures: Tensor) -> Tensor:
        share = torch.rand(len(pictures), 1, 1, 1, generator=self.generator) * 0.7 + 0.3
        uses_linf = torch.rand(len(pictures), 1, 1, 1, generator=self.generator) < 0.5
        return ascend(torch.zeros_like(pictures), pictures.grad, share, uses_linf)

    def _descend(self, loss: Tensor) -> None:
        progress = self.batch / self.batches
        for group in self.optimizer.param_groups:
            group["lr"] = (
                PEAK_LR * min(1, progress / 0.03 + 0.01) * (0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2)
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.visual.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            states = self.average.visual.state_dict().values(), self.model.visual.state_dict().values()
            for slow, fast in zip(*states, strict=True):
                slow.lerp_(fast, 1 - EMA) if slow.is_floating_point() else slow.copy_(fast)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=700)
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--start", type=Path, default=ASSETS / f"{MODEL}.safetensors", help="weights of the first stage"
    )
    parser.add_argument("--export", type=Path, default=Path("checkpoints/clip/energy.safetensors"))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    trainer = EnergyTrainer(options.batches, options.seed, options.start)
    options.export.parent.mkdir(parents=True, exist_ok=True)
    while trainer.batch < options.batches:
        started = time.monotonic()
        report = trainer.step()
        if trainer.batch % 10 == 0:
            numbers = "  ".join(f"{name} {value:.3f}" for name, value in report.items())
            print(f"batch {trainer.batch}  {time.monotonic() - started:.2f} s  {numbers}", flush=True)
        if trainer.batch % 200 == 0 or trainer.batch == options.batches:
            save_weights(trainer.average, options.export)
    model, names = trainer.average, trainer.subjects
    scores = retrieval(model, trainer.tokenizer, names, trainer.composer, seed=987_654_321, guises=False)
    print(json.dumps({"batch": trainer.batch, **scores}), flush=True)


if __name__ == "__main__":
    main()
