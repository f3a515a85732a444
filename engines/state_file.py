"""The state of an engine as one safetensors file.

`Engine.state_dict()` holds tensors and JSON values, at any depth of dicts and lists. The tensors become the tensors of
the file; the rest becomes one JSON text in its metadata, in which ``{"__tensor__": name}`` stands for a tensor.
Nothing in such a file is code, so one that came from elsewhere is safe to open.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from engines.errors import EngineError
from engines.files import write_bytes
from engines.saved_files import is_file

__all__ = ["load_state", "save_state"]

_FORMAT = "atelier-state-1"
_MARK = "__tensor__"


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write `state` atomically. Raises `TypeError` for a value that is neither a tensor nor JSON."""
    tensors: dict[str, torch.Tensor] = {}
    tree = json.dumps(_take_tensors(state, "", tensors))
    write_bytes(Path(path), save(tensors, {"format": _FORMAT, "state": tree}))


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote: equal values, CPU tensors. `EngineError` when the file is missing or no state."""
    path = Path(path)
    if path.exists() and not is_file(path):
        raise EngineError("The saved state '{file}' is damaged; choose another one.", file=path.name)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != _FORMAT:
                raise EngineError(
                    "'{file}' is not a saved state of Atelier; choose a state.safetensors of a run.", file=path.name
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no dict)
        state = _put_tensors(json.loads(metadata["state"]), tensors)
        if not isinstance(state, dict):
            raise TypeError("a state is a dictionary")
        return state
    except FileNotFoundError:
        raise EngineError(
            "There is no saved state '{file}'; choose a folder in which a run was saved.", file=path.name
        ) from None
    except (SafetensorError, OSError, ValueError, KeyError, TypeError, RecursionError, MemoryError):
        raise EngineError("The saved state '{file}' is damaged; choose another one.", file=path.name) from None


def _take_tensors(value: Any, name: str, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        # A copy of its own: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {_MARK: name}
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"The keys of a state must be strings; those under '{name}' are not.")
        return {key: _take_tensors(item, f"{name}.{key}" if name else key, tensors) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_take_tensors(item, f"{name}.{index}", tensors) for index, item in enumerate(value)]
    return value


def _put_tensors(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if isinstance(value, dict):
        if value.keys() == {_MARK}:
            return tensors[value[_MARK]]
        return {key: _put_tensors(item, tensors) for key, item in value.items()}
    if isinstance(value, list):
        return [_put_tensors(item, tensors) for item in value]
    return value
