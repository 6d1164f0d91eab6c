"""Up-sampling by repeating: TILE, which TensorFlow 2.5 has not for int8, to a resize."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, Rewrite, Touched, same_numbers
from edgeq.legalize.editing import add_operator, integers, is_int8
from edgeq.model import constant, tensor_name
from edgeq_device.tensors import Array

MOVES = ("RESHAPE", "TILE", "EXPAND_DIMS", "SQUEEZE")
"""Operators that only move or repeat elements, of which converters make a nearest resize."""


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched: list[Touched] = []
    swaps: dict[int, list[Any]] = {}
    for chain in _chains(draft):
        for part in _parts(draft, chain):
            touched += map(draft.touched, part)
            swaps.update({id(operator): [] for operator in part})
            swaps[id(part[-1])] = [_resize(draft, part)]
    draft.replace(swaps)
    return tuple(touched)


def _chains(draft: Draft) -> Iterator[list[Any]]:
    """The longest runs of such operators in which each is the only reader of the one before."""
    readers, ends = draft.readers(), draft.ends()
    seen: set[int] = set()
    for operator in draft.operators:
        chain = []
        while id(operator) not in seen and draft.op(operator) in MOVES:
            seen.add(id(operator))
            chain.append(operator)
            result = int(operator.outputs[0])
            behind = readers.get(result, [])
            if len(behind) != 1 or result in ends or int(behind[0].inputs[0]) != result:
                break
            operator = behind[0]
        if chain:
            yield chain


def _parts(draft: Draft, chain: list[Any]) -> Iterator[list[Any]]:
    """The parts of a chain that are an up-sampling, the longest ones first found."""
    start = 0
    while start < len(chain):
        for stop in range(len(chain), start + 1, -1):
            part = chain[start:stop]
            if any(draft.op(operator) == "TILE" for operator in part) and _is_nearest(draft, part):
                yield part
                start = stop - 1
                break
        start += 1


def _is_nearest(draft: Draft, part: list[Any]) -> bool:
    """True where the part does to numbered elements what a nearest resize does."""
    source, target = int(part[0].inputs[0]), int(part[-1].outputs[0])
    before, after = draft.shape(source), draft.shape(target)
    if len(before) != 4 or len(after) != 4 or before[::3] != after[::3]:
        return False
    if any(size == 0 or larger % size for size, larger in zip(before, after, strict=True)):
        return False
    if not same_numbers(draft.tensor(source), draft.tensor(target)):
        return False
    numbered = np.arange(np.prod(before), dtype=np.int32).reshape(before)
    wanted = numbered.repeat(after[1] // before[1], 1).repeat(after[2] // before[2], 2)
    moved: Array | None = numbered
    for operator in part:
        moved = None if moved is None else _moved(draft, operator, moved)
    return moved is not None and np.array_equal(moved, wanted)


def _moved(draft: Draft, operator: Any, values: Array) -> Array | None:
    """What the operator does to ``values``; None where that depends on the data."""
    shape = draft.shape(operator.outputs[0])
    if draft.op(operator) != "TILE":
        return values.reshape(shape) if values.size == np.prod(shape) else None
    multiples = constant(draft.model, draft.tensor(operator.inputs[1]))
    return None if multiples is None else np.tile(values, tuple(map(int, multiples)))


def _resize(draft: Draft, part: list[Any]) -> Any:
    source, target = int(part[0].inputs[0]), int(part[-1].outputs[0])
    name = f"{tensor_name(draft.tensor(target))}/size"
    size = integers(draft, name, draft.shape(target)[1:3])
    version = 2 if is_int8(draft, source) else 1
    return add_operator(
        draft,
        "RESIZE_NEAREST_NEIGHBOR",
        version,
        [source, size],
        [target],
        alignCorners=False,
        halfPixelCenters=False,
    )


UPSAMPLING = Rewrite(
    "nearest-upsampling",
    "RESHAPE and TILE that repeat rows and columns become RESIZE_NEAREST_NEIGHBOR",
    _apply,
)
