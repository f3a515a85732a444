"""Weights as they are shipped: averaged over the training, as fp16 safetensors."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn

__all__ = ["save_checkpoint", "save_weights", "update_average"]


@torch.no_grad()
def update_average(average: nn.Module, current: nn.Module, decay: float) -> None:
    """average ← decay · average + (1 - decay) · current in place, two of a kind; what is no float is copied."""
    pairs = list(zip(average.state_dict().values(), current.state_dict().values(), strict=True))
    floats = [pair for pair in pairs if pair[0].is_floating_point()]
    torch._foreach_lerp_([slow for slow, _ in floats], [fast for _, fast in floats], 1 - decay)
    for slow, fast in pairs:
        if not slow.is_floating_point():
            slow.copy_(fast)


def save_weights(module: nn.Module, path: Path) -> None:
    """Floating tensors as fp16, the others (counters of batch norm) as they are."""
    tensors = module.state_dict().items()
    save_file({name: (t.half() if t.is_floating_point() else t).contiguous() for name, t in tensors}, path)


def save_checkpoint(trainer, path: Path) -> None:
    """Whole or not at all: a killed run finds the checkpoint before."""
    fresh = path.with_suffix(".new")
    torch.save(trainer.state_dict(), fresh)
    fresh.replace(path)
