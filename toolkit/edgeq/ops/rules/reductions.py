"""Means, sums, minima and maxima."""

from __future__ import annotations

from math import prod

from edgeq.ops.case import Case, Refusal, Rule, shape_text

LARGEST_AVERAGED = 256 * 128
"""Positions of a map that was seen to stay on the CPU; 64x128 maps (google-coral/edgetpu issue
461). Where between them the limit lies is not known."""


def batch_is_not_reduced(case: Case) -> Refusal | None:
    """The batch must not be reduced."""
    if 0 not in _axes(case):
        return None
    return Refusal("axis 0 is among the axes", "reduce the other dimensions only")


def channels_come_in_fours(case: Case) -> Refusal | None:
    """A mean over the channels needs a multiple of 4 of them."""
    read = case.operand(0)
    if read is None or len(read.shape) < 4 or len(read.shape) - 1 not in _axes(case):
        return None
    channels = read.shape[-1]
    if channels % 4 == 0:
        return None
    return Refusal(f"there are {channels}", "use a 1x1 convolution with the weights 1/n")


def averaged_map_is_small(case: Case) -> Refusal | None:
    """A mean must be over fewer than 32,768 positions."""
    read = case.operand(0)
    if read is None:
        return None
    positions = prod(read.shape[axis] for axis in _axes(case))
    if positions < LARGEST_AVERAGED:
        return None
    seen = f"it is over {positions:,} ({shape_text(read.shape)})"
    remedy = "pool first (AveragePooling2D), or average parts and then their means"
    return Refusal(seen, f"{remedy}: edgeq legalize --approximate does it")


def _axes(case: Case) -> tuple[int, ...]:
    read = case.operand(0)
    rank = len(read.shape) if read is not None else 0
    return tuple(sorted({axis % rank for axis in case.integers(1)})) if rank else ()


RULES = (
    Rule(batch_is_not_reduced, ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN")),
    Rule(channels_come_in_fours, ("MEAN",)),
    Rule(averaged_map_is_small, ("MEAN",)),
)
