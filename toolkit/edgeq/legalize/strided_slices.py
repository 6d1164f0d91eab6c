"""Slices that skip rows or columns, which the TPU refuses, as strided depthwise convolutions."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, Rewrite, Touched, same_numbers, scales
from edgeq.legalize.editing import add_operator, integers, is_int8
from edgeq.model import add_tensor, constant, schema, tensor_name

MASKS = ("ellipsisMask", "newAxisMask", "shrinkAxisMask")
VALID = 1


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched, swaps = [], {}
    for operator in draft.operators:
        picked = _picked(draft, operator)
        if picked is not None:
            touched.append(draft.touched(operator))
            swaps[id(operator)] = [_convolution(draft, operator, *picked)]
    draft.replace(swaps)
    return tuple(touched)


def _picked(draft: Draft, operator: Any) -> tuple[tuple[int, int], int] | None:
    """The first row and column, and the stride, of an int8 slice that skips both alike."""
    if draft.op(operator) != "STRIDED_SLICE" or not is_int8(draft, operator.inputs[0]):
        return None
    options = operator.builtinOptions
    if options is not None and any(getattr(options, mask) for mask in MASKS):
        return None
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    one, other = draft.tensor(source), draft.tensor(target)
    given = [constant(draft.model, draft.tensor(index)) for index in operator.inputs[1:4]]
    before, after = draft.shape(source), draft.shape(target)
    if any(values is None for values in given) or len(before) != 4 or before[0] != 1:
        return None
    if not same_numbers(one, other) or len(scales(one)) != 1:
        return None
    strides = [int(value) for value in given[2]]  # type: ignore[union-attr]
    starts = _starts(before, given[0], strides, 0 if options is None else options.beginMask)
    if strides[1] != strides[2] or strides[1] < 2 or strides[0] != 1 or strides[3] != 1:
        return None
    whole = [-(-(size - start) // step) for size, start, step in zip(before, starts, strides)]
    return ((starts[1], starts[2]), strides[1]) if tuple(whole) == after else None


def _starts(shape: tuple[int, ...], begin: Any, strides: list[int], mask: int) -> list[int]:
    starts = [int(value) for value in begin]
    return [
        0 if mask >> axis & 1 else min(max(start + size if start < 0 else start, 0), size - 1)
        for axis, (start, size) in enumerate(zip(starts, shape, strict=True))
    ]


def _convolution(draft: Draft, operator: Any, first: tuple[int, int], stride: int) -> Any:
    """A kernel whose last place is 1 and that is as large as what is skipped first."""
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    channels = draft.shape(source)[3]
    name = tensor_name(draft.tensor(target))
    kernel = np.zeros((1, first[0] + 1, first[1] + 1, channels), np.int8)
    kernel[:, -1, -1] = 1
    weights = add_tensor(draft.model, draft.graph, f"{name}/picker", kernel)
    bias = integers(draft, f"{name}/zeros", np.zeros(channels, np.int32))
    step = np.float32(scales(draft.tensor(source))[0])
    _scale(draft, weights, np.ones(channels, np.float32), 3)
    _scale(draft, bias, np.full(channels, step, np.float32), 0)
    return add_operator(
        draft,
        "DEPTHWISE_CONV_2D",
        3,
        [source, weights, bias],
        [target],
        padding=VALID,
        strideW=stride,
        strideH=stride,
        dilationWFactor=1,
        dilationHFactor=1,
        depthMultiplier=1,
    )


def _scale(draft: Draft, index: int, values: Any, axis: int) -> None:
    quantization = schema().QuantizationParametersT()
    quantization.scale = values
    quantization.zeroPoint = np.zeros(len(values), np.int64)
    quantization.quantizedDimension = axis
    draft.tensor(index).quantization = quantization


STRIDED_SLICES = Rewrite(
    "strided-slices",
    "an int8 STRIDED_SLICE that skips rows and columns becomes a DEPTHWISE_CONV_2D with a stride",
    _apply,
)
