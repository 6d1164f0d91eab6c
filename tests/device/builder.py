"""Writes .tflite files with the plain `flatbuffers` package, for tests on any Python.

`build` writes a model from `ModelDef`, `GraphDef`, `TensorDef` and `OpDef`.
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
    external: bool = False
    """Write the constant behind the flatbuffer, as models over 2 GB do."""
    sparse: bool = False
    """Write the constant (a matrix) as the rows of its elements that are not 0."""


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
class SignatureDef:
    """A named way to call the first subgraph: tensor indices by name."""

    key: str
    inputs: dict[str, int]
    outputs: dict[str, int]


@dataclass(frozen=True)
class ModelDef:
    """A model to write."""

    graphs: tuple[GraphDef, ...]
    description: str = "edgeq test model"
    signatures: tuple[SignatureDef, ...] = ()
    metadata: dict[str, bytes] = field(default_factory=dict)
    identifier: bytes = b"TFL3"


def build(model: ModelDef) -> bytes:
    """The bytes of a .tflite file."""
    # Where external constants lie is known only when all before them is written.
    length = len(_Writer(model, 2).bytes())
    writer = _Writer(model, length)
    return writer.bytes() + b"".join(writer.external)


class _Writer:
    def __init__(self, model: ModelDef, external_start: int) -> None:
        self.model = model
        self.external_start = external_start
        self.external: list[bytes] = []
        self.external_fields: dict[int, dict[int, Value]] = {}
        self.builder = flatbuffers.Builder(1024)
        self.codes: list[tuple[str, int, bool]] = []
        self.buffers: list[bytes] = [b""]

    def bytes(self) -> bytes:
        graphs = self.offsets([self.graph(graph) for graph in self.model.graphs])
        metadata = self.offsets([self.metadata(*item) for item in self.model.metadata.items()])
        signatures = self.offsets([self.signature(item) for item in self.model.signatures])
        codes = self.offsets([self.code(*code) for code in self.codes])
        buffers = self.offsets(
            [self.buffer(index, data) for index, data in enumerate(self.buffers)]
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
        if self.model.signatures:
            fields[7] = ("o", signatures)
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

    def signature(self, signature: SignatureDef) -> int:
        maps = []
        for tensors in (signature.inputs, signature.outputs):
            entries = [
                self.table({0: ("o", self.builder.CreateString(name)), 1: ("I", index)})
                for name, index in tensors.items()
            ]
            maps.append(self.offsets(entries))
        key = self.builder.CreateString(signature.key)
        return self.table({0: ("o", maps[0]), 1: ("o", maps[1]), 2: ("o", key)})

    def buffer(self, index: int, data: bytes) -> int:
        if index in self.external_fields:
            return self.table(self.external_fields[index])
        return self.table({0: ("o", self.data(data))} if data else {})

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
        buffer = 0 if tensor.data is None else self.constant(tensor)
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
        if tensor.sparse:
            fields[6] = ("o", self.sparsity(np.asarray(tensor.data)))
        if tensor.shape_signature:
            fields[7] = ("vector", tensor.shape_signature)
        return self.table(fields)

    def constant(self, tensor: TensorDef) -> int:
        raw = tensor.data
        if tensor.sparse:
            raw = raw[raw != 0]
        data = raw if isinstance(raw, bytes) else np.asarray(raw).tobytes()
        self.buffers.append(data)
        if tensor.external:
            start = self.external_start + sum(map(len, self.external))
            self.external.append(data)
            self.external_fields[len(self.buffers) - 1] = {1: ("Q", start), 2: ("Q", len(data))}
        return len(self.buffers) - 1

    def sparsity(self, matrix: Any) -> int:
        """Rows dense, columns compressed: the usual form of a pruned dense layer."""
        starts = np.concatenate([[0], np.cumsum(np.count_nonzero(matrix, axis=1))])
        positions = np.nonzero(matrix)[1]
        rows = self.table({0: ("b", 0), 1: ("i", len(matrix))})
        # The vectors are of bytes (3): matrices here are small.
        segments = self.table({0: ("o", self.numbers(starts, "u1"))})
        indices = self.table({0: ("o", self.numbers(positions, "u1"))})
        columns = self.table(
            {0: ("b", 1), 2: ("B", 3), 3: ("o", segments), 4: ("B", 3), 5: ("o", indices)}
        )
        order = self.numbers([0, 1], "<i4")
        return self.table({0: ("o", order), 2: ("o", self.offsets([rows, columns]))})

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
    return 1, {0: ("b", padding), 1: ("i", stride), 2: ("i", stride), 3: ("b", activation)}
