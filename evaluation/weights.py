"""Weights as they are shipped (fp16 safetensors), read back."""

from __future__ import annotations

from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

__all__ = ["load_weights"]


def load_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file by name; floating ones as float32."""
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in load_file(path).items()}
