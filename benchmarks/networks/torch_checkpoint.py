"""Reads the tensors of a PyTorch checkpoint without PyTorch, and without trusting its pickles.

The format is the one that ``torch.save`` wrote before version 1.6: five pickles one after the
other (magic number, protocol version, facts about the machine, the saved object, the keys of the
storages), then each storage as a little-endian int64 element count and its raw elements.
Source: ``torch/serialization.py`` (``_legacy_save``) in PyTorch's public repository.
"""

from __future__ import annotations

import math
import pickle
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from edgeq_device.errors import InputError

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
PROTOCOL_VERSION = 1001

Array = np.ndarray[Any, np.dtype[Any]]

_LARGEST = 2**48  # no size, offset or stride of a real file is larger


# A pickle may set attributes of whatever it is given. These have none that can be set.
class _StorageType(NamedTuple):
    """Stands for a class such as ``torch.FloatStorage``: numpy's name of its elements."""

    elements: str


class _Storage(NamedTuple):
    key: str
    elements: str
    length: int


class _View(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _RebuildTensor:
    """Stands for ``torch._utils._rebuild_tensor_v2``; autograd's arguments are ignored."""

    __slots__ = ()

    def __call__(
        self, storage: object, offset: object, shape: object, strides: object, *_: object
    ) -> _View:
        if not isinstance(storage, _Storage):
            raise pickle.UnpicklingError("a tensor without a storage")
        (start,), sizes, steps = _counts((offset,)), _counts(shape), _counts(strides)
        if len(sizes) != len(steps):
            raise pickle.UnpicklingError("a tensor whose shape and strides do not match")
        return _View(storage, start, sizes, steps)


def _counts(value: object) -> tuple[int, ...]:
    if isinstance(value, tuple) and all(
        isinstance(item, int) and 0 <= item <= _LARGEST for item in value
    ):
        return value
    raise pickle.UnpicklingError("a tensor whose shape is not made of whole numbers")


_ALLOWED: Mapping[tuple[str, str], object] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _RebuildTensor(),
    ("torch", "FloatStorage"): _StorageType("<f4"),
    ("torch", "LongStorage"): _StorageType("<i8"),
}


# The unpickler written in Python: the one in C reserves memory for any memo index it reads.
class _TensorUnpickler(pickle._Unpickler):
    """Knows the four names that tensors need; any other name ends the reading."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self.storages: dict[str, _Storage] = {}

    def find_class(self, module: str, name: str) -> object:
        """The stand-in for an allowed name; nothing is ever imported."""
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        return _ALLOWED[module, name]

    def persistent_load(self, pid: object) -> _Storage:
        """The storage that ("storage", type, key, location, count, view) stands for."""
        if not isinstance(pid, tuple) or len(pid) != 6 or pid[0] != "storage":
            raise pickle.UnpicklingError("a reference that is not a storage")
        _, kind, key, _, count, view = pid
        if not isinstance(kind, _StorageType) or not isinstance(key, str) or view is not None:
            raise pickle.UnpicklingError("a storage of an unknown kind")
        return self.storages.setdefault(key, _Storage(key, kind.elements, *_counts((count,))))


def read_checkpoint(path: Path) -> dict[str, Array]:
    """The tensors of the checkpoint at ``path`` by name, each an own array of float32 or int64.

    Raises InputError where the file is missing, is of another format, is truncated, or asks for
    anything but tensors: nothing that the file names is ever imported or called.
    """
    try:
        with path.open("rb") as file:
            views, storages = _read_pickles(file)
            data = _read_storages(file, path.stat().st_size, storages)
        return {str(name): _array(str(name), view, data) for name, view in dict.items(views)}
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from error
    except pickle.UnpicklingError as error:
        raise InputError(
            path,
            f"is not a checkpoint of plain tensors: {error}",
            hint="give a state_dict as torch.save wrote it before PyTorch 1.6",
        ) from error


def _read_pickles(file: BinaryIO) -> tuple[dict[object, object], Mapping[str, _Storage]]:
    """The saved mapping of names to views, and the storages, in the order of the file."""
    if _load(file)[0] != MAGIC_NUMBER or _load(file)[0] != PROTOCOL_VERSION:
        raise pickle.UnpicklingError("the magic number is missing")
    machine, _ = _load(file)
    if not isinstance(machine, dict) or dict.get(machine, "little_endian") is not True:
        raise pickle.UnpicklingError("its numbers are not little-endian")
    views, storages = _load(file)
    if not isinstance(views, dict):
        raise pickle.UnpicklingError("it does not hold tensors by name")
    keys, _ = _load(file)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages):
        raise pickle.UnpicklingError("its storages do not match its tensors")
    return views, {str(key): storages[str(key)] for key in keys}


def _load(file: BinaryIO) -> tuple[object, dict[str, _Storage]]:
    unpickler = _TensorUnpickler(file)
    try:
        return unpickler.load(), unpickler.storages
    except pickle.UnpicklingError:
        raise
    except Exception as error:  # a broken pickle may raise anything: pickle's documentation
        raise pickle.UnpicklingError(f"a broken pickle ({error})") from error


def _read_storages(
    file: BinaryIO, file_bytes: int, storages: Mapping[str, _Storage]
) -> dict[str, Array]:
    data = {}
    for key, storage in storages.items():
        elements = np.dtype(storage.elements)
        needed = storage.length * elements.itemsize
        count = int.from_bytes(file.read(8), "little")
        if count != storage.length or needed > file_bytes - file.tell():
            raise pickle.UnpicklingError(f"storage {key} is truncated")
        data[key] = np.frombuffer(file.read(needed), elements)
    return data


def _array(name: str, view: object, storages: Mapping[str, Array]) -> Array:
    if not isinstance(view, _View):
        raise pickle.UnpicklingError(f"{name} is not a tensor")
    data = storages[view.storage.key]
    size = math.prod(view.shape)
    reach = sum((side - 1) * step for side, step in zip(view.shape, view.strides, strict=True))
    if size > data.size or (size and view.offset + reach >= data.size):
        raise pickle.UnpicklingError(f"{name} reaches beyond its storage")
    steps = tuple(step * data.itemsize for step in view.strides)
    try:
        window = np.lib.stride_tricks.as_strided(data[view.offset :], view.shape, steps)
    except ValueError as error:  # more dimensions than numpy has
        raise pickle.UnpicklingError(f"{name} cannot be an array ({error})") from error
    return np.array(window)
