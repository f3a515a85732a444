"""Folders of published diffusers models: a config.json and safetensors beside it. Nothing in them is run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import nn

from engines.base import EngineError

__all__ = ["load_network", "read_json"]

MAX_CONFIG_BYTES = 1 << 20


def load_network(kind: type[nn.Module], folder: Path) -> Any:
    """A model of diffusers, float32 on the CPU, in evaluation mode, weights without gradients.

    Raises `EngineError` when the folder lacks anything, or holds something else; pickles are not read.
    """
    read_json(folder / "config.json")
    try:
        network, report = kind.from_pretrained(
            folder,
            use_safetensors=True,
            local_files_only=True,
            low_cpu_mem_usage=False,
            torch_dtype=torch.float32,
            output_loading_info=True,
        )
    except Exception as error:  # diffusers raises what it likes on a folder that is not what it seems to be
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise EngineError(
            f"'{folder.name}' is damaged or no {kind.__name__} ({reason}); choose another folder."
        ) from None
    # diffusers leaves at random what a file lacks, and only mentions it in its log.
    strange = [*report["missing_keys"], *report["mismatched_keys"], *report["unexpected_keys"]]
    if strange:
        name = strange[0] if isinstance(strange[0], str) else strange[0][0]
        raise EngineError(
            f"In '{folder.name}' the tensor '{name[:80]}' is not as in its config; choose another folder."
        )
    if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
        raise EngineError(f"'{folder.name}' has numbers that are not finite; choose an undamaged folder.")
    return network.eval().requires_grad_(False)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a small file. Raises `EngineError` when there is none."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise EngineError(f"There is no file '{path}'; choose the folder of a complete model.") from None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise EngineError(f"'{path.name}' in '{path.parent.name}' is no configuration; choose an undamaged folder.")
    return value
