"""Tensors from the records of a pickle: torch's two file formats, and NumPy's arrays.

A tensor stays a reference into its file until it is asked for, so an optimiser beside the network costs nothing.
Nothing is allocated before it is known that the bytes are there and how many numbers there will be.
"""

from __future__ import annotations

import io
import json
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

from engines.checkpoints.pickles import MAX_KEY, MAX_STEPS, Global, Record, items_of, read_pickle
from engines.errors import EngineError
from engines.shown import shown

__all__ = [
    "Budget",
    "claimed_shape",
    "number",
    "read_safetensors",
    "read_torch_pickle",
    "read_torch_zip",
    "to_tensor",
    "without_data_parallel",
]

LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
LEGACY_PROTOCOL = 1001
MAX_INDEX_BYTES = 16 << 20
"""Of the pickle in a torch file, which only says where the numbers are; a checkpoint with optimisers has 1 MiB."""
MAX_DIRECTORY_BYTES = 8 << 20
"""Of the list of members in a torch file, about 80 for each tensor."""
MAX_HEADER_BYTES = 16 << 20
"""Of a safetensors file: names, shapes and metadata."""
MAX_BLOB_STEPS = 500
"""Opcodes of a storage that is a file of its own within another pickle; one has about 60, and may be read often."""
MAX_ELEMENTS = 1 << 29
"""Numbers in one network, 2 GiB of them; the largest in use, the encoder of e4e, has half of it."""
MAX_SIZE = 1 << 40
"""Of one axis of a tensor, and of its strides and its offset."""

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
    "torch.ComplexFloatStorage": torch.complex64,
    "torch.ComplexDoubleStorage": torch.complex128,
    "torch.storage.UntypedStorage": torch.uint8,
}
TENSORS = {"torch._utils._rebuild_tensor", "torch._utils._rebuild_tensor_v2"}
PARAMETERS = {"torch._utils._rebuild_parameter", "torch._utils._rebuild_parameter_with_state"}
ARRAYS = {"numpy.core.multiarray._reconstruct", "numpy._core.multiarray._reconstruct"}
SCALARS = {"numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar"}
DTYPES = {"f2", "f4", "f8", "i4", "i8"}


@dataclass
class Budget:
    """The numbers that have been read or allocated for a network so far."""

    taken: int = 0

    def take(self, shape: tuple[int, ...]) -> None:
        """Count a tensor of this shape. Raises `EngineError` beyond `MAX_ELEMENTS`."""
        self.taken += math.prod(shape)
        if self.taken > MAX_ELEMENTS:
            raise EngineError(
                "The file claims more than {MAX_ELEMENTS} numbers for one network; choose another.",
                MAX_ELEMENTS=MAX_ELEMENTS,
            )


@dataclass
class Storage:
    """A row of numbers in a file. `read(start, count)` gives these bytes of it."""

    dtype: torch.dtype
    numel: int
    read: Callable[[int, int], bytes] = field(repr=False)


# ---------------------------------------------------------------------------------------------- torch's files


class _Limited:
    """A binary file of which nothing larger than `limit` bytes is read at once while there is a limit."""

    def __init__(self, file: BinaryIO, limit: int):
        self._file, self.limit = file, limit
        self.seek, self.tell = file.seek, file.tell

    def seekable(self) -> bool:
        return True

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(self.limit + 1 if count < 0 else min(count, self.limit + 1))
        if len(data) > self.limit:
            raise ValueError(f"it has a part of more than {self.limit >> 20} MiB where a small one belongs")
        return data


def read_torch_zip(file: BinaryIO) -> Any:
    """The value `torch.save` wrote as a zip archive (torch 1.6 and later), tensors as records of `Storage`."""
    limited = _Limited(file, MAX_DIRECTORY_BYTES)
    archive = zipfile.ZipFile(limited)
    limited.limit = MAX_INDEX_BYTES
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
    byteorder = entries.get(f"{folder}byteorder")
    if byteorder and (byteorder.file_size > 20 or archive.read(byteorder) != sys.byteorder.encode()):
        raise ValueError("its numbers are in the byte order of another kind of machine")

    def read(key: str, start: int, count: int) -> bytes:
        entry = entries.get(f"{folder}data/{key}")
        if entry is None:
            raise ValueError(f"it lacks the storage {shown(key)}")
        return _read_at(file, _data_position(file, entry) + start, min(count, max(entry.file_size - start, 0)))

    def persistent_load(identifier: Any) -> Storage:
        dtype, key, numel = _storage_identifier(identifier)
        return Storage(dtype, numel, partial(read, key))

    return read_pickle(io.BytesIO(archive.read(index)), persistent_load)


