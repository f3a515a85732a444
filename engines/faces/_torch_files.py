"""Networks of faces out of torch files, in which nothing is ever run: a name becomes a number or an error."""

from __future__ import annotations

import math
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import nn

from engines.base import EngineError
from engines.stylegan2._pickles import Record
from engines.stylegan2._tensors import Budget, read_torch_legacy, read_torch_zip, to_tensor

__all__ = ["attributes", "claimed_shape", "fill", "open_torch_file"]

MAX_FILE_BYTES = 4 << 30
MAX_ELEMENTS = 1 << 29
"""The largest files and networks in use, those of e4e, have 1.2 GB and 267 million numbers."""


@contextmanager
def open_torch_file(path: Path | str, what: str) -> Iterator[Any]:
    """What a torch file of either format holds; its tensors are records, which `fill` reads within the block.

    Whatever goes wrong within the block is raised as an `EngineError` that names the file; what: "an ArcFace IR-SE50".
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            if not 16 < path.stat().st_size <= MAX_FILE_BYTES:
                raise ValueError(f"it has {path.stat().st_size} bytes")
            yield _read(file)
    except FileNotFoundError:
        raise EngineError(f"There is no file '{path}'; choose {what}.") from None
    except OSError as error:
        raise EngineError(f"'{path}' cannot be read ({error.strerror}); choose {what}.") from None
    except EngineError as error:
        raise EngineError(f"'{path.name}': {error}") from None
    except Exception as error:  # a file that is not what it seems to be may fail anywhere
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:160]
        raise EngineError(f"'{path.name}' is damaged or not {what} ({reason}); choose another file.") from None


def _read(file: BinaryIO) -> Any:
    start = file.read(2)
    file.seek(0)
    if start == b"PK":
        return read_torch_zip(file)
    if start.startswith(b"\x80"):
        # Reading more than there is, as a damaged pickle may ask for, costs nothing from a mapped file.
        return read_torch_legacy(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    raise ValueError("it is no torch file")


def attributes(value: Any) -> dict[str, Any]:
    """Options by name: those of a dict, or those of an argparse.Namespace."""
    if type(value) is Record and value.name == "argparse.Namespace":
        value = value.state
    if type(value) is not dict:
        raise ValueError("it has something else in the place of its options")
    return value


def claimed_shape(records: dict[str, Any], name: str) -> tuple[int, ...]:
    """The shape of a tensor that is not read yet. Raises `EngineError` if there is none of this name."""
    if type(records) is not dict:
        raise ValueError("it holds no tensors by name")
    if name not in records:
        raise EngineError(f"The file lacks the tensor '{name}'; choose a complete file of the right network.")
    record = records[name]
    for _ in range(3):  # a parameter, or a parameter with a state, holds a tensor
        if type(record) is Record and record.name.startswith("torch._utils._rebuild_parameter"):
            record = record.args[0]
    if type(record) is not Record or not record.name.startswith("torch._utils._rebuild_tensor"):
        raise ValueError(f"it has something else in the place of the tensor '{name[:80]}'")
    shape = record.args[2]
    if type(shape) is not tuple or len(shape) > 8 or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError("it has a tensor of impossible size")
    return shape


def fill(network: nn.Module, records: dict[str, Any]) -> None:
    """Give a network on the meta device its tensors, float32 on the CPU, in evaluation mode, weights without gradients.

    Every tensor has to be there, of the shape that the network wants, finite, and there may be no others. Nothing is
    read before its size is known to be right. Raises `EngineError` or `ValueError`.
    """
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not _is_counter(name)}
    if sum(math.prod(tensor.shape) for tensor in wanted.values()) > MAX_ELEMENTS:
        raise EngineError(f"The network has more than {MAX_ELEMENTS} numbers; choose a smaller one.")
    shapes = {name: claimed_shape(records, name) for name in wanted}
    unknown = next((str(name) for name in records if name not in wanted and not _is_counter(str(name))), None)
    if unknown is not None:
        raise EngineError(f"The file has '{unknown[:80]}', which this kind of network does not have; choose another.")
    tensors = {}
    for name, tensor in wanted.items():
        if shapes[name] != tensor.shape:
            raise EngineError(
                f"The tensor '{name}' is of shape {shapes[name]} where {tuple(tensor.shape)} is wanted; "
                "choose another file."
            )
        tensors[name] = to_tensor(records[name], Budget())
        if not all(extreme.isfinite() for extreme in tensors[name].aminmax()):  # a NaN would be both
            raise EngineError(f"The tensor '{name}' has numbers that are not finite; choose an undamaged file.")
    tensors |= {name: torch.zeros((), dtype=torch.long) for name in network.state_dict() if _is_counter(name)}
    network.load_state_dict(tensors, assign=True)
    network.eval().requires_grad_(False)


def _is_counter(name: str) -> bool:
    """Of the batches that a normalisation has seen: of no use, an integer, and not in every file."""
    return name.endswith(".num_batches_tracked")
