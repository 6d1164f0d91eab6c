"""The rule about the whole graph: what is fine by itself and still stays on the CPU."""

from __future__ import annotations

from edgeq_device.tflite import Operator


def one_part_only(cause: Operator) -> str:
    """Only one part of a model is mapped: what waits for an operator on the CPU stays there."""
    return f"it waits for operator {cause.index} {cause.label}"


NAME = one_part_only.__name__
SENTENCE = " ".join((one_part_only.__doc__ or "").split())
