"""Which tensors of a graph have the same value at every run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from edgeq.model import EditableModel, operator_name
from edgeq.ops import SHAPE_OPERANDS, SIZED_BY_DATA

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
        elif inputs and inputs <= known and name not in _NOT_A_FUNCTION | SIZED_BY_DATA:
            computed |= outputs
            known |= outputs
        elif name in SIZED_BY_DATA or inputs & open_size or _sized_by(name, operator, known):
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
    deciding = [operands[place] for place in SHAPE_OPERANDS.get(name, ()) if place < len(operands)]
    return any(index >= 0 and index not in known for index in deciding)
