"""Turns the bytes of a constant into an array."""

from __future__ import annotations

import numpy as np

from edgeq_device.errors import ModelError
from edgeq_device.flatfile import DAMAGED_HINT
from edgeq_device.tensors import Array
from edgeq_device.tflite.dtypes import in_numpy


def decode(model: str, tensor: str, dtype: str, shape: tuple[int, ...], data: memoryview) -> Array:
    """The constant as an array of ``shape``; a view of ``data`` where numpy has the type."""
    if in_numpy(dtype):
        layout = np.dtype(dtype).newbyteorder("<")
        count = int(np.prod(shape, dtype=np.int64))
        return np.frombuffer(data, layout, count).reshape(shape)
    if dtype == "int4":
        return _unpack_int4(data, shape)
    if dtype == "string":
        return _strings(model, tensor, shape, data)
    raise ModelError(
        model,
        f'has the constant "{tensor}" of type {dtype}, which numpy cannot hold',
        hint="convert the model with int8 or float32 weights",
    )


def _unpack_int4(data: memoryview, shape: tuple[int, ...]) -> Array:
    """Two's complement nibbles, the low one first -> int8."""
    packed = np.frombuffer(data, np.int8)
    pairs = np.stack([packed << 4 >> 4, packed >> 4], axis=1)
    count = int(np.prod(shape, dtype=np.int64))
    return np.asarray(pairs.reshape(-1)[:count].reshape(shape), np.int8)


def _strings(model: str, tensor: str, shape: tuple[int, ...], data: memoryview) -> Array:
    """A count, count + 1 offsets (int32), then the texts -> an object array of bytes."""
    texts = split_strings(data)
    count = int(np.prod(shape, dtype=np.int64))
    if texts is None or len(texts) != count:
        raise ModelError(
            model, f'is damaged: the texts of "{tensor}" do not fit', hint=DAMAGED_HINT
        )
    array = np.empty(count, object)
    array[:] = texts
    return array.reshape(shape)


def split_strings(data: memoryview) -> list[bytes] | None:
    """The texts of a packed string tensor, or None where its offsets are broken."""
    if len(data) < 4:
        return None
    count = int(np.frombuffer(data, "<i4", 1)[0])
    if count < 0 or 4 * (count + 2) > len(data):
        return None
    offsets = np.frombuffer(data, "<i4", count + 1, 4)
    if offsets[0] < 4 * (count + 2) or offsets[-1] > len(data) or (np.diff(offsets) < 0).any():
        return None
    places = offsets.tolist()
    return [bytes(data[start:end]) for start, end in zip(places, places[1:])]
