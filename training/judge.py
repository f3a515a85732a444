"""Train the independent judge of names (`evaluation/judge.py`): `python -m training.judge`, on one CPU core.

Its pictures are made its own way (wavy warps, shear, posterised colours, erased parts, inverted and single-hue
pictures), unlike those of the pocket CLIP.
"""

from __future__ import annotations

import argparse
import time

import torch
import torch.nn.functional as F
from torch import Tensor

from evaluation.judge import SIZE, WEIGHTS, Judge
from training.loop import descend
from training.schedule import learning_rate
from training.weights import save_weights
from world.subjects import load_subjects

# ---------------------------------------------------------------------------------------------- its own pictures


def compose(sprites: Tensor, recolourable: Tensor, generator: torch.Generator) -> Tensor:
    """Premultiplied sprites (B, 4, S, S) → training pictures (B, 3, 64, 64)."""
    count = len(sprites)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return torch.rand(count, *shape, generator=generator) * (high - low) + low

    picture = F.grid_sample(sprites, wavy_grid(count, uniform), align_corners=False)
    rgb, alpha = picture[:, :3], picture[:, 3:]
    shift = uniform(0, 1)
    tint = uniform(0, 1, 3, 1, 1)
    grey = rgb.mean(1, keepdim=True)
    rgb = torch.where(each((shift < 0.1) & recolourable), grey * tint * 1.6, rgb)
    rgb = torch.where(each((shift > 0.95) & recolourable), alpha - rgb, rgb).clamp(0, 1)
    levels = uniform(2, 8, 1, 1, 1).round()
    rgb = torch.where(each(uniform(0, 1) < 0.3), (rgb * levels).round() / levels, rgb)
    paper = torch.where(each(uniform(0, 1) < 0.5), uniform(0.85, 1, 3, 1, 1), uniform(0, 1, 3, 1, 1))
    scene = rgb + (1 - alpha) * paper
    scene = erase(scene, uniform)
    return (scene * uniform(0.7, 1.15, 3, 1, 1) + uniform(-0.1, 0.1, 1, 1, 1)).clamp(0, 1)


def wavy_grid(count: int, uniform) -> Tensor:
    """Scale per axis, rotation, shear, shift, and a smooth random displacement of up to a tenth of the side."""
    angle, shear = uniform(-0.5, 0.5), uniform(-0.25, 0.25)
    across, down = 1 / uniform(0.55, 1.05), 1 / uniform(0.55, 1.05)
    rows = (
        [across * angle.cos(), -down * angle.sin() + shear, uniform(-0.3, 0.3)],
        [across * angle.sin(), down * angle.cos(), uniform(-0.3, 0.3)],
    )
    theta = torch.stack([torch.stack(row, 1) for row in rows], 1)
    grid = F.affine_grid(theta, (count, 4, SIZE, SIZE), align_corners=False)
    waves = F.interpolate(uniform(-1, 1, 2, 6, 6), SIZE, mode="bicubic", align_corners=False)
    return grid + (waves * uniform(0, 0.2, 1, 1, 1)).permute(0, 2, 3, 1)


def erase(scene: Tensor, uniform) -> Tensor:
    """A quarter of the pictures loses a rectangle to a plain colour."""
    ramp = torch.linspace(0, 1, SIZE)
    left, top = uniform(0, 0.8, 1), uniform(0, 0.8, 1)
    inside_x = (ramp > left) & (ramp < left + uniform(0.1, 0.35, 1))
    inside_y = (ramp > top) & (ramp < top + uniform(0.1, 0.35, 1))
    hole = (inside_y[:, :, None] & inside_x[:, None, :])[:, None] & each(uniform(0, 1) < 0.25)
    return torch.where(hole, uniform(0, 1, 3, 1, 1), scene)


def each(condition: Tensor) -> Tensor:
    return condition[:, None, None, None]


# ---------------------------------------------------------------------------------------------- training


def train(steps: int, seed: int, batch: int = 128, peak_rate: float = 2e-3) -> Judge:
    from world.emoji import sprite_atlas  # needs the emoji font; judging does not

    torch.manual_seed(seed)
    subjects = load_subjects()
    atlas = sprite_atlas(subjects)
    recolourable = torch.tensor([not subject.colour_named for subject in subjects])
    judge = Judge(len(subjects)).to(memory_format=torch.channels_last).train()
    optimizer = torch.optim.AdamW(judge.parameters(), lr=peak_rate, weight_decay=0.02, fused=True)
    started = time.monotonic()
    for step in range(steps):
        generator = torch.Generator().manual_seed(seed * 1_000_003 + step)
        index = torch.randint(len(subjects), (batch,), generator=generator)
        pictures = compose(atlas[index], recolourable[index], generator)
        with torch.autocast("cpu", torch.bfloat16):
            logits = judge(pictures.contiguous(memory_format=torch.channels_last))
        loss = F.cross_entropy(logits.float(), index, label_smoothing=0.1)
        descend(loss, optimizer, learning_rate(peak_rate, step, warm_up=200, end=steps, last=0.01))
        if step % 100 == 0:
            accuracy = (logits.argmax(1) == index).float().mean().item()
            print(
                f"step {step}  {time.monotonic() - started:.0f} s  loss {loss.item():.3f}  accuracy {accuracy:.3f}",
                flush=True,
            )
    return judge.eval()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--seed", type=int, default=77)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    judge = train(options.steps, options.seed)
    save_weights(judge, WEIGHTS)


if __name__ == "__main__":
    main()