def _data_position(file: BinaryIO, entry: zipfile.ZipInfo) -> int:
    """Where a stored member's bytes start: its local header has 30 bytes, then a name and an extra field."""
    header = _read_at(file, entry.header_offset, 30)
    if header[:4] != b"PK\x03\x04":
        raise ValueError("its archive is damaged")
    return entry.header_offset + 30 + int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little")


def read_torch_pickle(file: BinaryIO, max_steps: int = MAX_STEPS) -> Any:
    """The value of a plain pickle, or of what `torch.save` wrote before torch 1.6, and still writes within pickles.

    That is five pickles: a magic number, a version, the kind of machine, the value, the keys of its storages in their
    order. Then each storage: its number of elements as int64, and the elements.
    """
    value = read_pickle(file, max_steps=max_steps)
    if type(value) is not int or value != LEGACY_MAGIC:
        return value
    version = read_pickle(file, max_steps=max_steps)
    if type(version) is not int or version != LEGACY_PROTOCOL:
        raise ValueError("it has the start of a file of torch, but not the rest")
    machine = read_pickle(file, max_steps=max_steps)
    if type(machine) is not dict or machine.get("little_endian") is not (sys.byteorder == "little"):
        raise ValueError("its numbers are in the byte order of another kind of machine")
    storages: dict[str, Storage] = {}

    def persistent_load(identifier: Any) -> Storage:
        dtype, key, numel = _storage_identifier(identifier)
        return storages.setdefault(key, Storage(dtype, numel, partial(_nothing, key)))

    value = read_pickle(file, persistent_load, max_steps)
    keys = read_pickle(file, max_steps=max_steps)
    if type(keys) is not list or not all(type(key) is str and key in storages for key in keys):
        raise ValueError("it has a wrong list of its storages")
    position = file.tell()
    for key in keys:
        storage = storages[key]
        storage.read = partial(_read_part, file, position + 8)
        position += 8 + storage.numel * storage.dtype.itemsize
    return value


def _storage_identifier(identifier: Any) -> tuple[torch.dtype, str, int]:
    """("storage", type, key, device, number of elements[, None])"""
    if type(identifier) is not tuple or not 5 <= len(identifier) <= 6:
        raise ValueError("it refers to something else than a storage")
    kind, storage_type, key, _, numel = identifier[:5]
    is_whole = len(identifier) == 5 or identifier[5] is None
    if type(kind) is not str or kind != "storage" or type(key) is not str or len(key) > MAX_KEY or not is_whole:
        raise ValueError("it refers to something else than a storage")
    if type(storage_type) is not Global or storage_type.name not in STORAGES:
        raise ValueError("it has numbers of an unknown type")
    if type(numel) is not int or not 0 <= numel <= MAX_SIZE:
        raise ValueError("it has a storage of impossible size")
    return STORAGES[storage_type.name], key, numel


def _read_at(file: BinaryIO, position: int, count: int) -> bytes:
    file.seek(position)
    return file.read(count)


def _read_part(file: BinaryIO, position: int, start: int, count: int) -> bytes:
    return _read_at(file, position + start, count)


def _nothing(key: str, start: int, count: int) -> bytes:
    raise ValueError(f"it lacks the storage {shown(key)}")


# ---------------------------------------------------------------------------------------------- safetensors

SAFETENSORS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def read_safetensors(file: BinaryIO) -> dict[str, Record]:
    """The tensors of a safetensors file of any program, by name, as records that `to_tensor` reads.

    The header is 8 bytes of its length, then JSON: {name: {"dtype", "shape", "data_offsets": [start, end]}}.
    """
    length = int.from_bytes(_read_at(file, 0, 8), "little")
    if length > MAX_HEADER_BYTES:
        raise ValueError(f"its header is larger than {MAX_HEADER_BYTES >> 20} MiB")
    header = json.loads(_read_at(file, 8, length))
    found = {}
    for name, entry in header.items():
        if name != "__metadata__":
            dtype, shape, (start, end) = SAFETENSORS.get(entry["dtype"]), tuple(entry["shape"]), entry["data_offsets"]
            _sizes((*_sizes(shape), start, end)[-8:])
            strides = tuple(math.prod(shape[axis + 1 :]) for axis in range(len(shape)))
            if dtype is None or end - start != math.prod(shape) * dtype.itemsize:
                found[name] = Record("unknown", ())
            else:
                storage = Storage(dtype, math.prod(shape), partial(_read_part, file, 8 + length + start))
                found[name] = Record("torch._utils._rebuild_tensor_v2", (storage, 0, shape, strides))
    return found


# ---------------------------------------------------------------------------------------------- values


