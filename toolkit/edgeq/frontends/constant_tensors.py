"""Which tensors of a graph have the same value at every run."""

from __future__ import annotations

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

_SHAPE_UNKNOWN = {
    "CALL",
    "CUSTOM",
    "IF",
    "NON_MAX_SUPPRESSION_V4",
    "NON_MAX_SUPPRESSION_V5",
    "UNIQUE",
    "WHERE",
    "WHILE",
}
"""Operators whose output shape only the run tells."""

_NOT_A_FUNCTION = _SHAPE_UNKNOWN | {
    "ASSIGN_VARIABLE",
    "CALL_ONCE",
    "HASHTABLE",
    "HASHTABLE_FIND",
    "HASHTABLE_IMPORT",
    "HASHTABLE_SIZE",
    "MULTINOMIAL",
    "RANDOM_STANDARD_NORMAL",
    "RANDOM_UNIFORM",
    "READ_VARIABLE",
    "VAR_HANDLE",
}
"""Operators that may answer otherwise at the next run."""


def computed_from_constants(model: EditableModel, graph: Any) -> set[int]:
    """Tensors that operators compute from constants and from shapes that are fixed alone."""
    given = _constants(model, graph)
    computed: set[int] = set()
    open_shape: set[int] = set()
    for operator in graph.operators:
        name = operator_name(model, operator)
        inputs = [int(index) for index in operator.inputs if int(index) >= 0]
        outputs = {int(index) for index in operator.outputs}
        known = given | computed
        if name == "SHAPE" or name == "RANK":
            if not open_shape.intersection(inputs):
                computed |= outputs
        elif name not in _NOT_A_FUNCTION and inputs and known.issuperset(inputs):
            computed |= outputs
        elif _leaves_shape_open(name, operator, known) or open_shape.intersection(inputs):
            open_shape |= outputs
    return computed


def _constants(model: EditableModel, graph: Any) -> set[int]:
    inputs = {int(index) for index in graph.inputs}
    return {
        number
        for number, tensor in enumerate(graph.tensors)
        if number not in inputs
        and not tensor.isVariable
        and model.buffers[tensor.buffer].data is not None
        and len(model.buffers[tensor.buffer].data) > 0
    }


def _leaves_shape_open(name: str, operator: Any, known: set[int]) -> bool:
    if name in _SHAPE_UNKNOWN:
        return True
    operands = [int(index) for index in operator.inputs]
    deciding = [operands[place] for place in _SHAPE_OPERANDS.get(name, ()) if place < len(operands)]
    return any(index >= 0 and index not in known for index in deciding)
