"""Tensors from the records of a pickle: torch's two file formats, and NumPy's arrays.

A tensor stays a reference into its file until it is asked for, so an optimiser beside the network costs nothing.
Nothing is allocated before it is known that the bytes are there and how many numbers there will be.
"""

from __future__ import annotations

import io
import math
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from engines.checkpoints.pickles import Global, Record, read_pickle
from engines.errors import EngineError

__all__ = ["Budget", "claimed_shape", "number", "read_torch_pickle", "read_torch_zip", "to_tensor"]

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MAX_INDEX_BYTES = 16 << 20
"""Of the pickle in a torch file, which only says where the numbers are; a checkpoint with optimisers has 1 MiB."""
MAX_ELEMENTS = 1 << 29
"""Numbers in one network, 2 GiB of them; the largest in use, the encoder of e4e, has half of it."""

STORAGES = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.ShortStorage": torch.int16,
    "torch.CharStorage": torch.int8,
    "torch.ByteStorage": torch.uint8,
    "torch.BoolStorage": torch.bool,
}
ARRAYS = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
SCALARS = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
DTYPES = {"f2", "f4", "f8", "i4", "i8"}


@dataclass
class Budget:
    """How many numbers have been allocated for a network."""

    taken: int = 0

    def take(self, shape: tuple[int, ...]) -> None:
        self.taken += math.prod(shape)
        if self.taken > MAX_ELEMENTS:
            raise EngineError(
                "The file claims more than {MAX_ELEMENTS} numbers for one network; choose another.",
                MAX_ELEMENTS=MAX_ELEMENTS,
            )


@dataclass
class Storage:
    """A row of numbers in a file. `read(bytes)` gives its first bytes."""

    dtype: torch.dtype
    numel: int
    read: Callable[[int], bytes] = field(repr=False)


# ---------------------------------------------------------------------------------------------- torch's files


def read_torch_zip(file: BinaryIO) -> Any:
    """The value `torch.save` wrote as a zip archive (torch 1.6 and later), tensors as records of `Storage`."""
    archive = zipfile.ZipFile(file)
    entries = {info.filename: info for info in archive.infolist()}
    indices = [name for name in entries if name.endswith("/data.pkl")]
    if len(indices) != 1:
        raise ValueError("it is a zip archive of something else than tensors")
    if any(info.compress_type != zipfile.ZIP_STORED for info in entries.values()):
        raise ValueError("it is compressed, which files of torch are not")
    index = entries[indices[0]]
    if index.file_size > MAX_INDEX_BYTES:
        raise ValueError(f"its index is larger than {MAX_INDEX_BYTES >> 20} MiB")
    folder = index.filename.removesuffix("data.pkl")
    if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder") != sys.byteorder.encode():
        raise ValueError("its numbers are in the byte order of another kind of machine")

    def read(key: str, count: int) -> bytes:
        with archive.open(entries[f"{folder}data/{key}"]) as entry:
            return entry.read(count)

    def persistent_load(identifier: Any) -> Storage:
        dtype, key, numel = _storage_identifier(identifier)
        return Storage(dtype, numel, partial(read, key))

    return read_pickle(io.BytesIO(archive.read(index)), persistent_load)


def read_torch_pickle(file: BinaryIO) -> Any:
    """The value of a plain pickle, or what `torch.save` wrote before torch 1.6, and still writes within other pickles.

    That is five pickles: a magic number, a version, the kind of machine, the value, the keys of its storages in their
    order. Then each storage: its number of elements as int64, and the elements.
    """
    value = read_pickle(file)
    if value != LEGACY_MAGIC:
        return value
    if read_pickle(file) != LEGACY_PROTOCOL:
        raise ValueError("it has the beginning of a file of torch, but not the rest")
    if read_pickle(file).get("little_endian") is not (sys.byteorder == "little"):
        raise ValueError("its numbers are in the byte order of another kind of machine")
    storages: dict[str, Storage] = {}

    def persistent_load(identifier: Any) -> Storage:
        dtype, key, numel = _storage_identifier(identifier)
        return storages.setdefault(key, Storage(dtype, numel, partial(_nothing, key)))

    value = read_pickle(file, persistent_load)
    keys = read_pickle(file)
    position = file.tell()
    for key in keys:
        storage = storages[key]
        storage.read = partial(_read_at, file, position + 8)
        position += 8 + storage.numel * storage.dtype.itemsize
    return value


def _storage_identifier(identifier: Any) -> tuple[torch.dtype, str, int]:
    """("storage", type, key, device, number of elements[, None])"""
    kind, storage_type, key, _, numel, *view = identifier
    if kind != "storage" or type(storage_type) is not Global or type(key) is not str or any(view):
        raise ValueError("it refers to something else than a storage")
    if type(numel) is not int or numel < 0:
        raise ValueError("it has a storage of impossible size")
    return STORAGES[storage_type.name], key, numel


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _nothing(key: str, count: int) -> bytes:
    raise ValueError(f"it lacks the storage '{key[:40]}'")


