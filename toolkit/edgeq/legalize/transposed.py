"""The activation inside a transposed convolution, which TensorFlow 2.5 does not know, out of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, Rewrite, Touched, scales, zero_points
from edgeq.legalize.editing import add_operator, is_int8, like
from edgeq.model import operator_code, tensor_name

NAMES = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
"""The schema's numbers of activations that are operators too."""
LEAST, LARGEST = -128, 127
SLACK = 1e-4
"""Of a value's own size: scales are rounded to float32."""


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched, swaps = [], {}
    for operator in draft.operators:
        options = operator.builtinOptions
        if draft.op(operator) != "TRANSPOSE_CONV" or options is None:
            continue
        activation = NAMES.get(options.fusedActivationFunction)
        if activation is None:
            continue
        touched.append(draft.touched(operator))
        swaps[id(operator)] = _without(draft, operator, activation)
    draft.replace(swaps)
    return tuple(touched)


def _without(draft: Draft, operator: Any, activation: str) -> list[Any]:
    """The operator without its activation, and that behind it where int8 does not do the same."""
    target = int(operator.outputs[0])
    integer = is_int8(draft, target)
    operator.builtinOptions.fusedActivationFunction = 0
    has_bias = len(operator.inputs) > 3 and int(operator.inputs[3]) >= 0
    version = 3 if has_bias else 2 if integer else 1
    operator.opcodeIndex = operator_code(draft.model, "TRANSPOSE_CONV", version)
    if integer and _saturates(draft, target, activation):
        return [operator]
    name = f"{tensor_name(draft.tensor(target))}/sum"
    before = like(draft, target, draft.shape(target), name)
    operator.outputs = np.array([before], np.int32)
    # RELU_N1_TO_1 has one version
    behind = 2 if integer and activation != "RELU_N1_TO_1" else 1
    return [operator, add_operator(draft, activation, behind, [before], [target])]


def _saturates(draft: Draft, target: int, activation: str) -> bool:
    """True where int8's own ends cut off what the activation would."""
    scale, zero = scales(draft.tensor(target)), zero_points(draft.tensor(target))
    if len(scale) != 1 or len(zero) != 1:
        return False
    low, high = (LEAST - zero[0]) * scale[0], (LARGEST - zero[0]) * scale[0]
    least, largest = {"RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}[
        activation
    ]
    return low >= least - SLACK and (largest is None or high <= largest * (1 + SLACK))


TRANSPOSED = Rewrite(
    "transposed-activation",
    "an activation inside TRANSPOSE_CONV goes where int8's own ends do the same, else becomes "
    "an operator behind it",
    _apply,
)
