"""Checks the description of a sparse tensor, which interpreters take on trust."""

from __future__ import annotations

from typing import NoReturn

from edgeq_device.flatfile import Table
from edgeq_device.tensors import Array

_DENSE, _CSR = 0, 1
_ELEMENTS = {1: "<i4", 2: "<u2", 3: "u1"}
"""Element types of the index vectors, by their type in the union."""


def stored_elements(table: Table, shape: tuple[int, ...]) -> int:
    """How many elements a sparse tensor stores; refuses a description that does not fit ``shape``.

    Fields of ``table``: 0 the order in which dimensions are stored, 1 which of them are split
    into blocks (the blocks are stored after the others), 2 for each stored dimension its size,
    or its compressed rows: where each row starts, and the positions of its elements.
    """
    order, blocks = table.numbers(0, "<i4"), table.numbers(1, "<i4")
    dimensions = table.tables(2)
    rank = len(shape)
    if sorted(order) != list(range(rank + len(blocks))) or len(dimensions) != len(order):
        _broken(table)
    if len(set(blocks)) != len(blocks) or any(not 0 <= block < rank for block in blocks):
        _broken(table)
    sizes = _stored_sizes(table, shape, blocks, dict(zip(order, dimensions)))
    elements = 1
    for number, dimension in zip(order, dimensions):
        elements = _descend(dimension, elements, sizes[number])
    return elements


def _stored_sizes(
    table: Table, shape: tuple[int, ...], blocks: tuple[int, ...], by_number: dict[int, Table]
) -> list[int]:
    """The sizes of the stored dimensions: the shape in blocks, then the sizes of the blocks."""
    sizes = list(shape)
    for place, block in enumerate(blocks):
        size = by_number[len(shape) + place].scalar(1, "i")
        if size < 1 or sizes[block] % size:
            _broken(table)
        sizes[block] //= size
        sizes.append(size)
    return sizes


def _descend(table: Table, rows: int, size: int) -> int:
    """Elements of one more dimension of ``size`` under ``rows`` elements of those before."""
    kind = table.scalar(0, "b")
    if kind == _DENSE:
        if table.scalar(1, "i") != size:
            _broken(table)
        return rows * size
    starts, positions = _indices(table, 2), _indices(table, 4)
    if kind != _CSR or starts.size != rows + 1 or starts[0] != 0 or starts[-1] != positions.size:
        _broken(table)
    if (starts[1:] < starts[:-1]).any():
        _broken(table)
    if positions.size and not 0 <= positions.min() <= positions.max() < size:
        _broken(table)
    return positions.size


def _indices(table: Table, field: int) -> Array:
    elements = _ELEMENTS.get(table.scalar(field, "B"))
    values = table.table(field + 1)
    if elements is None or values is None:
        _broken(table)
    return values.vector(0, elements)


def _broken(table: Table) -> NoReturn:
    table.file.damaged("the description of a sparse tensor does not fit", table.position)
