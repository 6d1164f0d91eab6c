"""The activation inside a transposed convolution, which TensorFlow 2.5 does not know, out of it."""

from __future__ import annotations

from typing import Any

from edgeq.legalize.draft import Draft, Rewrite, Touched
from edgeq.legalize.editing import is_int8
from edgeq.legalize.unfusing import fused, unfused
from edgeq.model import operator_code


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched, swaps = [], {}
    for operator in draft.operators:
        if draft.op(operator) == "TRANSPOSE_CONV" and fused(operator):
            touched.append(draft.touched(operator))
            swaps[id(operator)] = unfused(draft, operator)
            _stamp(draft, operator)
    draft.replace(swaps)
    return tuple(touched)


def _stamp(draft: Draft, operator: Any) -> None:
    """The lowest version without an activation."""
    has_bias = len(operator.inputs) > 3 and int(operator.inputs[3]) >= 0
    version = 3 if has_bias else 2 if is_int8(draft, operator.outputs[0]) else 1
    operator.opcodeIndex = operator_code(draft.model, "TRANSPOSE_CONV", version)


TRANSPOSED = Rewrite(
    "transposed-activation",
    "an activation inside TRANSPOSE_CONV goes where int8's own ends do the same, else becomes "
    "an operator behind it",
    _apply,
)
