"""The first operator that keeps others off the Edge TPU, and what would map without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeq.analyze.partition import Part, mapped_operators, partition
from edgeq.analyze.results import Blocker, Placement
from edgeq_device.tflite import Subgraph


def first_blocker(
    graph: Subgraph, placements: Sequence[Placement], supported: Sequence[bool]
) -> Blocker | None:
    """The first operator without which others would map; None where all map.

    Where no single one gains anything: the first that ends the mapped part, with a gain of 0.
    """
    parts = partition(graph, supported)
    mapped = mapped_operators(parts)
    candidates = tuple(_candidates(parts))
    readers = _readers(graph)
    for index in candidates:
        if not any(supported[reader] and reader not in mapped for reader in readers[index]):
            continue
        without = [*supported[:index], True, *supported[index + 1 :]]
        gained = mapped_operators(partition(graph, without)) - mapped - {index}
        if gained:
            macs = sum(placements[each].macs for each in gained)
            return Blocker(placements[index], len(gained), macs)
    return Blocker(placements[candidates[0]], 0, 0) if candidates else None


def _candidates(parts: tuple[Part, ...]) -> Iterator[int]:
    """Operators that cannot be mapped: those that end the mapped part, then those before it.

    What comes later waits for one of them.
    """
    start = next((number for number, part in enumerate(parts) if part.supported), 0)
    for part in (*parts[start + 1 : start + 2], *parts[:start], *parts[start : start + 1]):
        if not part.supported:
            yield from part.operators


def _readers(graph: Subgraph) -> dict[int, set[int]]:
    by_tensor: dict[int, set[int]] = {}
    for operator in graph.operators:
        for read in operator.inputs:
            by_tensor.setdefault(read, set()).add(operator.index)
    return {
        operator.index: set().union(*(by_tensor.get(made, set()) for made in operator.outputs))
        for operator in graph.operators
    }
