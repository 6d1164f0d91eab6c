"""Reads the tensors of a PyTorch checkpoint without PyTorch, and without trusting its pickles.

The format is the one that ``torch.save`` wrote before version 1.6: five pickles one after the
other (magic number, protocol version, facts about the machine, the saved object, the keys of the
storages), then each storage as a little-endian int64 element count and its raw elements.
Source: ``torch/serialization.py`` (``_legacy_save``) in PyTorch's public repository.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from edgeq_device.errors import InputError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class StorageType:
    """Stands for a class such as ``torch.FloatStorage``: what its elements are."""

    dtype: np.dtype[Any]


@dataclass
class Storage:
    """A flat run of ``count`` elements; ``data`` is filled after the pickles are read."""

    dtype: np.dtype[Any]
    count: int
    data: Array | None = None


@dataclass(frozen=True)
class _View:
    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


def _rebuild_tensor(
    storage: object, offset: object, shape: object, strides: object, *_: object
) -> _View:
    """Takes the arguments of ``torch._utils._rebuild_tensor_v2``; autograd's are ignored."""
    if not isinstance(storage, Storage) or not isinstance(offset, int) or offset < 0:
        raise pickle.UnpicklingError("a tensor without a storage")
    sizes, steps = _whole_numbers(shape), _whole_numbers(strides)
    if len(sizes) != len(steps):
        raise pickle.UnpicklingError("a tensor whose shape and strides do not match")
    return _View(storage, offset, sizes, steps)


def _whole_numbers(value: object) -> tuple[int, ...]:
    if isinstance(value, tuple) and all(isinstance(item, int) and item >= 0 for item in value):
        return value
    raise pickle.UnpicklingError("a tensor shape that is not made of whole numbers")


_ALLOWED: Mapping[tuple[str, str], object] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
    ("torch", "FloatStorage"): StorageType(np.dtype("<f4")),
    ("torch", "LongStorage"): StorageType(np.dtype("<i8")),
}


class _CheckpointUnpickler(pickle.Unpickler):
    """Knows the four names that tensors need; any other name ends the reading."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> object:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}") from None

    def persistent_load(self, reference: object) -> Storage:
        """The storage that ("storage", type, key, location, count, view) stands for."""
        if not isinstance(reference, tuple) or len(reference) != 6 or reference[0] != "storage":
            raise pickle.UnpicklingError("a reference that is not a storage")
        _, kind, key, _, count, view = reference
        if not isinstance(kind, StorageType) or not isinstance(key, str) or view is not None:
            raise pickle.UnpicklingError("a storage of an unknown kind")
        if not isinstance(count, int) or count < 0:
            raise pickle.UnpicklingError("a storage whose size is not a whole number")
        return self.storages.setdefault(key, Storage(kind.dtype, count))


def read_checkpoint(path: Path) -> dict[str, Array]:
    """The tensors of the checkpoint at ``path`` by name, each an own array of float32 or int64.

    Raises InputError where the file is missing, is of another format, is truncated, or asks for
    anything but tensors: nothing that the file names is ever imported or called.
    """
    try:
        with path.open("rb") as file:
            return _read(file, path)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from error
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            path,
            f"is not a checkpoint of plain tensors: {error}",
            hint="give a state_dict as torch.save wrote it before PyTorch 1.6",
        ) from error


def _read(file: BinaryIO, path: Path) -> dict[str, Array]:
    if _load(file) != MAGIC_NUMBER or _load(file) != PROTOCOL_VERSION:
        raise pickle.UnpicklingError("the magic number is missing")
    machine = _load(file)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise pickle.UnpicklingError("its numbers are not little-endian")
    unpickler = _CheckpointUnpickler(file)
    views = unpickler.load()
    if not isinstance(views, dict):
        raise pickle.UnpicklingError("it does not hold tensors by name")
    _fill(file, path, unpickler.storages)
    return {str(name): _array(str(name), view) for name, view in views.items()}


def _load(file: BinaryIO) -> object:
    return _CheckpointUnpickler(file).load()


def _fill(file: BinaryIO, path: Path, storages: Mapping[str, Storage]) -> None:
    keys = _load(file)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
        raise pickle.UnpicklingError("the storages do not match the tensors")
    left = path.stat().st_size - file.tell()
    for key in keys:
        storage = storages[key]
        needed = storage.count * storage.dtype.itemsize
        left -= 8 + needed
        if left < 0 or int.from_bytes(file.read(8), "little") != storage.count:
            raise pickle.UnpicklingError(f"storage {key} is truncated")
        storage.data = np.frombuffer(file.read(needed), storage.dtype)


def _array(name: str, view: object) -> Array:
    if not isinstance(view, _View) or view.storage.data is None:
        raise pickle.UnpicklingError(f"{name} is not a tensor")
    data = view.storage.data
    reach = sum((size - 1) * step for size, step in zip(view.shape, view.strides, strict=True))
    if 0 not in view.shape and view.offset + reach >= data.size:
        raise pickle.UnpicklingError(f"{name} reaches beyond its storage")
    steps = tuple(step * data.itemsize for step in view.strides)
    window = np.lib.stride_tricks.as_strided(data[view.offset :], view.shape, steps)
    return np.array(window)
