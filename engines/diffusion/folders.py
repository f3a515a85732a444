"""Folders in which diffusers and transformers keep models. Nothing in them is run, and no pickle is read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import nn

from engines.errors import EngineError

__all__ = ["load_complete_network", "load_network", "load_part", "read_json"]

MAX_CONFIG_BYTES = 1 << 20
NETWORK = {"use_safetensors": True, "low_cpu_mem_usage": False}
"""Of weights. The other way to load them, the default of diffusers, needs one more package."""


def load_part(load: Callable[..., Any], folder: Path | str, part: str, **options) -> Any:
    """A tokenizer, a scheduler, a processor. load: the `from_pretrained` of its class. part: what people call it.

    Raises `EngineError` when it is missing or cannot be read.
    """
    try:
        return load(folder, local_files_only=True, **options)
    except (EngineError, OSError, ValueError, KeyError, SafetensorError) as error:
        raise EngineError(
            "The model in {folder} has no readable {part}; fetch it again.", folder=folder, part=part
        ) from error


def load_network(
    load: Callable[..., nn.Module],
    folder: Path | str,
    part: str,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
) -> Any:
    """As `load_part`: on the device, in the dtype, in evaluation mode, weights without gradients."""
    network = load_part(load, folder, part, dtype=dtype, **NETWORK)
    if hasattr(network, "register_to_config"):  # what is saved later is not to tell where it once lay
        network.register_to_config(_name_or_path="")
    return network.to(device).eval().requires_grad_(False)


def load_complete_network(kind: type[nn.Module], folder: Path) -> Any:
    """A network of diffusers that has all its tensors and no other, float32 on the CPU, else as `load_network`.

    Raises `EngineError` when the folder lacks anything, or holds something else.
    """
    read_json(folder / "config.json")
    try:
        network, report = kind.from_pretrained(
            folder, local_files_only=True, dtype=torch.float32, output_loading_info=True, **NETWORK
        )
    except Exception as error:  # diffusers raises what it likes on a folder that is not what it seems to be
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:120]
        raise EngineError(
            "'{file}' is damaged or no {reason} ({reason_2}); choose another folder.",
            file=folder.name,
            reason=kind.__name__,
            reason_2=reason,
        ) from None
    # diffusers leaves at random what a file lacks, and only mentions it in its log.
    strange = [*report["missing_keys"], *report["mismatched_keys"], *report["unexpected_keys"]]
    if strange:
        name = strange[0] if isinstance(strange[0], str) else strange[0][0]
        raise EngineError(
            "In '{file}' the tensor '{name}' is not as in its config; choose another folder.",
            file=folder.name,
            name=name[:80],
        )
    if not all(tensor.isfinite().all() for tensor in network.state_dict().values()):
        raise EngineError("'{file}' has numbers that are not finite; choose an undamaged folder.", file=folder.name)
    return network.eval().requires_grad_(False)


def read_json(path: Path) -> dict[str, Any]:
    """The object in a small file. Raises `EngineError` when there is none."""
    try:
        if path.stat().st_size > MAX_CONFIG_BYTES:
            raise ValueError
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise EngineError("There is no file '{path}'; choose the folder of a complete model.", path=path) from None
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise EngineError(
            "'{file}' in '{name}' is no configuration; choose an undamaged folder.",
            file=path.name,
            name=path.parent.name,
        )
    return value
