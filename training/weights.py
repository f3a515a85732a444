"""Weights as they are shipped: fp16 safetensors."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

__all__ = ["load_weights", "save_weights"]


def save_weights(module: nn.Module, path: Path) -> None:
    """Floating tensors as fp16, the others (counters of batch norm) as they are."""
    tensors = module.state_dict().items()
    save_file({name: (t.half() if t.is_floating_point() else t).contiguous() for name, t in tensors}, path)


def load_weights(path: Path) -> dict[str, Tensor]:
    """What `save_weights` wrote, as float32."""
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load_file(path).items()}
