"""Activations, inside other operators and on their own."""

from __future__ import annotations

from math import prod

from edgeq.ops.case import Case, Refusal, Rule, shape_text

_ACTIVATION_FIELD = {"AVERAGE_POOL_2D": 5, "MAX_POOL_2D": 5, "CONCATENATION": 1}


def no_activation_inside(case: Case) -> Refusal | None:
    """Pooling and concatenation must not have an activation inside."""
    if case.option(_ACTIVATION_FIELD[case.operator.op], "b") == 0:
        return None
    return Refusal("it has one", "put the activation into a layer of its own")


def alpha_is_one_dimensional(case: Case) -> Refusal | None:
    """The alpha of PReLU must have one value per channel at most."""
    alpha = case.operand(1)
    if alpha is None or prod(alpha.shape[:-1]) <= 1:
        return None
    return Refusal(f"it is {shape_text(alpha.shape)}", "use PReLU(shared_axes=[1, 2])")


RULES = (
    Rule(no_activation_inside, tuple(_ACTIVATION_FIELD)),
    Rule(alpha_is_one_dimensional, ("PRELU",)),
)
