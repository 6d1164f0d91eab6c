"""Activations inside pooling and concatenation, which the Edge TPU does not map, out of them."""

from __future__ import annotations

from edgeq.legalize.draft import Draft, Rewrite, Touched
from edgeq.legalize.editing import is_int8
from edgeq.legalize.unfusing import fused, unfused

HOLDERS = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "CONCATENATION")
"""Operators that map without an activation alone."""


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched, swaps = [], {}
    for operator in draft.operators:
        holds = draft.op(operator) in HOLDERS and is_int8(draft, operator.outputs[0])
        if holds and fused(operator):
            touched.append(draft.touched(operator))
            swaps[id(operator)] = unfused(draft, operator)
    draft.replace(swaps)
    return tuple(touched)


FUSED_ACTIVATIONS = Rewrite(
    "fused-activations",
    "an activation inside an int8 pooling or concatenation goes where int8's own ends do the "
    "same, else becomes an operator behind it",
    _apply,
)
