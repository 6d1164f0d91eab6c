"""Which operators become the one Edge TPU part: the partition of TFLite's delegates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeq_device.tflite import Subgraph


@dataclass(frozen=True)
class Part:
    """Operators of one kind that run together."""

    supported: bool
    operators: tuple[int, ...]


def partition(graph: Subgraph, supported: Sequence[bool]) -> tuple[Part, ...]:
    """Cut the graph into parts, each the largest set of ready operators of one kind.

    An operator is ready once all that it reads is constant, an input or written by an operator
    that is placed already; the first ready one decides the kind of the part. The compiler turns
    the first supported part into the Edge TPU's program and leaves everything else to the CPU.
    """
    waiting = {index for operator in graph.operators for index in operator.outputs}
    left = list(graph.operators)
    parts: list[Part] = []
    while left:
        kind: bool | None = None
        placed: list[int] = []
        grown = True
        while grown:
            grown = False
            rest = []
            for operator in left:
                ready = waiting.isdisjoint(operator.inputs)
                if ready and kind in (None, supported[operator.index]):
                    kind = supported[operator.index]
                    placed.append(operator.index)
                    waiting.difference_update(operator.outputs)
                    grown = True
                else:
                    rest.append(operator)
            left = rest
        if kind is None:  # a cycle: nothing of it can ever run
            parts.append(Part(False, tuple(operator.index for operator in left)))
            break
        parts.append(Part(kind, tuple(sorted(placed))))
    return tuple(parts)


def mapped_operators(parts: tuple[Part, ...]) -> frozenset[int]:
    """The operators of the first supported part; empty where there is none."""
    return frozenset(next((part.operators for part in parts if part.supported), ()))