# ---------------------------------------------------------------------------------------------- values


def claimed_shape(values: dict[str, Any], name: str) -> tuple[int, ...]:
    """The shape of a tensor that may not be read yet. Raises `EngineError` if there is none of this name."""
    if type(values) is not dict:
        raise ValueError("it holds no tensors by name")
    if name not in values:
        raise EngineError("The file lacks the tensor '{name}'; choose a complete one.", name=name)
    value = _without_parameter(values[name])
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if not _is_torch_tensor(value):
        raise ValueError(f"it has something else in the place of the tensor '{name[:80]}'")
    return _sizes(value.args[2])


def to_tensor(value: Any, budget: Budget) -> Tensor:
    """The tensor or array that a record stands for, as contiguous float32 with memory of its own; a tensor as it is.

    Raises `ValueError` for anything else, other types of numbers, or numbers that are not in the file.
    """
    value = _without_parameter(value)
    if isinstance(value, Tensor):
        return value
    if _is_torch_tensor(value):
        return _torch_tensor(*value.args[:4], budget)
    if type(value) is Record and value.name in ARRAYS:
        return _numpy_array(value.state, budget)
    raise ValueError("it has something else in the place of a tensor")


def _without_parameter(value: Any) -> Any:
    """The tensor that a parameter, or a parameter with a state, holds."""
    for _ in range(3):
        if type(value) is Record and value.name.startswith("torch._utils._rebuild_parameter"):
            value = value.args[0]
    return value


def _is_torch_tensor(value: Any) -> bool:
    return type(value) is Record and value.name.startswith("torch._utils._rebuild_tensor")


def _sizes(value: Any) -> tuple[int, ...]:
    if type(value) is not tuple or len(value) > 8 or not all(type(n) is int and n >= 0 for n in value):
        raise ValueError("it has a tensor of impossible size")
    return value


def _torch_tensor(storage: Any, offset: Any, size: Any, stride: Any, budget: Budget) -> Tensor:
    if type(storage) is Record and storage.name == "torch.storage._load_from_bytes":
        storage = read_torch_pickle(io.BytesIO(_bytes(storage.args[0])))
    if type(storage) is not Storage:
        raise ValueError("it has a tensor without a storage")
    if not storage.dtype.is_floating_point:
        raise ValueError(f"it has weights of the type {storage.dtype}")
    _sizes((offset,))
    last = offset + sum((n - 1) * step for n, step in zip(_sizes(size), _sizes(stride), strict=True))
    if math.prod(size) and last >= storage.numel:
        raise ValueError("it has a tensor larger than its storage")
    budget.take(size)
    needed = (last + 1) * storage.dtype.itemsize if math.prod(size) else 0
    data = storage.read(needed)
    if len(data) != needed:
        raise ValueError("it ends in the middle of its numbers")
    if not needed:
        return torch.zeros(size)
    numbers = torch.frombuffer(bytearray(data), dtype=storage.dtype)
    return numbers.as_strided(size, stride, offset).to(torch.float32, copy=True, memory_format=torch.contiguous_format)


def _numpy_array(state: Any, budget: Budget) -> Tensor:
    _, shape, dtype, is_fortran, data = state
    budget.take(_sizes(shape))
    numbers = np.frombuffer(_bytes(data), _dtype(dtype)).reshape(shape, order="F" if is_fortran else "C")
    if numbers.dtype.kind != "f":
        raise ValueError(f"it has weights of the type {numbers.dtype}")
    return torch.from_numpy(np.array(numbers, np.float32, order="C"))


def number(value: Any) -> Any:
    """The number a NumPy scalar stands for; anything else as it is."""
    if type(value) is Record and value.name in SCALARS:
        dtype, data = value.args
        return np.frombuffer(_bytes(data), _dtype(dtype), count=1)[0].item()
    return value


def _dtype(record: Any) -> np.dtype:
    if type(record) is not Record or record.name != "numpy.dtype" or record.args[0] not in DTYPES:
        raise ValueError("it has numbers of an unknown type")
    order = record.state[1] if record.state else "<"
    if order not in ("<", ">"):
        raise ValueError("it has numbers of an unknown byte order")
    return np.dtype(order + record.args[0])


def _bytes(value: Any) -> bytes:
    """Bytes, also in the spelling of Python 3 for Python 2: _codecs.encode(text, "latin1")."""
    if type(value) is Record and value.name == "_codecs.encode" and value.args[1:] == ("latin1",):
        value = value.args[0].encode("latin1")
    if type(value) is not bytes:
        raise ValueError("it has no bytes where its numbers should be")
    return value
