"""Transposes around elementwise operators, as imports of NCHW models leave them, cancelled."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, Rewrite, Touched
from edgeq.model import constant

ELEMENTWISE = (
    "ABS",
    "DEQUANTIZE",
    "ELU",
    "EXP",
    "HARD_SWISH",
    "LEAKY_RELU",
    "LOGISTIC",
    "NEG",
    "QUANTIZE",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "RSQRT",
    "SQRT",
    "TANH",
)
"""Operators of one input that treat all elements alike, wherever they lie."""
BINARY = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM")
"""The same with two inputs."""


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched: list[Touched] = []
    for last in draft.operators:
        group = _group(draft, last)
        if group is not None:
            touched += _cancel(draft, last, *group)
    return tuple(touched)


def _group(draft: Draft, last: Any) -> tuple[list[Any], list[Any]] | None:
    """The transposes that ``last`` takes back, and the elementwise operators in between."""
    order = _order(draft, last)
    if order is None or int(last.outputs[0]) in draft.ends():
        return None
    back = tuple(int(axis) for axis in np.argsort(order))
    readers, ends = draft.readers(), draft.ends()
    makers = {int(index): one for one in draft.operators for index in one.outputs}
    firsts: list[Any] = []
    between: list[Any] = []
    waiting = [int(last.inputs[0])]
    while waiting:
        index = waiting.pop()
        maker = makers.get(index)
        alone = len({id(one) for one in readers.get(index, ())}) == 1
        if maker is None or index in ends or not alone:
            return None
        if _order(draft, maker) == back:
            firsts.append(maker)
        elif draft.op(maker) in ELEMENTWISE or _is_binary(draft, maker):
            if maker not in between:
                between.append(maker)
                waiting += [int(one) for one in maker.inputs if not _is_scalar(draft, int(one))]
        else:
            return None
    return firsts, between


def _is_binary(draft: Draft, operator: Any) -> bool:
    """True where both inputs have the shape of the result, or one is a constant number."""
    if draft.op(operator) not in BINARY:
        return False
    shape = draft.shape(operator.outputs[0])
    return all(
        draft.shape(index) == shape or _is_scalar(draft, int(index)) for index in operator.inputs
    )


def _is_scalar(draft: Draft, index: int) -> bool:
    values = constant(draft.model, draft.tensor(index))
    return values is not None and values.size == 1


def _cancel(draft: Draft, last: Any, firsts: list[Any], between: list[Any]) -> list[Touched]:
    """Take all transposes out; the tensors in between take the shape that was before them."""
    labels = [draft.touched(operator) for operator in (*firsts, last)]
    shape = np.array(draft.shape(last.outputs[0]), np.int32)
    for operator in between:
        draft.tensor(operator.outputs[0]).shape = shape.copy()
    swaps = {int(first.outputs[0]): int(first.inputs[0]) for first in firsts}
    source = int(last.inputs[0])
    swaps[int(last.outputs[0])] = swaps.get(source, source)
    for operator in draft.operators:
        inputs = [swaps.get(int(index), int(index)) for index in operator.inputs]
        operator.inputs = np.array(inputs, np.int32)
    draft.replace({id(operator): [] for operator in (*firsts, last)})
    return labels


def _order(draft: Draft, operator: Any) -> tuple[int, ...] | None:
    if draft.op(operator) != "TRANSPOSE":
        return None
    order = constant(draft.model, draft.tensor(operator.inputs[1]))
    return None if order is None else tuple(int(axis) for axis in order)


TRANSPOSES = Rewrite(
    "transposes",
    "transposes before and behind elementwise operators that take each other back go",
    _apply,
)
