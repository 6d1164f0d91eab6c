"""Checks the description of a sparse tensor, which interpreters take on trust."""

from __future__ import annotations

from typing import NoReturn

from edgeq_device.flatfile import Table
from edgeq_device.tensors import Array

_DENSE, _CSR = 0, 1
_ELEMENTS = {1: "<i4", 2: "<u2", 3: "u1"}
"""Element types of the index vectors, by their type in the union."""


def check_sparsity(table: Table, rank: int) -> None:
    """Refuse a description whose parts do not fit each other, at the table's position.

    Fields of ``table``: 0 the order in which dimensions are stored, 1 which of them are split
    into blocks, 2 for each stored dimension its size or its compressed rows.
    """
    order, blocks = table.numbers(0, "<i4"), table.numbers(1, "<i4")
    dimensions = table.tables(2)
    stored = rank + len(blocks)
    if sorted(order) != list(range(stored)) or len(dimensions) != stored:
        _broken(table)
    if any(not 0 <= dimension < rank for dimension in blocks):
        _broken(table)
    for dimension in dimensions:
        _check_dimension(dimension)


def _check_dimension(table: Table) -> None:
    kind = table.scalar(0, "b")
    if kind == _DENSE:
        if table.scalar(1, "i") < 1:
            _broken(table)
        return
    segments, indices = _indices(table, 2), _indices(table, 4)
    if kind != _CSR or not segments.size or segments[0] != 0 or segments[-1] != indices.size:
        _broken(table)
    if (segments[1:] < segments[:-1]).any() or (indices.size and indices.min() < 0):
        _broken(table)


def _indices(table: Table, field: int) -> Array:
    elements = _ELEMENTS.get(table.scalar(field, "B"))
    values = table.table(field + 1)
    if elements is None or values is None:
        _broken(table)
    return values.vector(0, elements)


def _broken(table: Table) -> NoReturn:
    table.file.damaged("the description of a sparse tensor does not fit", table.position)
