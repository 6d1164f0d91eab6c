"""A float model with one dense layer, small enough to test a quantizer at every start."""

from __future__ import annotations

import numpy as np

from edgeq import model as editable


def tiny_float_model() -> bytes:
    """A .tflite [1, 2] -> [1, 1] that computes ``x0 + 3 * x1``; tensors "in" and "out"."""
    tables = editable.schema()
    model, subgraph = tables.ModelT(), tables.SubGraphT()
    model.version, model.operatorCodes, model.buffers = 3, [], [tables.BufferT()]
    model.subgraphs, subgraph.tensors = [subgraph], []
    for name, size in (("in", 2), ("out", 1)):
        tensor = tables.TensorT()
        tensor.name, tensor.buffer = name, 0
        tensor.shape = np.asarray([1, size], np.int32)
        tensor.type = tables.TensorType.FLOAT32
        subgraph.tensors.append(tensor)
    weights = editable.add_tensor(model, subgraph, "weights", np.array([[1, 3]], np.float32))
    layer = tables.OperatorT()
    layer.opcodeIndex = editable.operator_code(model, "FULLY_CONNECTED", 1)
    layer.builtinOptionsType = tables.BuiltinOptions.FullyConnectedOptions
    layer.builtinOptions = tables.FullyConnectedOptionsT()
    layer.inputs = np.asarray([0, weights, -1], np.int32)
    layer.outputs = np.asarray([1], np.int32)
    subgraph.operators = [layer]
    subgraph.inputs, subgraph.outputs = np.array([0], np.int32), np.array([1], np.int32)
    return editable.write(model)
