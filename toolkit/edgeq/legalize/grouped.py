"""Grouped convolutions, which TensorFlow 2.5's kernel refuses, from operators that it knows."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, Rewrite, Touched
from edgeq.legalize.editing import add_operator, constant_like, integers, is_int8, like
from edgeq.model import constant, schema, tensor_name
from edgeq_device.tensors import Array

SHARED = (
    "padding",
    "strideW",
    "strideH",
    "dilationWFactor",
    "dilationHFactor",
    "fusedActivationFunction",
)
"""Options that a convolution and a depthwise one have in common."""


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched, swaps = [], {}
    for operator in draft.operators:
        weights = _weights(draft, operator)
        if weights is None:
            continue
        touched.append(draft.touched(operator))
        depthwise = weights.shape[3] == 1 and _fits_depthwise(operator.builtinOptions)
        write = _as_depthwise if depthwise else _as_split
        swaps[id(operator)] = write(draft, operator, weights)
    draft.replace(swaps)
    return tuple(touched)


def _weights(draft: Draft, operator: Any) -> Array | None:
    """The constant weights of a convolution with groups, None for all other operators."""
    if draft.op(operator) != "CONV_2D":
        return None
    channels, kernel = draft.shape(operator.inputs[0])[-1], draft.shape(operator.inputs[1])
    if channels == kernel[3] or channels % kernel[3] or kernel[0] % (channels // kernel[3]):
        return None
    if draft.tensor(operator.inputs[1]).type == schema().TensorType.INT4:
        return None
    return constant(draft.model, draft.tensor(operator.inputs[1]))


def _fits_depthwise(options: Any) -> bool:
    return bool(options.strideW == options.strideH)


def _as_depthwise(draft: Draft, operator: Any, weights: Array) -> list[Any]:
    """One input channel to a group: that is a depthwise convolution."""
    source, kernel = int(operator.inputs[0]), int(operator.inputs[1])
    filters = weights.shape[0]
    turned = np.ascontiguousarray(weights.transpose(3, 1, 2, 0))
    placed = constant_like(draft, kernel, turned, slice(0, filters), 3)
    old = operator.builtinOptions
    return [
        add_operator(
            draft,
            "DEPTHWISE_CONV_2D",
            3 if is_int8(draft, source) else 2 if old.dilationHFactor > 1 else 1,
            [source, placed, *map(int, operator.inputs[2:])],
            [int(operator.outputs[0])],
            depthMultiplier=filters // draft.shape(source)[-1],
            **_shared(old),
        )
    ]


def _as_split(draft: Draft, operator: Any, weights: Array) -> list[Any]:
    """SPLIT by channels, a convolution to each part, and CONCATENATION."""
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    name = tensor_name(draft.tensor(target))
    groups = draft.shape(source)[-1] // weights.shape[3]
    filters = weights.shape[0] // groups
    parts = [
        like(draft, source, (*draft.shape(source)[:-1], weights.shape[3]), f"{name}/part_{group}")
        for group in range(groups)
    ]
    results = [
        like(draft, target, (*draft.shape(target)[:-1], filters), f"{name}/result_{group}")
        for group in range(groups)
    ]
    integer = is_int8(draft, source)
    axis = integers(draft, f"{name}/axis", 3)
    split = add_operator(
        draft, "SPLIT", 2 if integer else 1, [axis, source], parts, numSplits=groups
    )
    joined = add_operator(draft, "CONCATENATION", 2 if integer else 1, results, [target], axis=3)
    convolutions = [
        add_operator(
            draft,
            "CONV_2D",
            3 if integer else 1,
            _operands(draft, operator, part, slice(group * filters, (group + 1) * filters)),
            [result],
            **_shared(operator.builtinOptions),
        )
        for group, (part, result) in enumerate(zip(parts, results, strict=True))
    ]
    return [split, *convolutions, joined]


def _operands(draft: Draft, operator: Any, part: int, channels: slice) -> list[int]:
    """The inputs of one group's convolution."""
    operands = [part]
    for index in map(int, operator.inputs[1:]):
        values = None if index < 0 else constant(draft.model, draft.tensor(index))
        if values is None:
            operands.append(-1)
        else:
            operands.append(constant_like(draft, index, values[channels], channels, 0))
    return operands


def _shared(options: Any) -> dict[str, Any]:
    return {field: getattr(options, field) for field in SHARED}


GROUPED = Rewrite(
    "grouped-convolution",
    "a convolution with groups becomes SPLIT, a CONV_2D to each group and CONCATENATION, or "
    "DEPTHWISE_CONV_2D where a group has one channel",
    _apply,
)
