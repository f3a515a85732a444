"""Train the pocket CLIP: `python -m training.clip` (resumes by itself), on one CPU core or a GPU.

A batch of distinct subjects is composed anew, then learned from in three passes (free adversarial training, Shafahi
et al. 2019): the first on the clean pictures, the next two on pictures perturbed along the gradient of the pass
before, L∞ or L2 by lot per picture, with a strength that grows after a clean warm-up. Robust gradients follow what
people see (CLIPAG, arXiv 2306.16805), and that is what makes a drawing recognisable.

Loss per pass: the contrastive loss of CLIP over the batch, plus picture → subject and caption → subject over *all*
subjects by one learned embedding each, which only the training knows: it brings pictures, English and Korean together
much sooner than batches alone do. Patch-shuffled copies of some pictures serve as further negatives of the captions, so
that shape counts and not the palette alone.
"""

from __future__ import annotations

import json
import time
from copy import deepcopy
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from engines import files
from engines.clip._open_clip import open_clip
from evaluation.retrieval import MEAN, STD, Examiner
from training.loop import Resumable, descend, make_parser, read_options
from training.schedule import learning_rate
from training.weights import save_checkpoint, save_weights, update_average
from world.captions import caption
from world.emoji import make_composer
from world.subjects import load_subjects

ASSETS = files.ASSETS / "clip"
MODEL = "atelier-pocket"

PASSES = 3
BATCH = 192
SHUFFLED = 32
WARM_UP = 0.15
"""Share of the batches that are learned without perturbation."""
FULL_STRENGTH = 0.5
"""Share after which the perturbation has its full radius."""
LINF, L2 = 0.04, 2.0
"""Full radii for pixels in [0, 1]."""
PEAK_LR, WEIGHT_DECAY, EMA = 1e-3, 0.03, 0.999


class Trainer(Resumable):
    kept = ("model", "average", "optimizer")

    def __init__(self, batches: int, seed: int, device: str, *, robust: bool = True):
        super().__init__(batches, seed, device)
        self.robust = robust
        self.subjects = load_subjects()
        self.composer = make_composer(self.subjects)
        open_clip.add_model_config(ASSETS / f"{MODEL}.json")
        self.model = open_clip.create_model(MODEL).to(device).train()
        self.model.visual.to(memory_format=torch.channels_last)
        self.tokenizer = open_clip.get_tokenizer(MODEL, bpe_path=str(ASSETS / "bpe.txt.gz"))
        self.average = deepcopy(self.model).eval()
        width = self.model.visual.output_dim
        self.anchors = torch.nn.Parameter(torch.randn(len(self.subjects), width, device=device) / width**0.5)
        self.optimizer = torch.optim.AdamW(_groups(self.model, self.anchors), lr=PEAK_LR, betas=(0.9, 0.98), fused=True)

    def step(self) -> dict[str, float]:
        generator, rng = self.chances()
        index = torch.randperm(len(self.subjects), generator=generator)[:BATCH]
        captions = self.tokenizer([caption(self.subjects[i], rng) for i in index.tolist()]).to(self.device)
        pictures = self.composer(index, generator).to(self.device)
        index = index.to(self.device)

        radius = _ramp(self.batch / self.batches, WARM_UP, FULL_STRENGTH) if self.robust else 0.0
        uses_linf = (torch.rand(len(index), 1, 1, 1, generator=generator) < 0.5).to(self.device)
        share = (torch.rand(len(index), 1, 1, 1, generator=generator) * 0.7 + 0.3).to(self.device)
        delta = torch.zeros_like(pictures)
        text = None
        report = {}
        for number in range(PASSES):
            image = (pictures + delta).clamp(0, 1).requires_grad_(True)
            features = self._encode(
                torch.cat([image, shuffle_patches(pictures[:SHUFFLED], generator)]) if number == 0 else image
            )
            if text is None:
                with torch.autocast(self.device, torch.bfloat16):
                    text = self.model.encode_text(captions)
                text = F.normalize(text.float(), dim=-1)
            loss, accuracy = self._loss(features, text, index)
            progress = (self.batch + number / PASSES) / self.batches
            descend(loss, self.optimizer, learning_rate(PEAK_LR, progress, warm_up=0.03, last=0.02), self.model)
            update_average(self.average, self.model, min(EMA, (1 + self.batch) / (10 + self.batch)))
            text = text.detach()
            delta = ascend(delta, image.grad, radius * share, uses_linf)
            report[f"loss{number}"], report[f"accuracy{number}"] = loss.item(), accuracy
        self.batch += 1
        return report

    def _encode(self, pictures: Tensor) -> Tensor:
        normalized = (pictures - MEAN.to(self.device).view(1, 3, 1, 1)) / STD.to(self.device).view(1, 3, 1, 1)
        with torch.autocast(self.device, torch.bfloat16):  # halves stay in the cache of a CPU core
            halves = [
                self.model.visual(half.contiguous(memory_format=torch.channels_last)) for half in normalized.chunk(2)
            ]
        return F.normalize(torch.cat(halves).float(), dim=-1)

    def _loss(self, features: Tensor, text: Tensor, index: Tensor) -> tuple[Tensor, float]:
        scale = self.model.logit_scale.exp().clamp(max=60)
        count = len(index)
        target = torch.arange(count, device=self.device)
        by_caption = scale * text @ features.T  # shuffled pictures, if any, stand in the last columns
        contrastive = (F.cross_entropy(by_caption[:, :count].T, target) + F.cross_entropy(by_caption, target)) / 2
        anchors = F.normalize(self.anchors, dim=-1)
        by_subject = scale * features[:count] @ anchors.T
        naming = F.cross_entropy(by_subject, index)
        if text.requires_grad:
            naming = naming + F.cross_entropy(scale * text @ anchors.T, index)
        return contrastive + naming, (by_subject.argmax(1) == index).float().mean().item()

    def state_dict(self) -> dict:
        return super().state_dict() | {"anchors": self.anchors.data}

    def load_state_dict(self, state: dict) -> None:
        super().load_state_dict(state)
        self.anchors.data.copy_(state["anchors"])


