"""Train the independent judge of domains (`evaluation/domain_judge.py`): `python -m training.domain_judge`, minutes on
one CPU core (resumes by itself).

It learns from portraits and from emoji, so that it goes by how and not by what is painted.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluation.domain_judge import PAINTED, SIZE, WEIGHTS, DomainJudge, accuracy
from training.loop import Resumable, descend, train
from training.portrait_attributes import vary
from training.portrait_pool import PortraitPool
from training.schedule import learning_rate
from training.weights import save_weights
from world.styles import STYLES, apply_styles
from world.subjects import load_subjects

BATCH, PORTRAITS, LEFT_PLAIN = 64, 40, 8
"""Pictures in a batch, those of them of portraits (the others of emoji), and those left as they are."""
LARGE_EVERY = 8
"""Batches painted in PAINTED px and then made small; to paint in SIZE px is ten times as quick."""
POOL = 500
"""Portraits to paint in styles, always anew."""
EVERY = 8
"""Of the emoji only every eighth: how and not what is to be learned."""
PEAK_LR, WEIGHT_DECAY = 3e-3, 0.05


# ---------------------------------------------------------------------------------------------- training


class Trainer(Resumable):
    kept = ("judge", "optimizer")

    def __init__(self, batches: int, seed: int):
        from world.emoji import Composer, sprite_atlas  # needs the emoji font; judging does not

        super().__init__(batches, seed, "cpu")
        subjects = load_subjects()[::EVERY]
        recolourable = torch.tensor([not subject.colour_named for subject in subjects])
        self.composer = Composer(sprite_atlas(subjects), recolourable, PAINTED)
        self.pool = PortraitPool(POOL, PAINTED, torch.Generator().manual_seed(seed))
        self.judge = DomainJudge().to(memory_format=torch.channels_last).train()
        self.optimizer = torch.optim.AdamW(self.judge.parameters(), lr=PEAK_LR, weight_decay=WEIGHT_DECAY, fused=True)

    def step(self) -> dict[str, float]:
        """Loss, and the share named rightly."""
        generator, _ = self.chances()
        pictures, manners = self._pictures(generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.judge(jitter(vary(pictures, generator), generator))
        loss = F.cross_entropy(logits.float(), manners, label_smoothing=0.05)
        descend(loss, self.optimizer, learning_rate(PEAK_LR, self.batch / self.batches, 0.05, first=0.01))
        self.batch += 1
        return {"loss": loss.item(), "right": (logits.argmax(1) == manners).float().mean().item()}

    def _pictures(self, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(BATCH, 3, SIZE, SIZE) in [0, 1], and the places in MANNERS of how they are painted."""
        _, portraits = self.pool.draw(PORTRAITS, 0, generator)
        subjects = torch.randint(len(self.composer.atlas), (BATCH - PORTRAITS,), generator=generator)
        plain = torch.cat([portraits, self.composer(subjects, generator, guises=False)])
        if self.batch % LARGE_EVERY:
            plain = F.interpolate(plain, (SIZE, SIZE), mode="area")
        manners = torch.randint(len(STYLES), (BATCH,), generator=generator)
        manners[torch.randperm(BATCH, generator=generator)[:LEFT_PLAIN]] = len(STYLES)
        painted = apply_styles(plain, torch.where(manners < len(STYLES), manners, -1), generator)
        return F.interpolate(painted, (SIZE, SIZE), mode="area"), manners


def jitter(pictures: Tensor, generator: torch.Generator) -> Tensor:
    """Each colour channel up to a tenth stronger or weaker."""
    strength = 0.9 + 0.2 * torch.rand(len(pictures), 3, 1, 1, generator=generator)
    return (pictures * strength).clamp(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batches", type=int, default=600)
    parser.add_argument("--seed", type=int, default=31)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--folder", type=Path, default=Path("checkpoints/domain-judge"))
    parser.add_argument("--export", type=Path, default=WEIGHTS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)

    trainer = Trainer(options.batches, options.seed)
    options.folder.mkdir(parents=True, exist_ok=True)
    train(trainer, options.folder / "last.pt", every=25)
    save_weights(trainer.judge, options.export)
    right = accuracy(DomainJudge.load(options.export))
    print({manner: round(share, 3) for manner, share in right.items()})
    print(f"mean {sum(right.values()) / len(right):.3f}, least {min(right.values()):.3f}")


if __name__ == "__main__":
    main()
