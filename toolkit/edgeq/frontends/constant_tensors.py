"""Which tensors of a graph have the same value at every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeq.model import EditableModel, operator_name

_SHAPE_OPERANDS: dict[str, tuple[int, ...]] = {
    "BATCH_TO_SPACE_ND": (1, 2),
    "BROADCAST_TO": (1,),
    "CONV_3D_TRANSPOSE": (0,),
    "EXPAND_DIMS": (1,),
    "FILL": (0,),
    "MEAN": (1,),
    "MIRROR_PAD": (1,),
    "ONE_HOT": (1,),
    "PAD": (1,),
    "PADV2": (1,),
    "RANGE": (0, 1, 2),
    "REDUCE_ALL": (1,),
    "REDUCE_ANY": (1,),
    "REDUCE_MAX": (1,),
    "REDUCE_MIN": (1,),
    "REDUCE_PROD": (1,),
    "RESHAPE": (1,),
    "RESIZE_BILINEAR": (1,),
    "RESIZE_NEAREST_NEIGHBOR": (1,),
    "SLICE": (1, 2),
    "SPACE_TO_BATCH_ND": (1, 2),
    "SPARSE_TO_DENSE": (1,),
    "SPLIT": (0,),
    "SPLIT_V": (1, 2),
    "STRIDED_SLICE": (1, 2, 3),
    "SUM": (1,),
    "TILE": (1,),
    "TOPK_V2": (1,),
    "TRANSPOSE": (1,),
    "TRANSPOSE_CONV": (0,),
}
"""The operands whose values decide the output's shape."""

_SIZE_BY_VALUES = {"UNIQUE", "WHERE"}
"""Operators whose output is as large as the values say."""

_SHAPE_UNTOLD = {"CALL", "CUSTOM", "IF", "STABLEHLO_COMPOSITE", "STABLEHLO_WHILE", "WHILE"}
"""Operators whose output shape is not looked for here; SHAPE behind them stays."""

RANDOM = {"MULTINOMIAL", "RANDOM_STANDARD_NORMAL", "RANDOM_UNIFORM"}

_NOT_A_FUNCTION = RANDOM | {
    "ASSIGN_VARIABLE",
    "CALL_ONCE",
    "HASHTABLE",
    "HASHTABLE_FIND",
    "HASHTABLE_IMPORT",
    "HASHTABLE_SIZE",
    "READ_VARIABLE",
    "VAR_HANDLE",
}
"""Operators that may answer otherwise at the next run."""


@dataclass(frozen=True)
class Constancy:
    """What the runs of a graph have in common."""

    computed: frozenset[int]
    """Tensors that operators compute from constants and from fixed shapes alone."""
    open: frozenset[int]
    """Tensors whose size depends on the values that go in."""


def examine(model: EditableModel, graph: Any) -> Constancy:
    """Walk the operators in order, from what is constant to what follows from it."""
    known = _constants(model, graph)
    computed: set[int] = set()
    open_size: set[int] = set()
    untold: set[int] = set()
    for operator in graph.operators:
        name = operator_name(model, operator)
        inputs = {int(index) for index in operator.inputs if int(index) >= 0}
        outputs = {int(index) for index in operator.outputs}
        if name in ("SHAPE", "RANK"):
            if not inputs & (open_size | untold):
                computed |= outputs
                known |= outputs
        elif name in _SHAPE_UNTOLD:
            untold |= outputs
        elif inputs and inputs <= known and name not in _NOT_A_FUNCTION | _SIZE_BY_VALUES:
            computed |= outputs
            known |= outputs
        elif name in _SIZE_BY_VALUES or inputs & open_size or _sized_by(name, operator, known):
            open_size |= outputs
        elif inputs & untold:
            untold |= outputs
    return Constancy(frozenset(computed), frozenset(open_size))


def _constants(model: EditableModel, graph: Any) -> set[int]:
    inputs = {int(index) for index in graph.inputs}
    return {
        number
        for number, tensor in enumerate(graph.tensors)
        if number not in inputs and not tensor.isVariable and _has_data(model, tensor)
    }


def _has_data(model: EditableModel, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _sized_by(name: str, operator: Any, known: set[int]) -> bool:
    """True where an operand that decides the output's shape is computed from values."""
    operands = [int(index) for index in operator.inputs]
    deciding = [operands[place] for place in _SHAPE_OPERANDS.get(name, ()) if place < len(operands)]
    return any(index >= 0 and index not in known for index in deciding)
