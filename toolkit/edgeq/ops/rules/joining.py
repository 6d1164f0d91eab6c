"""Joining, splitting and cutting tensors."""

from __future__ import annotations

import numpy as np

from edgeq.ops.case import Case, Refusal, Rule, shape_text

LARGEST_JOINED = 60 * 152 * 90
"""Elements of a CONCATENATION that a maintainer called too large (google-coral/edgetpu issue
309); where between this and smaller ones the limit lies is not known."""

_KEEP_BATCH = "leave the first dimension as it is: work on the other ones"


def constant_part_is_zero(case: Case) -> Refusal | None:
    """A constant may be concatenated only if it is all zeros, and with one other tensor."""
    inputs = case.operator.inputs
    constants = [number for number in range(len(inputs)) if case.is_fixed(number)]
    if not constants:
        return None
    remedy = "pad with zeros, or add the constant outside the model"
    if len(inputs) != 2:
        return Refusal(f"it joins {len(inputs)} tensors, {len(constants)} of them constant", remedy)
    values, tensor = case.constant(constants[0]), case.operand(constants[0])
    zero = tensor.quantization.zero_points[:1] if tensor is not None else ()
    if values is None or np.any(values != (zero[0] if zero else 0)):
        return Refusal("the constant holds other values", remedy)
    return None


def joined_tensor_is_small(case: Case) -> Refusal | None:
    """A concatenation must give fewer than 820,800 elements."""
    if case.result.elements < LARGEST_JOINED:
        return None
    seen = f"it gives {shape_text(case.result.shape)}"
    return Refusal(seen, "use a smaller picture or fewer channels, or give the parts as outputs")


def not_packed_along_batch(case: Case) -> Refusal | None:
    """Tensors must not be stacked along the batch."""
    axis = case.option(1) % max(len(case.result.shape), 1)
    return Refusal("the axis is 0", _KEEP_BATCH) if axis == 0 else None


def not_split_along_batch(case: Case) -> Refusal | None:
    """A tensor must not be split along the batch."""
    read, axes = case.operand(1), case.integers(0)
    if read is None or not axes or not read.shape:
        return None
    return Refusal("the axis is 0", _KEEP_BATCH) if axes[0] % len(read.shape) == 0 else None


def not_padded_along_batch(case: Case) -> Refusal | None:
    """The batch must not be padded."""
    padding, read = case.integers(1), case.operand(0)
    # Fewer than four dimensions: the first may be a real one.
    if read is None or len(read.shape) < 4 or not any(padding[:2]):
        return None
    return Refusal(f"it grows by {padding[0]} and {padding[1]}", _KEEP_BATCH)


def strides_are_1(case: Case) -> Refusal | None:
    """A strided slice must take every element: all strides 1."""
    strides = case.integers(3)
    if all(stride == 1 for stride in strides):
        return None
    only_pixels = len(strides) == 4 and strides[0] == strides[3] == 1
    if case.is_float and only_pixels and min(strides) > 0:
        return None  # building it makes a convolution of it
    remedy = "use space_to_depth, or a strided 1x1 convolution or pooling"
    if only_pixels:
        remedy += ": edgeq legalize writes a strided convolution"
    return Refusal(f"they are {shape_text(strides)}", remedy)


def no_new_axis(case: Case) -> Refusal | None:
    """A strided slice must have no ellipsis and no new axis."""
    if case.option(2) == 0 and case.option(3) == 0:
        return None
    remedy = "give a start and an end for each dimension, and add axes by reshape"
    return Refusal("it has one", remedy)


RULES = (
    Rule(constant_part_is_zero, ("CONCATENATION",)),
    Rule(joined_tensor_is_small, ("CONCATENATION",)),
    Rule(not_packed_along_batch, ("PACK",)),
    Rule(not_split_along_batch, ("SPLIT",)),
    Rule(not_padded_along_batch, ("PAD",)),
    Rule(strides_are_1, ("STRIDED_SLICE",)),
    Rule(no_new_axis, ("STRIDED_SLICE",)),
)
