"""Adding tensors and operators to a draft."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft
from edgeq.model import add_tensor, operator_code, schema, set_constant, tensor_name
from edgeq_device.tensors import Array

OPTIONS = {
    "ADD": "AddOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "LOGISTIC": "",
    "MAXIMUM": "MaximumMinimumOptions",
    "MEAN": "ReducerOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MUL": "MulOptions",
    "QUANTIZE": "QuantizeOptions",
    "RELU": "",
    "RELU6": "",
    "RELU_N1_TO_1": "",
    "RESHAPE": "ReshapeOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "SPLIT": "SplitOptions",
}
"""The options table of each operator that rewrites add; "" where it has none."""


def add_operator(
    draft: Draft, op: str, version: int, inputs: list[int], outputs: list[int], **options: Any
) -> Any:
    """A new operator, not yet in the graph: put it there with `Draft.replace`."""
    tables = schema()
    operator = tables.OperatorT()
    operator.opcodeIndex = operator_code(draft.model, op, version)
    operator.inputs = np.array(inputs, np.int32)
    operator.outputs = np.array(outputs, np.int32)
    kind = OPTIONS[op]
    if kind:
        operator.builtinOptionsType = getattr(tables.BuiltinOptions, kind)
        operator.builtinOptions = getattr(tables, kind + "T")()
        for key, value in options.items():
            setattr(operator.builtinOptions, key, value)
    return operator


def like(draft: Draft, index: int, shape: tuple[int, ...], name: str) -> int:
    """Add a computed tensor with the type and quantization of ``index`` in another shape."""
    old = draft.tensor(index)
    tensor = schema().TensorT()
    tensor.name = name
    tensor.type = old.type
    tensor.shape = np.array(shape, np.int32)
    tensor.buffer = 0
    tensor.quantization = old.quantization
    draft.graph.tensors.append(tensor)
    return len(draft.graph.tensors) - 1


def constant_like(draft: Draft, index: int, values: Array, channels: slice, axis: int) -> int:
    """Add a constant with the name of ``index`` and the scales of these channels of it.

    ``axis`` is where the channels lie in ``values``.
    """
    old = draft.tensor(index)
    tensor = schema().TensorT()
    tensor.name = f"{tensor_name(old)}/{channels.start}"
    set_constant(draft.model, tensor, values)
    if old.quantization is not None and old.quantization.scale is not None:
        quantization = schema().QuantizationParametersT()
        many = len(old.quantization.scale) > 1
        part = channels if many else slice(None)
        quantization.scale = np.array(old.quantization.scale, np.float32)[part]
        quantization.zeroPoint = np.array(old.quantization.zeroPoint, np.int64)[part]
        quantization.quantizedDimension = axis if many else 0
        tensor.quantization = quantization
    draft.graph.tensors.append(tensor)
    return len(draft.graph.tensors) - 1


def integers(draft: Draft, name: str, values: Any) -> int:
    """Add an int32 constant."""
    return add_tensor(draft.model, draft.graph, name, np.asarray(values, np.int32))


def is_int8(draft: Draft, index: int) -> bool:
    """True where the tensor holds int8."""
    return bool(draft.tensor(index).type == schema().TensorType.INT8)
