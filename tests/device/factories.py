"""Builds tiny .tflite models with the plain `flatbuffers` package, for tests on any Python.

`build` writes any model from `TensorDef` and `OpDef`; the functions below it give ready ones:

    quantize_model()      uint8 -> QUANTIZE -> uint8: changes scale and zero point only
    dense_model()         uint8 -> QUANTIZE -> FULLY_CONNECTED -> QUANTIZE -> uint8
    float_dense_model()   float32 -> FULLY_CONNECTED -> float32
    conv_classifier()     uint8 picture -> conv, pool, dense, softmax -> uint8 scores
    custom_op_model()     one custom operator, as in a compiled model

All but the last run in tflite-runtime 2.14 and in ai-edge-litert.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np

from edgeq_device.tflite.dtypes import TENSOR_TYPES
from edgeq_device.tflite.opcodes import BUILTIN_NAMES, CUSTOM

Value = tuple[str, Any]
"""A field of a table: a letter of `struct` (or "o" for an offset, "vector"), and the value."""

NO_OPTIONS = (0, {})
QUANTIZE_OPTIONS = (89, {})
SOFTMAX_OPTIONS = (9, {0: ("f", 1.0)})
FULLY_CONNECTED_OPTIONS = (8, {})
RESHAPE_OPTIONS = (17, {})

SAME, VALID = 0, 1
RELU = 1


@dataclass(frozen=True)
class TensorDef:
    """A tensor to write; ``data`` makes it a constant (its dtype must be the tensor's)."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: float | tuple[float, ...] = ()
    zero_point: int | tuple[int, ...] = 0
    axis: int = 0
    data: Any = None
    shape_signature: tuple[int, ...] = ()
    is_variable: bool = False


@dataclass(frozen=True)
class OpDef:
    """An operator to write: ``options`` is (type of the options table, its fields by number).

    ``op`` is a builtin's name or, with ``custom=True``, a custom operator's own name.
    """

    op: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: tuple[int, dict[int, Value]] = NO_OPTIONS
    version: int = 1
    custom: bool = False
    custom_options: bytes = b""


@dataclass(frozen=True)
class GraphDef:
    """A subgraph to write."""

    tensors: tuple[TensorDef, ...]
    operators: tuple[OpDef, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name: str = "main"


@dataclass(frozen=True)
class ModelDef:
    """A model to write."""

    graphs: tuple[GraphDef, ...]
    description: str = "edgeq test model"
    metadata: dict[str, bytes] = field(default_factory=dict)
    identifier: bytes = b"TFL3"


def build(model: ModelDef) -> bytes:
    """The bytes of a .tflite file."""
    return _Writer(model).bytes()


class _Writer:
    def __init__(self, model: ModelDef) -> None:
        self.model = model
        self.builder = flatbuffers.Builder(1024)
        self.codes: list[tuple[str, int, bool]] = []
        self.buffers: list[bytes] = [b""]

    def bytes(self) -> bytes:
        graphs = self.offsets([self.graph(graph) for graph in self.model.graphs])
        metadata = self.offsets([self.metadata(*item) for item in self.model.metadata.items()])
        codes = self.offsets([self.code(*code) for code in self.codes])
        buffers = self.offsets(
            [self.table({0: ("o", self.data(data))} if data else {}) for data in self.buffers]
        )
        description = self.builder.CreateString(self.model.description)
        fields: dict[int, Value] = {
            0: ("I", 3),
            1: ("o", codes),
            2: ("o", graphs),
            3: ("o", description),
            4: ("o", buffers),
        }
        if self.model.metadata:
            fields[6] = ("o", metadata)
        self.builder.Finish(self.table(fields), self.model.identifier)
        return bytes(self.builder.Output())

    def table(self, fields: dict[int, Value]) -> int:
        ready = {
            slot: ("o", self.numbers(value, "<i4")) if kind == "vector" else (kind, value)
            for slot, (kind, value) in fields.items()
        }
        builder = self.builder
        builder.StartObject(max(ready, default=-1) + 1)
        prepend = {
            "o": builder.PrependUOffsetTRelative,
            "b": builder.PrependInt8,
            "B": builder.PrependUint8,
            "?": builder.PrependBool,
            "i": builder.PrependInt32,
            "I": builder.PrependUint32,
            "f": builder.PrependFloat32,
            "q": builder.PrependInt64,
            "Q": builder.PrependUint64,
        }
        for slot, (kind, value) in ready.items():
            prepend[kind](value)
            builder.Slot(slot)
        return int(builder.EndObject())

    def offsets(self, targets: list[int]) -> int:
        self.builder.StartVector(4, len(targets), 4)
        for target in reversed(targets):
            self.builder.PrependUOffsetTRelative(target)
        return int(self.builder.EndVector())

    def numbers(self, values: Any, dtype: str) -> int:
        return self.data(np.asarray(values, dtype).tobytes(), np.dtype(dtype).itemsize)

    def data(self, data: bytes, itemsize: int = 1) -> int:
        # Constants are aligned to 16 bytes, as interpreters expect.
        builder = self.builder
        builder.StartVector(itemsize, len(data) // itemsize, max(itemsize, 16))
        builder.head -= len(data)
        builder.Bytes[builder.head : builder.head + len(data)] = data
        return int(builder.EndVector())

    def code(self, op: str, version: int, custom: bool) -> int:
        number = CUSTOM if custom else BUILTIN_NAMES.index(op)
        fields: dict[int, Value] = {
            0: ("b", min(number, 127)),
            2: ("i", version),
            3: ("i", number),
        }
        if custom:
            fields[1] = ("o", self.builder.CreateString(op))
        return self.table(fields)

    def metadata(self, name: str, data: bytes) -> int:
        self.buffers.append(data)
        text = self.builder.CreateString(name)
        return self.table({0: ("o", text), 1: ("I", len(self.buffers) - 1)})

    def graph(self, graph: GraphDef) -> int:
        tensors = self.offsets([self.tensor(tensor) for tensor in graph.tensors])
        operators = self.offsets([self.operator(operator) for operator in graph.operators])
        name = self.builder.CreateString(graph.name)
        return self.table(
            {
                0: ("o", tensors),
                1: ("vector", graph.inputs),
                2: ("vector", graph.outputs),
                3: ("o", operators),
                4: ("o", name),
            }
        )

    def tensor(self, tensor: TensorDef) -> int:
        buffer = 0
        if tensor.data is not None:
            buffer = len(self.buffers)
            raw = tensor.data
            self.buffers.append(raw if isinstance(raw, bytes) else np.asarray(raw).tobytes())
        name = self.builder.CreateString(tensor.name)
        fields: dict[int, Value] = {
            0: ("vector", tensor.shape),
            1: ("b", TENSOR_TYPES.index(tensor.dtype)),
            2: ("I", buffer),
            3: ("o", name),
            5: ("?", tensor.is_variable),
        }
        scales = tuple(np.atleast_1d(np.asarray(tensor.scale, float)).tolist())
        if scales:
            fields[4] = ("o", self.quantization(tensor, scales))
        if tensor.shape_signature:
            fields[7] = ("vector", tensor.shape_signature)
        return self.table(fields)

    def quantization(self, tensor: TensorDef, scales: tuple[float, ...]) -> int:
        zeros = np.broadcast_to(np.asarray(tensor.zero_point), len(scales))
        return self.table(
            {
                2: ("o", self.numbers(scales, "<f4")),
                3: ("o", self.numbers(zeros, "<i8")),
                6: ("i", tensor.axis),
            }
        )

    def operator(self, operator: OpDef) -> int:
        code = (operator.op, operator.version, operator.custom)
        if code not in self.codes:
            self.codes.append(code)
        kind, options = operator.options
        fields: dict[int, Value] = {
            0: ("I", self.codes.index(code)),
            1: ("vector", operator.inputs),
            2: ("vector", operator.outputs),
        }
        if kind:
            fields[3] = ("B", kind)
            fields[4] = ("o", self.table(options))
        if operator.custom_options:
            fields[5] = ("o", self.data(operator.custom_options))
        return self.table(fields)


def conv_options(stride: int = 1, padding: int = SAME, activation: int = 0) -> Any:
    """The options of CONV_2D."""
    return (
        1,
        {0: ("b", padding), 1: ("i", stride), 2: ("i", stride), 3: ("b", activation)},
    )


def quantize_model(
    input_scale: float = 1 / 255,
    input_zero_point: int = 0,
    output_scale: float = 1 / 128,
    output_zero_point: int = 0,
    shape: tuple[int, ...] = (1, 4),
) -> bytes:
    """One QUANTIZE from uint8 "pixels" to uint8 "scores"."""
    graph = GraphDef(
        tensors=(
            TensorDef("pixels", shape, "uint8", input_scale, input_zero_point),
            TensorDef("scores", shape, "uint8", output_scale, output_zero_point),
        ),
        operators=(OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),),
        inputs=(0,),
        outputs=(1,),
    )
    return build(ModelDef((graph,)))


def dense_model(
    weights: Any = None,
    bias: Any = None,
    input_scale: float = 1 / 255,
    weight_scale: float | tuple[float, ...] = 1 / 64,
    output_scale: float = 1 / 16,
    output_zero_point: int = 128,
) -> bytes:
    """One dense layer on uint8 "pixels" (1, n), uint8 "scores" (1, m).

    ``weights`` is int8 (m, n), by default the first four unit rows plus noise of (4, 8);
    ``bias`` is int32 (m) in units of input_scale * weight_scale. The input's zero point is 0.
    """
    if weights is None:
        weights = 64 * np.eye(4, 8, dtype=np.int8) + _noise((4, 8), 3)
    weights = np.asarray(weights, np.int8)
    outputs, inputs = weights.shape
    bias = np.zeros(outputs, np.int32) if bias is None else np.asarray(bias, np.int32)
    bias_scale = np.float32(input_scale) * np.atleast_1d(np.asarray(weight_scale, np.float32))
    graph = GraphDef(
        tensors=(
            TensorDef("pixels", (1, inputs), "uint8", input_scale, 0),
            TensorDef("x", (1, inputs), "int8", input_scale, -128),
            TensorDef("weights", weights.shape, "int8", weight_scale, 0, data=weights),
            TensorDef("bias", bias.shape, "int32", tuple(bias_scale.tolist()), 0, data=bias),
            TensorDef("y", (1, outputs), "int8", output_scale, output_zero_point - 128),
            TensorDef("scores", (1, outputs), "uint8", output_scale, output_zero_point),
        ),
        operators=(
            OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),
            OpDef("FULLY_CONNECTED", (1, 2, 3), (4,), FULLY_CONNECTED_OPTIONS, version=4),
            OpDef("QUANTIZE", (4,), (5,), QUANTIZE_OPTIONS),
        ),
        inputs=(0,),
        outputs=(5,),
    )
    return build(ModelDef((graph,)))


def float_dense_model(weights: Any = None, bias: Any = None) -> bytes:
    """One float32 dense layer: "x" (1, n) -> "y" (1, m); by default the 3x3 identity."""
    weights = np.eye(3, dtype=np.float32) if weights is None else np.asarray(weights, np.float32)
    outputs, inputs = weights.shape
    bias = np.zeros(outputs, np.float32) if bias is None else np.asarray(bias, np.float32)
    graph = GraphDef(
        tensors=(
            TensorDef("x", (1, inputs), "float32"),
            TensorDef("weights", weights.shape, "float32", data=weights),
            TensorDef("bias", bias.shape, "float32", data=bias),
            TensorDef("y", (1, outputs), "float32"),
        ),
        operators=(OpDef("FULLY_CONNECTED", (0, 1, 2), (3,), FULLY_CONNECTED_OPTIONS),),
        inputs=(0,),
        outputs=(3,),
    )
    return build(ModelDef((graph,)))


def conv_classifier(size: int = 16, classes: int = 5, channels: int = 3, filters: int = 8) -> bytes:
    """A picture classifier with fixed random weights: uint8 (1, size, size, channels) "pixels".

    Per-channel conv with stride 2 and relu, mean over the picture, dense, softmax: uint8
    "scores" (1, classes) with scale 1/256, so that 256 is a probability of 1.
    """
    kernel = _noise((filters, 3, 3, channels), 100)
    dense = _noise((classes, filters), 100)
    kernel_scales = tuple(np.linspace(0.002, 0.004, filters).tolist())
    input_scale, conv_scale, logit_scale, dense_scale = 1 / 255, 1 / 64, 1 / 8, 0.02
    small = (size + 1) // 2
    graph = GraphDef(
        tensors=(
            TensorDef("pixels", (1, size, size, channels), "uint8", input_scale, 0),
            TensorDef("x", (1, size, size, channels), "int8", input_scale, -128),
            TensorDef("kernel", kernel.shape, "int8", kernel_scales, 0, data=kernel),
            TensorDef(
                "kernel_bias",
                (filters,),
                "int32",
                tuple(scale * input_scale for scale in kernel_scales),
                data=np.arange(filters, dtype=np.int32) * 100,
            ),
            TensorDef("features", (1, small, small, filters), "int8", conv_scale, -128),
            TensorDef("axes", (2,), "int32", data=np.array([1, 2], np.int32)),
            TensorDef("pooled", (1, filters), "int8", conv_scale, -128),
            TensorDef("dense", dense.shape, "int8", dense_scale, 0, data=dense),
            TensorDef("logits", (1, classes), "int8", logit_scale, 0),
            TensorDef("probabilities", (1, classes), "int8", 1 / 256, -128),
            TensorDef("scores", (1, classes), "uint8", 1 / 256, 0),
        ),
        operators=(
            OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),
            OpDef("CONV_2D", (1, 2, 3), (4,), conv_options(2, SAME, RELU), version=3),
            OpDef("MEAN", (4, 5), (6,), (27, {}), version=2),
            OpDef("FULLY_CONNECTED", (6, 7, -1), (8,), FULLY_CONNECTED_OPTIONS, version=4),
            OpDef("SOFTMAX", (8,), (9,), SOFTMAX_OPTIONS, version=2),
            OpDef("QUANTIZE", (9,), (10,), QUANTIZE_OPTIONS),
        ),
        inputs=(0,),
        outputs=(10,),
    )
    return build(ModelDef((graph,)))


def custom_op_model(op: str = "edgetpu-custom-op") -> bytes:
    """One custom operator, by default an Edge TPU program, on uint8 "x" (1, 4) -> "y" (1, 4)."""
    graph = GraphDef(
        tensors=(
            TensorDef("x", (1, 4), "uint8", 1.0, 0),
            TensorDef("y", (1, 4), "uint8", 1.0, 0),
        ),
        operators=(OpDef(op, (0,), (1,), custom=True, custom_options=bytes(range(64))),),
        inputs=(0,),
        outputs=(1,),
    )
    return build(ModelDef((graph,)))


def _noise(shape: tuple[int, ...], limit: int) -> Any:
    random = np.random.RandomState(7)
    return random.randint(-limit, limit + 1, shape).astype(np.int8)
