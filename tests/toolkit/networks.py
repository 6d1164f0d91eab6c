"""Builds float .tflite models, operator by operator, with the editable model's objects."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq import model as editable

OPTIONS = {
    "ADD": "AddOptions",
    "ARG_MAX": "ArgMaxOptions",
    "CONCATENATION": "ConcatenationOptions",
    "CONV_2D": "Conv2DOptions",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2DOptions",
    "FULLY_CONNECTED": "FullyConnectedOptions",
    "GATHER": "GatherOptions",
    "MAX_POOL_2D": "Pool2DOptions",
    "MEAN": "ReducerOptions",
    "MUL": "MulOptions",
    "PACK": "PackOptions",
    "RESHAPE": "ReshapeOptions",
    "RESIZE_BILINEAR": "ResizeBilinearOptions",
    "RESIZE_NEAREST_NEIGHBOR": "ResizeNearestNeighborOptions",
    "SOFTMAX": "SoftmaxOptions",
    "SPACE_TO_DEPTH": "SpaceToDepthOptions",
    "SPLIT": "SplitOptions",
    "SPLIT_V": "SplitVOptions",
    "STRIDED_SLICE": "StridedSliceOptions",
    "SUB": "SubOptions",
    "SUM": "ReducerOptions",
    "TRANSPOSE_CONV": "TransposeConvOptions",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTMOptions",
    "UNPACK": "UnpackOptions",
}
"""The options table that each operator needs; others are written without one."""

NONE, RELU = 0, 1
SAME, VALID = 0, 1


class Network:
    """A float model under construction; every method returns the index of the tensor it adds."""

    def __init__(self, seed: int = 0) -> None:
        tables = editable.schema()
        self.tables = tables
        self.random = np.random.default_rng(seed)
        self.model, self.graph = tables.ModelT(), tables.SubGraphT()
        self.model.version = 3
        self.model.operatorCodes, self.model.buffers = [], [tables.BufferT()]
        self.model.subgraphs = [self.graph]
        self.graph.tensors, self.graph.operators, self.graph.inputs = [], [], []

    def tensor(self, name: str | None, shape: tuple[int, ...], dtype: str = "float32") -> int:
        tensor = self.tables.TensorT()
        tensor.name, tensor.buffer = name, 0
        tensor.shape = np.asarray(shape, np.int32)
        tensor.type = editable.tensor_type(np.dtype(dtype))
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def input(self, name: str, shape: tuple[int, ...], dtype: str = "float32") -> int:
        self.graph.inputs.append(self.tensor(name, shape, dtype))
        return int(self.graph.inputs[-1])

    def constant(self, name: str, values: Any) -> int:
        return editable.add_tensor(self.model, self.graph, name, np.asarray(values))

    def shape(self, index: int) -> tuple[int, ...]:
        return tuple(int(size) for size in self.graph.tensors[index].shape)

    def op(
        self,
        op: str,
        inputs: list[int],
        *results: tuple[str | None, tuple[int, ...]],
        version: int = 1,
        **options: Any,
    ) -> int:
        """Add an operator with float32 results (name, shape); returns the first one's index."""
        operator = self.tables.OperatorT()
        operator.opcodeIndex = editable.operator_code(self.model, op, version)
        operator.inputs = np.asarray(inputs, np.int32)
        outputs = [self.tensor(name, shape) for name, shape in results]
        operator.outputs = np.asarray(outputs, np.int32)
        if op in OPTIONS:
            kind = OPTIONS[op]
            operator.builtinOptionsType = getattr(self.tables.BuiltinOptions, kind)
            operator.builtinOptions = getattr(self.tables, kind + "T")()
            for key, value in options.items():
                assert hasattr(operator.builtinOptions, key)
                setattr(operator.builtinOptions, key, value)
        self.graph.operators.append(operator)
        return outputs[0]

    def conv(
        self,
        source: int,
        filters: int,
        name: str | None = "conv",
        *,
        size: int = 3,
        stride: int = 1,
        padding: int = SAME,
        activation: int = NONE,
        weights: int | None = None,
    ) -> int:
        _, height, width, channels = self.shape(source)
        if weights is None:
            kernel = self.random.normal(0, 0.3, (filters, size, size, channels))
            weights = self.constant(f"{name}/weights", kernel.astype(np.float32))
        bias = self.constant(f"{name}/bias", self.random.normal(0, 0.3, filters).astype(np.float32))
        shape = (1, span(height, size, stride, padding), span(width, size, stride, padding))
        return self.op(
            "CONV_2D",
            [source, weights, bias],
            (name, (*shape, filters)),
            padding=padding,
            strideH=stride,
            strideW=stride,
            fusedActivationFunction=activation,
        )

    def depthwise(
        self, source: int, multiplier: int = 1, name: str = "depthwise", *, padding: int = VALID
    ) -> int:
        _, height, width, channels = self.shape(source)
        filters = channels * multiplier
        kernel = self.random.normal(0, 0.3, (1, 3, 3, filters)).astype(np.float32)
        bias = self.random.normal(0, 0.3, filters).astype(np.float32)
        operands = [
            source,
            self.constant(f"{name}/weights", kernel),
            self.constant(f"{name}/bias", bias),
        ]
        shape = (1, span(height, 3, 1, padding), span(width, 3, 1, padding), filters)
        return self.op(
            "DEPTHWISE_CONV_2D",
            operands,
            (name, shape),
            padding=padding,
            strideH=1,
            strideW=1,
            depthMultiplier=multiplier,
        )

    def dense(self, source: int, units: int, name: str = "dense", *, bias: bool = True) -> int:
        inputs = self.shape(source)[-1]
        weights = self.random.normal(0, inputs**-0.5, (units, inputs)).astype(np.float32)
        operands = [source, self.constant(f"{name}/weights", weights), -1]
        if bias:
            values = self.random.normal(0, 0.3, units).astype(np.float32)
            operands[2] = self.constant(f"{name}/bias", values)
        return self.op("FULLY_CONNECTED", operands, (name, (1, units)))

    def reshape(self, source: int, shape: tuple[int, ...], name: str = "reshape") -> int:
        sizes = np.asarray(shape, np.int32)
        wanted = self.constant(f"{name}/shape", sizes)
        return self.op("RESHAPE", [source, wanted], (name, shape), newShape=sizes)

    def pad(self, source: int, amount: int = 1, name: str = "pad") -> int:
        _, height, width, channels = self.shape(source)
        borders = [[0, 0], [amount, amount], [amount, amount], [0, 0]]
        widths = self.constant(f"{name}/widths", np.asarray(borders, np.int32))
        shape = (1, height + 2 * amount, width + 2 * amount, channels)
        return self.op("PAD", [source, widths], (name, shape))

    def mean(self, source: int, name: str = "mean", op: str = "MEAN") -> int:
        axes = self.constant(f"{name}/axes", np.asarray([1, 2], np.int32))
        return self.op(op, [source, axes], (name, (1, self.shape(source)[-1])))

    def build(self, *outputs: int) -> bytes:
        """The .tflite with these outputs."""
        self.graph.inputs = np.asarray(self.graph.inputs, np.int32)
        self.graph.outputs = np.asarray(outputs, np.int32)
        return editable.write(self.model)


def span(size: int, kernel: int, stride: int, padding: int) -> int:
    """How many places a kernel takes along one side."""
    return -(-(size if padding == SAME else size - kernel + 1) // stride)
