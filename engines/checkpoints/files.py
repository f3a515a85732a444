"""Files of weights from anywhere: opens them, loads them into networks, and says in a sentence why one cannot be used.

    with open_checkpoint("model.pth", "an ArcFace IR-SE50") as values:
        with torch.device("meta"):
            network = Network(claimed_shape(values, "head.weight")[0])
        fill(network, values, "an ArcFace IR-SE50")

The kind of a file is read from its content, not from its suffix. Nothing in it is ever run.
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

from engines.checkpoints.tensors import (
    MAX_HEADER_BYTES,
    Budget,
    claimed_shape,
    read_safetensors,
    read_torch_pickle,
    read_torch_zip,
    to_tensor,
)
from engines.errors import EngineError
from engines.files import write_bytes
from engines.shown import shown, shown_error

__all__ = ["OwnFile", "expect_small_header", "fill", "open_checkpoint", "save_own"]

MAX_FILE_BYTES = 4 << 30
"""The largest file in use, e4e with its decoder, has 1.2 GB."""


@dataclass(frozen=True)
class OwnFile:
    """The content of a file of `save_own`: float32 tensors by name, and the metadata."""

    tensors: dict[str, Tensor]
    metadata: dict[str, str]


@contextmanager
def open_checkpoint(path: Path | str, what: str, own_format: str = "", *, foreign: bool = False) -> Iterator[Any]:
    """Yield a file's content: the value of its pickle or torch archive, or an `OwnFile` if it has the `own_format`.

    Tensors in a value are records, which `to_tensor` and `fill` read within the block. Any error within the block is
    raised as an `EngineError` that names the file. what: the file that is wanted, "an ArcFace IR-SE50".
    foreign: whether safetensors of other programs are read too, as a dict of records.
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
                    own = _read_own(path, own_format)
                    if own is None and not foreign:
                        raise EngineError(
                            "The file was not saved as {what} by Atelier; choose one that was.", what=what
                        )
                    yield read_safetensors(content) if own is None else own
                elif start.startswith(b"PK"):
                    yield read_torch_zip(content)
                elif start.startswith(b"\x80"):
                    yield read_torch_pickle(content)
                else:
                    raise ValueError("its format is unknown")
    except FileNotFoundError:
        raise EngineError("There is no file {path}; choose {what}.", path=shown(str(path), 100), what=what) from None
    except OSError as error:
        raise EngineError(
            "{path} cannot be read ({reason}); choose {what}.",
            path=shown(str(path), 100),
            reason=error.strerror,
            what=what,
        ) from None
    except EngineError as error:
        raise EngineError("{file}: {reason}", file=shown(path.name), reason=error) from None
    except Exception as error:  # a file that is not what it seems to be may fail anywhere
        raise EngineError(
            "{file} is damaged or not {what} ({reason}); choose another file.",
            file=shown(path.name),
            what=what,
            reason=shown_error(error),
        ) from None


def fill(network: nn.Module, values: dict[str, Any], what: str) -> None:
    """Load tensors into a network on the meta device: float32, on the CPU, in evaluation mode, without gradients.

    values: by name, float32 tensors or records of tensors. Each tensor of the network must be there, with the right
    shape and finite, and there must be no others. Nothing is read before its size is known to be right.
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
    for name in values:
        if type(name) is not str or not (name in shapes or _is_counter(name)):
            found = shown(name if type(name) is str else str(name) if type(name) is int else type(name).__name__)
            raise EngineError(
                "The file has {found}, which {what} does not have; choose another one.", found=found, what=what
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
    """Whether this counts the batches of a normalisation: unused, an integer, and not in every file."""
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


def _read_own(path: Path, own_format: str) -> OwnFile | None:
    """None for the files of other programs."""
    expect_small_header(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata() or {}
        if metadata.pop("format", None) != own_format:
            return None
        budget, names = Budget(), file.keys()
        for name in names:
            budget.take(tuple(file.get_slice(name).get_shape()))
        return OwnFile({name: file.get_tensor(name).float() for name in names}, metadata)


def expect_small_header(path: Path) -> None:
    """Raise `ValueError` for a safetensors file whose header is too large to be parsed at leisure."""
    with path.open("rb") as file:
        if int.from_bytes(file.read(8), "little") > MAX_HEADER_BYTES:
            raise ValueError(f"its header is larger than {MAX_HEADER_BYTES >> 20} MiB")
