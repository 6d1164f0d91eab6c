"""The structural check: refuses what an interpreter would crash on."""

from __future__ import annotations

from typing import NoReturn

from edgeq_device.errors import ModelError
from edgeq_device.flatfile import DAMAGED_HINT
from edgeq_device.tflite.dtypes import byte_size
from edgeq_device.tflite.model import ABSENT, Model, Operator, Subgraph, Tensor

MAX_TENSOR_BYTES = 2**31 - 1


def check(model: Model) -> None:
    """Raise `ModelError`, naming operator and tensor, where the model does not hold together."""
    if not model.subgraphs:
        _fail(model, "it has no subgraph")
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            _check_tensor(model, tensor)
        _check_order(model, graph)


def _fail(model: Model, problem: str) -> NoReturn:
    raise ModelError(model.name, f"is damaged: {problem}", hint=DAMAGED_HINT)


def _check_tensor(model: Model, tensor: Tensor) -> None:
    label = f'tensor {tensor.index} "{tensor.name}"'
    if tensor.buffer and tensor.buffer >= len(model.buffers):
        _fail(model, f"{label} names buffer {tensor.buffer} of {len(model.buffers)}")
    if any(size < 0 for size in tensor.shape):
        _fail(model, f"{label} has the shape {list(tensor.shape)}")
    needed = byte_size(tensor.dtype, tensor.elements)
    if needed is None or tensor.is_sparse:
        return
    if needed > MAX_TENSOR_BYTES:
        _fail(model, f"{label} takes {needed} bytes")
    held = len(model.contents(tensor))
    if held and held != needed:
        _fail(model, f"{label} takes {needed} bytes, but the file holds {held}")


def _check_order(model: Model, graph: Subgraph) -> None:
    ready = set(graph.inputs)
    for index in (*graph.inputs, *graph.outputs):
        _check_index(model, graph, index, "the model's inputs and outputs")
    for operator in graph.operators:
        where = f"operator {operator.index} {operator.label}"
        for index in operator.inputs:
            if index == ABSENT:
                continue
            _check_index(model, graph, index, where)
            _check_ready(model, operator, graph.tensors[index], ready)
        for index in operator.outputs:
            _check_index(model, graph, index, where)
            ready.add(index)


def _check_index(model: Model, graph: Subgraph, index: int, where: str) -> None:
    if not 0 <= index < len(graph.tensors):
        _fail(model, f"{where} names tensor {index} of {len(graph.tensors)}")


def _check_ready(model: Model, operator: Operator, tensor: Tensor, ready: set[int]) -> None:
    if tensor.index in ready or tensor.is_variable or tensor.elements == 0:
        return
    if not model.is_constant(tensor) and not tensor.external_buffer:
        _fail(
            model,
            f"operator {operator.index} {operator.label} reads tensor {tensor.index} "
            f'"{tensor.name}" before anything writes it',
        )
