"""Operators that change nothing, and pairs of which the second takes back the first."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, Rewrite, Touched, same_numbers
from edgeq.legalize.editing import integers
from edgeq.model import constant, tensor_name


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched: list[Touched] = []
    while True:
        found = _merged(draft) or _removed(draft)
        if not found:
            return tuple(touched)
        touched += found


def _removed(draft: Draft) -> list[Touched]:
    """Take out one operator whose result is its input, as it is."""
    ends = draft.ends()
    for operator in draft.operators:
        if not _changes_nothing(draft, operator):
            continue
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        if target in ends:
            continue
        label = draft.touched(operator)
        for reader in draft.operators:
            reader.inputs = np.array(
                [source if int(index) == target else int(index) for index in reader.inputs],
                np.int32,
            )
        draft.replace({id(operator): []})
        return [label]
    return []


def _changes_nothing(draft: Draft, operator: Any) -> bool:
    op = draft.op(operator)
    if op not in ("RESHAPE", "TRANSPOSE", "QUANTIZE"):
        return False
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    if draft.shape(source) != draft.shape(target):
        return False
    if constant(draft.model, draft.tensor(source)) is not None:
        return False
    if op == "TRANSPOSE":
        order = _order(draft, operator)
        return order is not None and order == tuple(range(len(order)))
    return same_numbers(draft.tensor(source), draft.tensor(target))


def _merged(draft: Draft) -> list[Touched]:
    """Let one operator read what the same kind of operator before it reads."""
    readers, ends = draft.readers(), draft.ends()
    makers = {int(index): one for one in draft.operators for index in one.outputs}
    for operator in draft.operators:
        first = makers.get(int(operator.inputs[0])) if len(operator.inputs) else None
        if first is None or draft.op(first) != draft.op(operator):
            continue
        between = int(first.outputs[0])
        if between in ends or len(readers.get(between, ())) != 1:
            continue
        if not _merge(draft, first, operator):
            continue
        labels = [draft.touched(first)]
        inputs = [int(first.inputs[0]), *map(int, operator.inputs[1:])]
        operator.inputs = np.array(inputs, np.int32)
        draft.replace({id(first): []})
        return labels
    return []


def _merge(draft: Draft, first: Any, second: Any) -> bool:
    """Make ``second`` do what both do, where that can be; its first input is still the old one."""
    op = draft.op(second)
    if op == "RESHAPE":
        return True
    if op == "QUANTIZE":
        start, end = draft.tensor(first.inputs[0]), draft.tensor(second.outputs[0])
        # int8 to uint8 and back loses nothing only where the numbers are the same in the end.
        return same_numbers(start, end) and _is_shift(draft, first)
    if op == "TRANSPOSE":
        one, other = _order(draft, first), _order(draft, second)
        if one is None or other is None or len(one) != len(other):
            return False
        order = [one[axis] for axis in other]
        name = f"{tensor_name(draft.tensor(second.outputs[0]))}/order"
        second.inputs = np.array([second.inputs[0], integers(draft, name, order)], np.int32)
        return True
    return False


def _is_shift(draft: Draft, operator: Any) -> bool:
    """True for a QUANTIZE between int8 and uint8 that moves the zero point by 128, no more."""
    before, after = draft.tensor(operator.inputs[0]), draft.tensor(operator.outputs[0])
    if before.quantization is None or after.quantization is None:
        return False
    scales = (before.quantization.scale, after.quantization.scale)
    zeros = (before.quantization.zeroPoint, after.quantization.zeroPoint)
    if any(values is None or len(values) != 1 for values in (*scales, *zeros)):
        return False
    moved = abs(int(zeros[0][0]) - int(zeros[1][0]))
    return scales[0][0] == scales[1][0] and moved == (0 if before.type == after.type else 128)


def _order(draft: Draft, operator: Any) -> tuple[int, ...] | None:
    order = constant(draft.model, draft.tensor(operator.inputs[1]))
    return None if order is None else tuple(int(axis) for axis in order)


REDUNDANT = Rewrite(
    "redundant",
    "RESHAPE, TRANSPOSE and QUANTIZE that change nothing go, and pairs of them become one",
    _apply,
)
