"""Taking an activation out of the operator that it is fused into."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.legalize.draft import Draft, scales, zero_points
from edgeq.legalize.editing import add_operator, is_int8, like
from edgeq.model import tensor_name

NAMES = {1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
"""The schema's numbers of activations that are operators too."""
LEAST, LARGEST = -128, 127
SLACK = 1e-4
"""Of a value's own size: scales are rounded to float32."""


def fused(operator: Any) -> str:
    """The name of the activation inside an operator that can be one of its own; "" for none."""
    options = operator.builtinOptions
    return NAMES.get(getattr(options, "fusedActivationFunction", 0), "")


def unfused(draft: Draft, operator: Any) -> list[Any]:
    """The operator without its activation, and that behind it where int8 does not do the same."""
    activation, target = fused(operator), int(operator.outputs[0])
    integer = is_int8(draft, target)
    operator.builtinOptions.fusedActivationFunction = 0
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