def shuffle_patches(pictures: Tensor, generator: torch.Generator, grid: int = 4) -> Tensor:
    """The same patches in another order: right palette, no shape. (B, 3, H, W) → (B, 3, H, W)."""
    size = pictures.shape[-1] // grid
    patches = F.unfold(pictures, size, stride=size)
    order = torch.randperm(grid * grid, generator=generator).to(pictures.device)
    return F.fold(patches[:, :, order], pictures.shape[-2:], size, stride=size)


def ascend(delta: Tensor, gradient: Tensor, radius: Tensor, uses_linf: Tensor) -> Tensor:
    """One full-radius step up the loss, projected back onto the ball of each picture's norm."""
    linf = (delta + LINF * radius * gradient.sign()).clamp(-LINF * radius, LINF * radius)
    length = gradient.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)
    moved = delta + L2 * radius * gradient / length
    shrink = (L2 * radius / moved.flatten(1).norm(dim=1).clamp_min(1e-12).view(-1, 1, 1, 1)).clamp(max=1)
    return torch.where(uses_linf, linf, moved * shrink)


def _ramp(progress: float, start: float, end: float) -> float:
    return min(1.0, max(0.0, (progress - start) / (end - start)))


def _groups(model, anchors) -> list[dict]:
    decayed = [p for p in model.parameters() if p.ndim >= 2]
    plain = [p for p in model.parameters() if p.ndim < 2] + [anchors]
    return [{"params": decayed, "weight_decay": WEIGHT_DECAY}, {"params": plain, "weight_decay": 0.0}]


def main() -> None:
    weights = ASSETS / f"{MODEL}.safetensors"
    parser = make_parser(__doc__, batches=1250, seed=1, folder=Path("checkpoints/clip"), export=weights)
    parser.add_argument("--clean", action="store_true", help="nothing perturbed: the baseline of the ablation")
    options = read_options(parser)
    trainer = Trainer(options.batches, options.seed, options.device, robust=not options.clean)
    last = options.folder / "last.pt"
    if last.exists():
        trainer.load_state_dict(torch.load(last, weights_only=True, map_location=options.device))
    saved = time.monotonic()
    while trainer.batch < options.batches:
        started = time.monotonic()
        report = trainer.step()
        if trainer.batch % 10 == 0:
            numbers = "  ".join(f"{name} {value:.3f}" for name, value in report.items())
            print(f"batch {trainer.batch}  {time.monotonic() - started:.2f} s  {numbers}", flush=True)
        if time.monotonic() - saved > 180 or trainer.batch == options.batches:
            saved = time.monotonic()
            save_checkpoint(trainer, last)
        if trainer.batch % 300 == 0:
            print(json.dumps({"batch": trainer.batch, **evaluate(trainer)}), flush=True)
    save_weights(trainer.average, options.export)


def evaluate(trainer: Trainer) -> dict[str, float]:
    model = deepcopy(trainer.average).cpu().eval()
    return Examiner(model, trainer.tokenizer, trainer.subjects, trainer.composer, seed=987_654_321).retrieval()


if __name__ == "__main__":
    main()
