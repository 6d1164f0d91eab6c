"""The structural check: refuses what an interpreter would crash on.

Interpreters trust a .tflite file: they follow its indices and sizes unchecked. Found out by
flipping bits in real models and running them: what is refused here ends the process there.
"""

from __future__ import annotations

from math import isfinite

from edgeq_device.tflite.constants import split_strings
from edgeq_device.tflite.dtypes import byte_size, integer_range
from edgeq_device.tflite.model import ABSENT, Model, Operator, Quantization, Subgraph, Tensor
from edgeq_device.tflite.operators import (
    MAX_RANK,
    called_subgraphs,
    check_operator,
    label,
    refuse,
)

MAX_TENSOR_BYTES = 2**31 - 1
_SMALLEST_SCALE = 2.0**-126
"""The smallest normal float32; XNNPACK refuses smaller scales, and not gracefully."""


def check(model: Model) -> None:
    """Raise `ModelError`, naming operator and tensor, where the model does not hold together."""
    if not model.subgraphs:
        refuse(model, "it has no subgraph")
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            _check_tensor(model, tensor)
        for index in (*graph.inputs, *graph.outputs):
            _check_index(model, graph, index, "a model input or output")
        _check_order(model, graph)
        for operator in graph.operators:
            check_operator(model, graph, operator)
    _check_inputs(model)
    _check_calls(model)
    _check_signatures(model)


def tensor_label(tensor: Tensor) -> str:
    """How a message names a tensor."""
    return f'tensor {tensor.index} "{tensor.name}"'


def _check_tensor(model: Model, tensor: Tensor) -> None:
    if tensor.buffer and tensor.buffer >= len(model.buffers):
        refuse(
            model, f"{tensor_label(tensor)} names buffer {tensor.buffer} of {len(model.buffers)}"
        )
    if tensor.shape and (min(tensor.shape) < 0 or len(tensor.shape) > MAX_RANK):
        refuse(model, f"{tensor_label(tensor)} has the shape {list(tensor.shape)}")
    if tensor.quantization.scales:
        _check_quantization(model, tensor, tensor.quantization)
    contents = model.contents(tensor)
    if tensor.dtype == "string" and len(contents) and split_strings(contents) is None:
        refuse(model, f"{tensor_label(tensor)} holds texts whose offsets are broken")
    if tensor.dtype in ("resource", "variant") and len(contents):
        refuse(model, f"{tensor_label(tensor)} is a {tensor.dtype} and holds bytes")
    _check_size(model, tensor, len(contents))


def _check_size(model: Model, tensor: Tensor, held: int) -> None:
    full = byte_size(tensor.dtype, tensor.elements)
    if full is None:
        return
    if full > MAX_TENSOR_BYTES:
        refuse(model, f"{tensor_label(tensor)} takes {full} bytes, more than 2 GiB")
    needed = full if tensor.stored is None else byte_size(tensor.dtype, tensor.stored)
    if held and held != needed:
        refuse(model, f"{tensor_label(tensor)} takes {needed} bytes, but the file holds {held}")


def _check_quantization(model: Model, tensor: Tensor, quantization: Quantization) -> None:
    scales, zeros = quantization.scales, quantization.zero_points
    if not (isfinite(sum(scales)) and min(scales) >= _SMALLEST_SCALE):
        for scale in scales:
            # Zero is left to those who judge the model: an LSTM's unused parts have it.
            if not (scale == 0.0 or (isfinite(scale) and scale >= _SMALLEST_SCALE)):
                refuse(model, f"{tensor_label(tensor)} has the scale {scale}")
    if len(zeros) not in (1, len(scales)):
        refuse(
            model,
            f"{tensor_label(tensor)} has {len(scales)} scales and {len(zeros)} zero points",
        )
    limits = integer_range(tensor.dtype)
    if limits and not limits[0] <= min(zeros) <= max(zeros) <= limits[1]:
        refuse(model, f"{tensor_label(tensor)} has a zero point outside {tensor.dtype}")
    if len(scales) > 1:
        axis = quantization.axis
        if not 0 <= axis < len(tensor.shape) or tensor.shape[axis] != len(scales):
            refuse(
                model,
                f"{tensor_label(tensor)} has {len(scales)} scales along axis {axis} "
                f"of the shape {list(tensor.shape)}",
            )


def _check_index(model: Model, graph: Subgraph, index: int, where: str) -> None:
    if not 0 <= index < len(graph.tensors):
        refuse(model, f"{where} names tensor {index} of {len(graph.tensors)}")


def _check_order(model: Model, graph: Subgraph) -> None:
    """Every tensor is written once, before it is read, and constants never."""
    for index in graph.inputs:
        if model.is_constant(graph.tensors[index]):
            refuse(model, f"the input {tensor_label(graph.tensors[index])} is a constant")
    ready = set(graph.inputs)
    for operator in graph.operators:
        for index in (*operator.inputs, *operator.intermediates):
            if index != ABSENT:
                _check_index(model, graph, index, label(graph, operator))
        for index in operator.inputs:
            if index not in ready and index != ABSENT and not _has_contents(model, graph, index):
                what = f"{label(graph, operator)} reads {tensor_label(graph.tensors[index])}"
                refuse(model, f"{what} before anything writes it")
        _check_outputs(model, graph, operator, ready)
        ready.update(operator.outputs)
    for index in graph.outputs:
        if index not in ready and not _has_contents(model, graph, index):
            refuse(model, f"nothing writes the output {tensor_label(graph.tensors[index])}")


def _has_contents(model: Model, graph: Subgraph, index: int) -> bool:
    """True for a tensor that may be read though no operator writes it."""
    tensor = graph.tensors[index]
    # An empty constant has no bytes, so that nothing tells it from a tensor without contents.
    empty = tensor.elements == 0 or tensor.dtype in ("string", "resource", "variant")
    external = tensor.external_buffer > 0
    return model.is_constant(tensor) or tensor.is_variable or external or empty


def _check_outputs(model: Model, graph: Subgraph, operator: Operator, ready: set[int]) -> None:
    name = label(graph, operator)
    for index in operator.outputs:
        _check_index(model, graph, index, name)
        tensor = graph.tensors[index]
        if model.is_constant(tensor):
            refuse(model, f"{name} writes the constant {tensor_label(tensor)}")
        if tensor.is_variable:
            refuse(model, f"{name} writes the variable {tensor_label(tensor)}")
        if index in ready:
            refuse(model, f"{name} writes {tensor_label(tensor)} a second time")


def _check_inputs(model: Model) -> None:
    """Kernels divide by the sizes of what they are given."""
    for index in model.main.inputs:
        tensor = model.main.tensors[index]
        if tensor.elements == 0:
            refuse(model, f"the input {tensor_label(tensor)} has the shape {list(tensor.shape)}")


def _check_calls(model: Model) -> None:
    """Subgraphs must not call themselves, over any number of steps."""
    calls = {
        graph.index: {index for op in graph.operators for index in called_subgraphs(op)}
        for graph in model.subgraphs
    }
    while True:
        leaves = {index for index, called in calls.items() if not called & calls.keys()}
        if not leaves:
            break
        for index in leaves:
            del calls[index]
    if calls:
        refuse(model, f"subgraph {min(calls)} calls itself")


def _check_signatures(model: Model) -> None:
    for signature in model.signatures:
        name = f'the signature "{signature.key}"'
        if signature.subgraph >= len(model.subgraphs):
            refuse(model, f"{name} names subgraph {signature.subgraph}")
        graph = model.subgraphs[signature.subgraph]
        for _, index in (*signature.inputs, *signature.outputs):
            _check_index(model, graph, index, name)