def without_data_parallel(values: Any) -> Any:
    """The tensors by name without the "module." with which DataParallel begins every name; anything else as it is."""
    named = items_of(values)
    while named and all(type(name) is str and name.startswith("module.") for name in named):
        named = {name.removeprefix("module."): value for name, value in named.items()}
    return values if named is None else named


def claimed_shape(values: dict[str, Any], name: str) -> tuple[int, ...]:
    """The shape of a tensor that may not be read yet. Raises `EngineError` if there is none of this name."""
    if type(values) is not dict:
        raise ValueError("it holds no tensors by name")
    if name not in values:
        raise EngineError("The file lacks the tensor {name}; choose a complete one.", name=shown(name))
    value = _without_parameter(values[name])
    if isinstance(value, Tensor):
        return tuple(value.shape)
    if not _is_torch_tensor(value):
        raise ValueError(f"it has something else in the place of the tensor {shown(name)}")
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
        if type(value) is Record and value.name in PARAMETERS and value.args:
            value = value.args[0]
    return value


def _is_torch_tensor(value: Any) -> bool:
    return type(value) is Record and value.name in TENSORS and len(value.args) >= 4


def _sizes(value: Any) -> tuple[int, ...]:
    if type(value) is Record and value.name == "torch.Size" and value.args:
        value = value.args[0]
    if type(value) is not tuple or len(value) > 8 or not all(type(n) is int and 0 <= n <= MAX_SIZE for n in value):
        raise ValueError("it has a tensor of impossible size")
    return value


def _torch_tensor(storage: Any, offset: Any, size: Any, stride: Any, budget: Budget) -> Tensor:
    if type(storage) is Record and storage.name == "torch.storage._load_from_bytes" and storage.args:
        storage = read_torch_pickle(io.BytesIO(_bytes(storage.args[0])), MAX_BLOB_STEPS)
    if type(storage) is not Storage:
        raise ValueError("it has a tensor without a storage")
    if not storage.dtype.is_floating_point:
        raise ValueError(f"it has weights of the type {storage.dtype}")
    (offset,), size, stride = _sizes((offset,)), _sizes(size), _sizes(stride)
    if len(size) != len(stride):
        raise ValueError("it has a tensor of impossible size")
    if not math.prod(size):
        return torch.zeros(size)
    extent = 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
    if offset + extent > storage.numel:
        raise ValueError("it has a tensor larger than its storage")
    budget.take((max(math.prod(size), extent),))
    itemsize = storage.dtype.itemsize
    data = storage.read(offset * itemsize, extent * itemsize)
    if len(data) != extent * itemsize:
        raise ValueError("it ends in the middle of its numbers")
    numbers = torch.frombuffer(bytearray(data), dtype=storage.dtype)
    return numbers.as_strided(size, stride).to(torch.float32, copy=True, memory_format=torch.contiguous_format)


def _numpy_array(state: Any, budget: Budget) -> Tensor:
    """(version, shape, dtype, is in Fortran's order, bytes)"""
    if type(state) is not tuple or len(state) != 5:
        raise ValueError("it has an array without numbers")
    _, shape, dtype, is_fortran, data = state
    budget.take(_sizes(shape))
    numbers = np.frombuffer(_bytes(data), _dtype(dtype)).reshape(shape, order="F" if is_fortran is True else "C")
    if numbers.dtype.kind != "f":
        raise ValueError(f"it has weights of the type {numbers.dtype}")
    return torch.from_numpy(np.array(numbers, np.float32, order="C"))


def number(value: Any) -> Any:
    """The number a NumPy scalar stands for; anything else as it is."""
    if type(value) is Record and value.name in SCALARS and len(value.args) == 2:
        dtype, data = value.args
        return np.frombuffer(_bytes(data), _dtype(dtype), count=1)[0].item()
    return value


def _dtype(record: Any) -> np.dtype:
    code = record.args[0] if type(record) is Record and record.name == "numpy.dtype" and record.args else None
    if type(code) is not str or code not in DTYPES:
        raise ValueError("it has numbers of an unknown type")
    order = record.state[1] if type(record.state) is tuple and len(record.state) > 1 else "<"
    if type(order) is not str or order not in ("<", ">"):
        raise ValueError("it has numbers of an unknown byte order")
    return np.dtype(order + code)


def _bytes(value: Any) -> bytes:
    """Bytes, also in the spelling of Python 3 for Python 2: _codecs.encode(text, "latin1")."""
    if type(value) is Record and value.name == "_codecs.encode" and len(value.args) == 2:
        text, encoding = value.args
        if type(text) is type(encoding) is str and encoding == "latin1":
            value = text.encode("latin1")
    if type(value) is not bytes:
        raise ValueError("it has no bytes where its numbers should be")
    return value
