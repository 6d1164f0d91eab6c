"""Drop what nothing uses any more: operators, tensors, constants, operator codes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from edgeq.model.objects import EditableModel, operator_name

_HAS_AN_EFFECT = {"ASSIGN_VARIABLE", "CALL_ONCE", "CUSTOM", "HASHTABLE_IMPORT", "WHILE", "CALL"}


def drop_dead_parts(model: EditableModel) -> None:
    """Shrink the first subgraph to what its outputs need, then the model's shared lists."""
    graph = model.subgraphs[0]
    _drop_operators(model, graph)
    _drop_tensors(model, graph)
    _drop_codes(model)
    _drop_buffers(model)


def _drop_operators(model: EditableModel, graph: Any) -> None:
    needed = {int(index) for index in graph.outputs}
    kept = []
    for operator in reversed(graph.operators):
        outputs = {int(index) for index in operator.outputs}
        if outputs & needed or not outputs or operator_name(model, operator) in _HAS_AN_EFFECT:
            kept.append(operator)
            needed |= {int(index) for index in operator.inputs}
    graph.operators = kept[::-1]


def _drop_tensors(model: EditableModel, graph: Any) -> None:
    used = {int(index) for index in (*graph.inputs, *graph.outputs)}
    for operator in graph.operators:
        for field in ("inputs", "outputs", "intermediates"):
            used |= {int(index) for index in _list(getattr(operator, field))}
    used.discard(-1)
    order = sorted(used)
    place = {old: new for new, old in enumerate(order)} | {-1: -1}
    graph.tensors = [graph.tensors[index] for index in order]
    for holder in (graph, *graph.operators):
        for field in ("inputs", "outputs", "intermediates"):
            values = getattr(holder, field, None)
            if values is not None:
                moved = [place[int(index)] for index in values]
                setattr(holder, field, np.asarray(moved, np.int32))
    for signature in model.signatureDefs or ():
        if signature.subgraphIndex == 0:
            for entry in (*_list(signature.inputs), *_list(signature.outputs)):
                entry.tensorIndex = place[int(entry.tensorIndex)]


def _drop_codes(model: EditableModel) -> None:
    operators = [operator for graph in model.subgraphs for operator in _list(graph.operators)]
    used = sorted({int(operator.opcodeIndex) for operator in operators})
    place = {old: new for new, old in enumerate(used)}
    model.operatorCodes = [model.operatorCodes[index] for index in used]
    for operator in operators:
        operator.opcodeIndex = place[int(operator.opcodeIndex)]


def _drop_buffers(model: EditableModel) -> None:
    """Buffer 0 stays, where there is one: it is the empty one by convention."""
    if not model.buffers:
        return
    holders = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    holders += _list(model.metadata)
    count = len(model.buffers)  # metadata of strangers may point behind it
    used = sorted({0} | {int(one.buffer) for one in holders if int(one.buffer) < count})
    place = {old: new for new, old in enumerate(used)}
    model.buffers = [model.buffers[index] for index in used]
    for holder in holders:
        holder.buffer = place.get(int(holder.buffer), 0)
    if model.metadataBuffer is not None:
        kept = [place[int(index)] for index in model.metadataBuffer if int(index) in place]
        model.metadataBuffer = kept or None


def _list(values: Iterable[Any] | None) -> list[Any]:
    return [] if values is None else list(values)
