"""Resizing: the compiler leaves what would lose precision to the CPU."""

from __future__ import annotations

from edgeq.ops.case import Case, Refusal, Rule

MOST_GROWTH = 8
"""By this a side may grow. Seen on the CPU: 1 to 33 and 33 to 513 (15.5 times); seen mapped: 2."""
LONGEST_SIDE = 256
"""Seen on the CPU: sides of 256 (google-coral/edgetpu issue 187), 512 (issue 31) and 513; seen
mapped: 128. Where between them the limit lies is not known."""

_RESIZES = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")


def resize_grows_little(case: Case) -> Refusal | None:
    """A resize must not enlarge a side more than 8 times."""
    read = case.operand(0)
    if read is None or len(read.shape) != 4:
        return None
    sides = tuple(zip(read.shape[1:3], case.result.shape[1:3]))
    if all(after <= MOST_GROWTH * before for before, after in sides):
        return None
    (before_y, after_y), (before_x, after_x) = sides
    seen = f"it goes from {before_y}x{before_x} to {after_y}x{after_x}"
    if (before_y, before_x) == (1, 1):
        return Refusal(seen, "repeat the one value by adding it to a map, which broadcasts")
    return Refusal(seen, "end the model before it and enlarge its output, or enlarge in steps")


def resized_map_is_small(case: Case) -> Refusal | None:
    """A resize must read and write maps with sides under 256."""
    read = case.operand(0)
    if read is None or len(read.shape) != 4:
        return None
    longest = max(*read.shape[1:3], *case.result.shape[1:3])
    if longest < LONGEST_SIDE:
        return None
    return Refusal(
        f"one is {longest}", "resize outside the model: before its input or on its output"
    )


RULES = (Rule(resize_grows_little, _RESIZES), Rule(resized_map_is_small, _RESIZES))
