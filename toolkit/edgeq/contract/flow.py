"""Who writes and who reads each tensor, and which operators only a CPU can run, and where."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from edgeq.ops import is_candidate, is_decoder
from edgeq_device.tflite import ABSENT, Model, Operator, Subgraph, Tensor


class Flow:
    """The main subgraph of ``model`` as a flow of data; computed once, asked by every rule."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.graph: Subgraph = model.main
        self.producers: dict[int, Operator] = {}
        self.readers: dict[int, Operator] = {}
        """The first operator that reads each tensor."""
        for operator in self.graph.operators:
            for index in operator.inputs:
                self.readers.setdefault(index, operator)
            for index in operator.outputs:
                self.producers.setdefault(index, operator)

    def inputs(self) -> Iterator[Tensor]:
        """The model's inputs."""
        return (self.graph.tensors[index] for index in self.graph.inputs)

    def outputs(self) -> Iterator[Tensor]:
        """The model's outputs."""
        return (self.graph.tensors[index] for index in self.graph.outputs)

    def operands(self, operator: Operator) -> Iterator[Tensor]:
        """The tensors that an operator reads, without the absent ones."""
        return (self.graph.tensors[index] for index in operator.inputs if index != ABSENT)

    def results(self, operator: Operator) -> Iterator[Tensor]:
        """The tensors that an operator writes."""
        return (self.graph.tensors[index] for index in operator.outputs if index != ABSENT)

    @cached_property
    def tail(self) -> frozenset[int]:
        """Operators at or behind a decoder (ARG_MAX, detections, poses): for a CPU by nature.

        Behind follows the data: a layer that merely comes later in the file is not in the tail.
        """
        behind: set[int] = set()
        found: set[int] = set()
        for operator in self.graph.operators:
            starts = is_decoder(operator.op, operator.custom_code)
            if starts or behind.intersection(operator.inputs):
                found.add(operator.index)
                behind.update(operator.outputs)
        return frozenset(found)

    @cached_property
    def head(self) -> frozenset[int]:
        """Operators before anything that the Edge TPU could run, and the QUANTIZE that ends them.

        MoveNet's CAST from pixels to float, and the QUANTIZE behind it, are such a head.
        """
        mapped: set[int] = set()
        found: set[int] = set()
        for operator in self.graph.operators:
            first = not mapped.intersection(operator.inputs)
            if first and (not is_candidate(operator.op) or self._enters_integers(operator)):
                found.add(operator.index)
            if is_candidate(operator.op) or not first:
                mapped.update(operator.outputs)
        return frozenset(found)

    def _enters_integers(self, operator: Operator) -> bool:
        return operator.op == "QUANTIZE" and any(map(is_float, self.operands(operator)))


def is_float(tensor: Tensor) -> bool:
    """True where the tensor holds floating-point numbers."""
    return tensor.dtype.startswith(("float", "bfloat", "complex"))
