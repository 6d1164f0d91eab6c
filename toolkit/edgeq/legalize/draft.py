"""The small frame of a rewrite: what it is given, what it tells, what it promises."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq.model import EditableModel, operator_name, read, tensor_name


@dataclass(frozen=True)
class LegalizeSpec:
    """Which rewrites are wanted."""

    name: str = "model"
    """What errors call the model."""
    only: tuple[str, ...] = ()
    """Names of rewrites; empty for all of them."""
    skip: tuple[str, ...] = ()
    approximate: bool = False
    """Allow rewrites whose answers differ, each with its measured error."""
    uint8_ends: bool = False
    """Give int8 ends uint8 ones too."""


def opened(data: bytes, name: str) -> EditableModel:
    """The model as objects; lists that its writer left out are there and empty."""
    model = read(data, name)
    for graph in model.subgraphs:
        for field in ("tensors", "operators"):
            setattr(graph, field, list(getattr(graph, field) or ()))
        for holder in (graph, *graph.operators):
            for field in ("inputs", "outputs"):
                if getattr(holder, field) is None:
                    setattr(holder, field, np.zeros(0, np.int32))
    return model


@dataclass
class Draft:
    """A model under rewriting: the objects, and the bytes that they were read from."""

    model: EditableModel
    data: bytes
    spec: LegalizeSpec

    @property
    def graph(self) -> Any:
        """The first subgraph."""
        return self.model.subgraphs[0]

    @property
    def operators(self) -> list[Any]:
        """The first subgraph's operators, in order."""
        return list(self.graph.operators or ())

    def op(self, operator: Any) -> str:
        """The operator's name, such as "CONV_2D"."""
        return operator_name(self.model, operator)

    def tensor(self, index: int) -> Any:
        """A tensor of the first subgraph."""
        return self.graph.tensors[int(index)]

    def shape(self, index: int) -> tuple[int, ...]:
        """A tensor's sizes; () for a scalar."""
        shape = self.tensor(index).shape
        return () if shape is None else tuple(int(size) for size in shape)

    def readers(self) -> dict[int, list[Any]]:
        """The operators that read each tensor."""
        found: dict[int, list[Any]] = {}
        for operator in self.operators:
            for index in dict.fromkeys(map(int, operator.inputs)):
                found.setdefault(index, []).append(operator)
        return found

    def ends(self) -> set[int]:
        """The indices of the model's inputs and outputs, whose names and types are its face."""
        return {int(index) for index in (*self.graph.inputs, *self.graph.outputs)}

    def replace(self, swaps: dict[int, list[Any]]) -> None:
        """Put operators in the place of others, those given by ``id``."""
        operators: list[Any] = []
        for operator in self.operators:
            operators += swaps.get(id(operator), [operator])
        self.graph.operators = operators

    def touched(self, operator: Any) -> Touched:
        """How a report names the operator."""
        name = tensor_name(self.tensor(operator.outputs[0])) if len(operator.outputs) else ""
        return Touched(self.op(operator), name)


@dataclass(frozen=True)
class Touched:
    """An operator (or another part of a model) that a rewrite changed."""

    op: str
    output: str
    """The name of its first output, as it was before."""


@dataclass(frozen=True)
class Rewrite:
    """One rewrite: it changes the draft's objects and tells what it touched, () for nothing."""

    name: str
    summary: str
    """One sentence: what becomes what."""
    apply: Callable[[Draft], tuple[Touched, ...]]
    is_exact: bool = True
    """The promise: the same answers. Others run with ``approximate`` alone."""
    max_steps: float = 0.0
    """What one that is not exact promises: this many steps of an output at most."""


def scales(tensor: Any) -> tuple[float, ...]:
    """A tensor's scales, () where it is not quantized."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None:
        return ()
    return tuple(float(scale) for scale in quantization.scale)


def zero_points(tensor: Any) -> tuple[int, ...]:
    """A tensor's zero points, () where it has none."""
    quantization = tensor.quantization
    if quantization is None or quantization.zeroPoint is None:
        return ()
    return tuple(int(zero) for zero in quantization.zeroPoint)


def same_numbers(one: Any, other: Any) -> bool:
    """True where two tensors store the same numbers as the same bytes."""
    return (
        one.type == other.type
        and np.array_equal(scales(one), scales(other))
        and np.array_equal(zero_points(one), zero_points(other))
    )
