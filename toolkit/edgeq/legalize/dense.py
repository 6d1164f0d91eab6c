"""Write dense layers with a scale per row as 1x1 convolutions: the same numbers, bit for bit.

Converters since TensorFlow 2.17 give FULLY_CONNECTED weights one scale per output. Interpreters
of TensorFlow 2.5, and so the frozen compiler's, load such a layer and compute rubbish; the same
weights in a CONV_2D are what they have always known.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, Rewrite, Touched
from edgeq.model import (
    EditableModel,
    add_tensor,
    constant,
    operator_code,
    operator_name,
    read,
    schema,
    tensor_name,
    write,
)


def one_scale_dense(data: bytes, name: str = "model") -> tuple[bytes, tuple[str, ...]]:
    """Checked .tflite bytes -> the model without per-channel dense layers, and which those were.

    The names are those of the layers' outputs; where there are none the bytes come back as they
    are. A layer whose weights are computed, shuffled or not int8 stays: the contract names it.
    """
    model = read(data, name)
    changed = _rewrite(model)
    return (write(model), tuple(one.output for one in changed)) if changed else (data, ())


def _rewrite(model: EditableModel) -> tuple[Touched, ...]:
    graph = model.subgraphs[0]
    changed: list[Touched] = []
    operators: list[Any] = []
    for operator in graph.operators or ():
        if operator_name(model, operator) == "FULLY_CONNECTED" and _fits(model, operator):
            name = tensor_name(graph.tensors[operator.outputs[0]])
            changed.append(Touched("FULLY_CONNECTED", name))
            operators += _as_convolution(model, operator)
        else:
            operators.append(operator)
    if changed:
        graph.operators = operators
    return tuple(changed)


def _fits(model: EditableModel, operator: Any) -> bool:
    """True for a per-channel int8 layer with constant weights in the default order."""
    int8 = schema().TensorType.INT8
    if len(operator.inputs) < 2 or operator.inputs[1] < 0:
        return False
    tensors = model.subgraphs[0].tensors
    values, weights = (tensors[index] for index in operator.inputs[:2])
    options = operator.builtinOptions
    return (
        values.type == weights.type == tensors[operator.outputs[0]].type == int8
        and _scales(values) == 1
        and len(weights.shape) == 2
        and _scales(weights) == weights.shape[0] > 1
        and weights.quantization.quantizedDimension == 0
        and constant(model, weights) is not None
        and (options is None or options.weightsFormat == 0)
    )


def _scales(tensor: Any) -> int:
    quantization = tensor.quantization
    return 0 if quantization is None or quantization.scale is None else len(quantization.scale)


def _as_convolution(model: EditableModel, operator: Any) -> list[Any]:
    """RESHAPE to (1, rows, 1, width), CONV_2D with 1x1 kernels, RESHAPE to the layer's output."""
    tensors = model.subgraphs[0].tensors
    source, target = operator.inputs[0], operator.outputs[0]
    weights = tensors[operator.inputs[1]]
    outputs, width = (int(size) for size in weights.shape)
    rows = int(np.prod(tensors[source].shape)) // width
    name = tensor_name(tensors[target])
    wide = _like(model, source, (1, rows, 1, width), f"{name}/rows")
    narrow = _like(model, target, (1, rows, 1, outputs), f"{name}/convolution")
    kernel = _like(model, operator.inputs[1], (outputs, 1, 1, width), f"{name}/kernel")
    bias = operator.inputs[2] if len(operator.inputs) > 2 else -1
    if bias < 0:
        bias = _zero_bias(model, source, weights, f"{name}/bias")
    activation = 0
    if operator.builtinOptions is not None:
        activation = operator.builtinOptions.fusedActivationFunction
    return [
        _reshape(model, source, wide),
        _convolution(model, (wide, kernel, bias), narrow, activation),
        _reshape(model, narrow, target),
    ]


def _like(model: EditableModel, index: int, shape: tuple[int, ...], name: str) -> int:
    """Add a tensor with the type, quantization and contents of ``index`` in another shape."""
    tensors = model.subgraphs[0].tensors
    old = tensors[index]
    tensor = schema().TensorT()
    tensor.name = name
    tensor.type = old.type
    tensor.shape = np.array(shape, np.int32)
    tensor.buffer = old.buffer
    tensor.quantization = old.quantization
    tensors.append(tensor)
    return len(tensors) - 1


def _zero_bias(model: EditableModel, source: int, weights: Any, name: str) -> int:
    """Add the int32 zeros that older convolution kernels ask for."""
    graph = model.subgraphs[0]
    scales = np.asarray(weights.quantization.scale, np.float32)
    input_scale = np.float32(graph.tensors[source].quantization.scale[0])
    index = add_tensor(model, graph, name, np.zeros(len(scales), np.int32))
    quantization = schema().QuantizationParametersT()
    quantization.scale = scales * input_scale
    quantization.zeroPoint = np.zeros(len(scales), np.int64)
    graph.tensors[index].quantization = quantization
    return index


def _reshape(model: EditableModel, source: int, target: int) -> Any:
    tables = schema()
    graph = model.subgraphs[0]
    shape = np.array(graph.tensors[target].shape, np.int32)
    name = f"{tensor_name(graph.tensors[target])}/shape"
    operator = tables.OperatorT()
    operator.opcodeIndex = operator_code(model, "RESHAPE", 1)
    operator.inputs = np.array([source, add_tensor(model, graph, name, shape)], np.int32)
    operator.outputs = np.array([target], np.int32)
    operator.builtinOptionsType = tables.BuiltinOptions.ReshapeOptions
    operator.builtinOptions = tables.ReshapeOptionsT()
    operator.builtinOptions.newShape = shape
    return operator


def _convolution(
    model: EditableModel, operands: tuple[int, int, int], target: int, activation: int
) -> Any:
    tables = schema()
    options = tables.Conv2DOptionsT()
    options.padding = tables.Padding.VALID
    options.strideW = options.strideH = 1
    options.dilationWFactor = options.dilationHFactor = 1
    options.fusedActivationFunction = activation
    operator = tables.OperatorT()
    # Version 3 is the first with int8, and what converters write for it.
    operator.opcodeIndex = operator_code(model, "CONV_2D", 3)
    operator.inputs = np.array(operands, np.int32)
    operator.outputs = np.array([target], np.int32)
    operator.builtinOptionsType = tables.BuiltinOptions.Conv2DOptions
    operator.builtinOptions = options
    return operator


def _apply(draft: Draft) -> tuple[Touched, ...]:
    return _rewrite(draft.model)


DENSE = Rewrite(
    "per-channel-dense",
    "FULLY_CONNECTED with a scale per output, which TensorFlow 2.5 computes wrongly, becomes a "
    "1x1 CONV_2D",
    _apply,
)
