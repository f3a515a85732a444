"""Files of weights from anywhere: opened, put into networks, and explained in a sentence when they cannot be.

    with open_checkpoint("model.pth", "an ArcFace IR-SE50") as values:
        with torch.device("meta"):
            network = Network(claimed_shape(values, "head.weight")[0])
        fill(network, values, "an ArcFace IR-SE50")

What a file is, its content tells and not its suffix. Nothing in it is ever run.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from engines.checkpoints.tensors import Budget, claimed_shape, read_torch_pickle, read_torch_zip, to_tensor
from engines.errors import EngineError
from engines.files import write_bytes

__all__ = ["OwnFile", "fill", "open_checkpoint", "save_own"]

MAX_FILE_BYTES = 4 << 30
"""The largest file in use, e4e with its decoder, has 1.2 GB."""


@dataclass(frozen=True)
class OwnFile:
    """What `save_own` wrote: float32 tensors by name, and the metadata."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


@contextmanager
def open_checkpoint(path: Path | str, what: str, own_format: str = "") -> Iterator[Any]:
    """What a file holds: the value of its pickle or torch archive, or an `OwnFile` if it is of the `own_format`.

    Tensors in a value are records, which `to_tensor` and `fill` read within the block. Whatever goes wrong within the
    block is raised as an `EngineError` that names the file. what: the file wanted, "an ArcFace IR-SE50".
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            if not 16 < size <= MAX_FILE_BYTES:
                raise ValueError(f"it has {size} bytes")
            # Reading more than there is, as a damaged pickle may ask for, costs nothing from a mapped file.
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                start = content[:16]
                if own_format and start[8:9] == b"{" and int.from_bytes(start[:8], "little") < size:
                    yield _read_own(path, what, own_format)
                elif start.startswith(b"PK"):
                    yield read_torch_zip(file)
                elif start.startswith(b"\x80"):
                    yield read_torch_pickle(content)
                else:
                    raise ValueError("its format is unknown")
    except FileNotFoundError:
        raise EngineError("There is no file '{path}'; choose {what}.", path=path, what=what) from None
    except OSError as error:
        raise EngineError(
            "'{path}' cannot be read ({reason}); choose {what}.", path=path, reason=error.strerror, what=what
        ) from None
    except EngineError as error:
        raise EngineError("'{file}': {reason}", file=path.name, reason=error) from None
    except Exception as error:  # a file that is not what it seems to be may fail anywhere
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise EngineError(
            "'{file}' is damaged or not {what} ({reason}); choose another file.",
            file=path.name,
            what=what,
            reason=reason,
        ) from None


def fill(network: nn.Module, values: dict[str, Any], what: str) -> None:
    """Give a network on the meta device its tensors, float32 on the CPU, in evaluation mode, weights without gradients.

    values: by name, float32 tensors or records of any. Every tensor has to be there, of the shape that the network
    wants, finite, and there may be no others. Nothing is read before its size is known to be right.
    what: the network, "an ArcFace IR-SE50". Raises `EngineError` or `ValueError`.
    """
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items() if not _is_counter(name)}
    budget = Budget()
    for name, shape in shapes.items():
        found = claimed_shape(values, name)
        if found != shape:
            raise EngineError(
                "The tensor '{name}' is of shape {found} where {shape} is wanted; choose an undamaged file.",
                name=name,
                found=found,
                shape=shape,
            )
        budget.take(shape)
    unknown = next((str(name) for name in values if name not in shapes and not _is_counter(str(name))), None)
    if unknown is not None:
        raise EngineError(
            "The file has '{unknown}', which {what} does not have; choose another one.", unknown=unknown[:80], what=what
        )
    for name, target in network.to_empty(device="cpu").state_dict().items():  # each in the layout the network wants
        tensor = torch.zeros(()) if _is_counter(name) else to_tensor(values[name], Budget())
        if not all(extreme.isfinite() for extreme in tensor.aminmax()):  # a NaN would be both
            raise EngineError(
                "The tensor '{name}' has numbers that are not finite; choose an undamaged file.", name=name
            )
        target.copy_(tensor)
    network.eval().requires_grad_(False)


def _is_counter(name: str) -> bool:
    """Of the batches that a normalisation has seen: of no use, an integer, and not in every file."""
    return name.endswith(".num_batches_tracked")


# ---------------------------------------------------------------------------------------------- our own files


def save_own(network: nn.Module, path: Path | str, own_format: str, metadata: dict[str, str], *, half: bool) -> None:
    """Write the tensors of a network as safetensors, atomically; `open_checkpoint` reads them back identically.

    half: as fp16, half the size, numbers rounded to 11 bits. Raises `EngineError` when they do not fit that.
    """
    tensors = {name: tensor.detach().cpu().float().contiguous() for name, tensor in network.state_dict().items()}
    if half:
        tensors = {name: tensor.half() for name, tensor in tensors.items()}
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise EngineError("The network has numbers beyond the range of fp16; save it with half=False.")
    write_bytes(Path(path), save(tensors, {**metadata, "format": own_format}))


def _read_own(path: Path, what: str, own_format: str) -> OwnFile:
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if metadata.pop("format", None) != own_format:
            raise EngineError("The file was not saved as {what} by Atelier; choose one that was.", what=what)
        budget, names = Budget(), file.keys()
        for name in names:
            budget.take(tuple(file.get_slice(name).get_shape()))
        return OwnFile({name: file.get_tensor(name).float() for name in names}, metadata)
