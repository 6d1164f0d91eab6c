"""The element types of TFLite tensors: their names, sizes and numpy layouts."""

from __future__ import annotations

TENSOR_TYPES: tuple[str, ...] = (
    "float32",
    "float16",
    "int32",
    "uint8",
    "int64",
    "string",
    "bool",
    "int16",
    "complex64",
    "int8",
    "float64",
    "complex128",
    "uint64",
    "resource",
    "variant",
    "uint32",
    "uint16",
    "int4",
    "bfloat16",
    "int2",
    "uint4",
    "float8_e4m3fn",
    "float8_e5m2",
)
"""By code in the file (schema 3); numpy's names where numpy has the type."""

_BITS = {
    "float32": 32,
    "float16": 16,
    "int32": 32,
    "uint8": 8,
    "int64": 64,
    "bool": 8,
    "int16": 16,
    "complex64": 64,
    "int8": 8,
    "float64": 64,
    "complex128": 128,
    "uint64": 64,
    "uint32": 32,
    "uint16": 16,
    "int4": 4,
    "bfloat16": 16,
    "int2": 2,
    "uint4": 4,
    "float8_e4m3fn": 8,
    "float8_e5m2": 8,
}

_NOT_IN_NUMPY = {"string", "resource", "variant", "int4", "int2", "uint4", "bfloat16"}


def element_bits(dtype: str) -> int | None:
    """Bits of one element, or None where they depend on the contents (strings, handles)."""
    return _BITS.get(dtype)


def in_numpy(dtype: str) -> bool:
    """True where numpy can hold the type as the file stores it."""
    return dtype in _BITS and dtype not in _NOT_IN_NUMPY and not dtype.startswith("float8")


def byte_size(dtype: str, elements: int) -> int | None:
    """Bytes of a dense constant; sub-byte types are packed, the last byte filled up."""
    bits = element_bits(dtype)
    return None if bits is None else (elements * bits + 7) // 8


def integer_range(dtype: str) -> tuple[int, int] | None:
    """Smallest and largest value of an integer type, or None for other types."""
    if not dtype.startswith(("int", "uint")):
        return None
    bits = _BITS[dtype]
    if dtype.startswith("u"):
        return 0, 2**bits - 1
    return -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
