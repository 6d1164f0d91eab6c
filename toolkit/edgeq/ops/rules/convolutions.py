"""Convolutions: dilation, weights, size."""

from __future__ import annotations

from edgeq.ops.case import Case, Refusal, Rule, shape_text

LARGEST_UPSAMPLED = 64 * 64 * 512
"""Elements of a TRANSPOSE_CONV result that were seen to stay on the CPU (google-coral/edgetpu
issue 684); where between this and smaller ones the limit lies is not known."""


def dilation_is_square(case: Case) -> Refusal | None:
    """The dilation must be the same in x and y."""
    first = 4 if case.operator.op == "CONV_2D" else 5
    wide, high = (case.option(field, default=1) for field in (first, first + 1))
    if wide == high:
        return None
    return Refusal(f"it is {wide} in x and {high} in y", "use one dilation rate for both")


def convolution_weights_are_constant(case: Case) -> Refusal | None:
    """Weights and bias must be constants of the model."""
    numbers = (1, 3) if case.operator.op == "TRANSPOSE_CONV" else (1, 2)
    for number in numbers:
        tensor = case.operand(number)
        if tensor is not None and not case.is_fixed(number):
            return Refusal(f'"{tensor.name}" is computed', "freeze the weights before converting")
    return None


def one_group(case: Case) -> Refusal | None:
    """A convolution must read all channels: groups do not map."""
    weights, read = case.operand(1), case.operand(0)
    if case.is_float:  # building it splits the groups
        return None
    if weights is None or read is None or len(weights.shape) != 4 or not read.shape:
        return None
    groups = read.shape[-1] // max(weights.shape[-1], 1)
    if groups <= 1:
        return None
    remedy = "split the channels, convolve each part and concatenate: edgeq legalize does it"
    return Refusal(f"it has {groups} groups", remedy)


def upsampled_map_is_small(case: Case) -> Refusal | None:
    """The result of a transposed convolution must be smaller than 2,097,152 elements."""
    if case.result.elements < LARGEST_UPSAMPLED:
        return None
    return Refusal(
        f"it is {shape_text(case.result.shape)}", "use fewer channels or a smaller picture there"
    )


RULES = (
    Rule(dilation_is_square, ("CONV_2D", "DEPTHWISE_CONV_2D")),
    Rule(convolution_weights_are_constant, ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")),
    Rule(one_group, ("CONV_2D",)),
    Rule(upsampled_map_is_small, ("TRANSPOSE_CONV",)),
)
