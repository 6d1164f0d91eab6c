"""What a .tflite file holds, as frozen values: subgraphs, tensors, operators, constants."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from math import prod

from edgeq_device.errors import ModelError
from edgeq_device.flatfile import Table
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.tflite import constants
from edgeq_device.tflite.opcodes import EDGETPU_CUSTOM_CODE

ABSENT = -1
"""The tensor index of an optional operand that is not there."""


@dataclass(frozen=True)
class Quantization:
    """How a tensor's integers stand for real numbers; all empty where they do not.

    One scale for the whole tensor, or one for each slice along ``axis`` (per-channel).
    """

    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    axis: int = 0
    details: str = ""
    """"" for the plain affine scheme; else "custom", "blockwise" or "multi-axis"."""

    @property
    def is_per_channel(self) -> bool:
        """True where there is more than one scale."""
        return len(self.scales) > 1


@dataclass(frozen=True)
class Tensor:
    """One tensor of a subgraph. ``dtype`` is numpy's name where numpy has the type."""

    index: int
    name: str
    shape: tuple[int, ...]
    shape_signature: tuple[int, ...]
    """The shape with -1 where a dimension is not fixed; equals ``shape`` in a static model."""
    dtype: str
    buffer: int
    quantization: Quantization = Quantization()
    is_variable: bool = False
    stored: int | None = None
    """The number of elements that a sparse tensor stores; None for a dense one."""
    external_buffer: int = 0
    """Not 0: the contents lie in another file (the id of the model's external buffer)."""

    @property
    def elements(self) -> int:
        """The number of elements: 1 for a scalar."""
        return prod(self.shape)

    @property
    def is_sparse(self) -> bool:
        """True where the file stores only some of the elements."""
        return self.stored is not None

    @property
    def is_dynamic(self) -> bool:
        """True where a dimension is not fixed."""
        return any(size < 0 for size in self.shape_signature)

    def spec(self) -> TensorSpec:
        """The facts a caller needs to feed or read it; per-channel scales give the first one."""
        scales, zeros = self.quantization.scales, self.quantization.zero_points
        scale = scales[0] if scales else 0.0
        zero_point = zeros[0] if zeros and scale else 0
        return TensorSpec(self.name, self.shape, self.dtype, scale, zero_point)


@dataclass(frozen=True)
class OperatorCode:
    """An operator type used by the model: ``op`` is "CONV_2D"..., or "CUSTOM" with its name."""

    op: str
    code: int
    version: int = 1
    custom_code: str = ""


@dataclass(frozen=True)
class Operator:
    """One operator, in execution order; operands are tensor indices, -1 for an absent one."""

    index: int
    op: str
    version: int
    custom_code: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Table | None = field(default=None, repr=False, compare=False)
    builtin_options_type: int = 0
    options_2: Table | None = field(default=None, repr=False, compare=False)
    """The second option union, used by StableHLO operators."""
    builtin_options_2_type: int = 0
    custom_options: memoryview = field(default=memoryview(b""), repr=False, compare=False)
    intermediates: tuple[int, ...] = ()

    @property
    def label(self) -> str:
        """How messages name it: "CONV_2D", or the custom operator's own name."""
        return self.custom_code or self.op


@dataclass(frozen=True)
class Subgraph:
    """A graph of operators; ``inputs`` and ``outputs`` are tensor indices."""

    index: int
    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True)
class Buffer:
    """The contents of constants; ``external`` where they lie behind the flatbuffer's vectors."""

    data: memoryview = field(repr=False, compare=False)
    external: bool = False


@dataclass(frozen=True)
class Signature:
    """A named way to call the model: (name, tensor index) for each input and output."""

    key: str
    inputs: tuple[tuple[str, int], ...]
    outputs: tuple[tuple[str, int], ...]
    subgraph: int = 0


@dataclass(frozen=True, eq=False)
class Model:
    """A whole .tflite file, read-only; nothing is copied out of ``data``."""

    name: str
    version: int
    description: str
    subgraphs: tuple[Subgraph, ...]
    operator_codes: tuple[OperatorCode, ...]
    buffers: tuple[Buffer, ...]
    metadata: dict[str, memoryview]
    signatures: tuple[Signature, ...]
    data: memoryview = field(repr=False)

    @property
    def main(self) -> Subgraph:
        """The subgraph that runs: the first."""
        return self.subgraphs[0]

    @property
    def is_compiled(self) -> bool:
        """True where it holds an Edge TPU program."""
        return any(code.custom_code == EDGETPU_CUSTOM_CODE for code in self.operator_codes)

    @cached_property
    def external_buffers(self) -> tuple[int, ...]:
        """Indices of buffers whose contents lie outside the flatbuffer (2 GB models)."""
        return tuple(i for i, buffer in enumerate(self.buffers) if buffer.external)

    @cached_property
    def dynamic_tensors(self) -> tuple[Tensor, ...]:
        """All tensors with a dimension that is not fixed."""
        return tuple(t for graph in self.subgraphs for t in graph.tensors if t.is_dynamic)

    def input_specs(self) -> tuple[TensorSpec, ...]:
        """The model's inputs, in the order of the first subgraph."""
        return tuple(self.main.tensors[index].spec() for index in self.main.inputs)

    def output_specs(self) -> tuple[TensorSpec, ...]:
        """The model's outputs, in the order of the first subgraph."""
        return tuple(self.main.tensors[index].spec() for index in self.main.outputs)

    def is_constant(self, tensor: Tensor) -> bool:
        """True where the file holds the tensor's contents."""
        return len(self.contents(tensor)) > 0

    def contents(self, tensor: Tensor) -> memoryview:
        """The bytes of a constant as the file stores them; empty for other tensors."""
        # Buffer 0 is the empty one; a model without constants may have no list of buffers.
        return self.buffers[tensor.buffer].data if self.buffers else self.data[0:0]

    def constant(self, tensor: int | Tensor, subgraph: int = 0) -> Array | None:
        """A tensor's contents in its shape, or None where the file holds none.

        A read-only view of the file, except: int4 comes unpacked as int8, strings as an
        object array of bytes. `ModelError` for sparse tensors and types numpy cannot hold.
        """
        if isinstance(tensor, int):
            tensor = self.subgraphs[subgraph].tensors[tensor]
        data = self.contents(tensor)
        if not len(data):
            return None
        if tensor.is_sparse:
            raise ModelError(
                self.name,
                f'stores the constant "{tensor.name}" as a sparse tensor',
                hint="convert the model again without sparsity",
            )
        return constants.decode(self.name, tensor.name, tensor.dtype, tensor.shape, data)
