"""Dense layers and what usually follows them: one row at a time."""

from __future__ import annotations

from math import prod

from edgeq.ops.case import Case, Refusal, Rule, shape_text

MOST_SOFTMAX = 16384
"""Elements; the documentation says 16,000, compiled models hold one of 16,384."""


def weights_have_default_format(case: Case) -> Refusal | None:
    """A dense layer must keep its weights in the default format."""
    if case.option(1, "b") == 0:
        return None
    return Refusal("they are shuffled", "convert the model again with current tools")


def dense_weights_are_constant(case: Case) -> Refusal | None:
    """The weights of a dense layer must be constants of the model."""
    tensor = case.operand(1)
    if tensor is None or case.is_fixed(1):
        return None
    return Refusal(
        f'"{tensor.name}" is computed', "multiply by constant weights: freeze them, or use Dense"
    )


def dense_result_is_one_row(case: Case) -> Refusal | None:
    """A dense layer must give one row."""
    rows = prod(case.result.shape[:-1])
    if rows <= 1:
        return None
    return Refusal(f"it gives {rows} rows", "use Conv2D with a 1x1 kernel in its place")


def softmax_is_one_row(case: Case) -> Refusal | None:
    """Softmax must work on one row."""
    rows = prod(case.result.shape[:-1])
    if rows <= 1:
        return None
    seen = f"it works on {rows} rows ({shape_text(case.result.shape)})"
    return Refusal(seen, "end the model before it: the largest value stays the largest")


def softmax_is_short(case: Case) -> Refusal | None:
    """Softmax must work on at most 16,384 values."""
    count = case.result.elements
    if count <= MOST_SOFTMAX:
        return None
    return Refusal(f"it works on {count:,}", "end the model before it")


RULES = (
    Rule(weights_have_default_format, ("FULLY_CONNECTED",)),
    Rule(dense_weights_are_constant, ("FULLY_CONNECTED",)),
    Rule(dense_result_is_one_row, ("FULLY_CONNECTED",)),
    Rule(softmax_is_one_row, ("SOFTMAX",)),
    Rule(softmax_is_short, ("SOFTMAX",)),
)
