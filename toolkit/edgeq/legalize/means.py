"""MEAN over large maps, which the compiler leaves to the CPU, in slices of rows."""

from __future__ import annotations

from typing import Any

from edgeq.legalize.draft import Draft, Rewrite, Touched, scales
from edgeq.legalize.editing import add_operator, integers, is_int8, like
from edgeq.model import constant, tensor_name

LARGE = 256 * 128
"""Places of a map whose MEAN was seen to stay on the CPU; in slices of 64 rows it mapped
(https://github.com/google-coral/edgetpu/issues/461)."""
ROWS = 64
"""The most rows of a slice."""
FEWEST_ROWS = 8
"""Below this there would be too many slices."""


def _apply(draft: Draft) -> tuple[Touched, ...]:
    touched, swaps = [], {}
    for operator in draft.operators:
        slices = _slices(draft, operator)
        if slices > 1:
            touched.append(draft.touched(operator))
            swaps[id(operator)] = _split(draft, operator, slices)
    draft.replace(swaps)
    return tuple(touched)


def _slices(draft: Draft, operator: Any) -> int:
    """Into how many equal slices an int8 MEAN over rows and columns is cut; 1 for no cut."""
    if draft.op(operator) != "MEAN" or not is_int8(draft, operator.inputs[0]):
        return 1
    axes = constant(draft.model, draft.tensor(operator.inputs[1]))
    shape = draft.shape(operator.inputs[0])
    if axes is None or len(shape) != 4 or len(scales(draft.tensor(operator.inputs[0]))) != 1:
        return 1
    over = sorted(int(axis) % 4 for axis in axes.reshape(-1))
    if over != [1, 2] or shape[1] * shape[2] < LARGE:
        return 1
    sizes = range(ROWS, FEWEST_ROWS - 1, -1)
    return next((shape[1] // rows for rows in sizes if shape[1] % rows == 0), 1)


def _split(draft: Draft, operator: Any, slices: int) -> list[Any]:
    """SPLIT by rows, a MEAN of each slice, CONCATENATION, and the MEAN of those."""
    source, target = int(operator.inputs[0]), int(operator.outputs[0])
    name = tensor_name(draft.tensor(target))
    _, rows, columns, channels = draft.shape(source)
    parts, means = [], []
    for number in range(slices):
        part = (1, rows // slices, columns, channels)
        parts.append(like(draft, source, part, f"{name}/rows_{number}"))
        means.append(like(draft, target, (1, 1, 1, channels), f"{name}/mean_{number}"))
    joined = like(draft, target, (1, slices, 1, channels), f"{name}/means")
    axis, axes = integers(draft, f"{name}/axis", 1), integers(draft, f"{name}/axes", [1, 2])
    keep = bool(operator.builtinOptions.keepDims)
    return [
        add_operator(draft, "SPLIT", 2, [axis, source], parts, numSplits=slices),
        *(
            add_operator(draft, "MEAN", 2, [part, axes], [mean], keepDims=True)
            for part, mean in zip(parts, means, strict=True)
        ),
        add_operator(draft, "CONCATENATION", 2, means, [joined], axis=1),
        add_operator(draft, "MEAN", 2, [joined, axes], [target], keepDims=keep),
    ]


MEANS = Rewrite(
    "large-means",
    "an int8 MEAN over a map of 256x128 places or more becomes the MEAN of means of its rows",
    _apply,
    is_exact=False,
    max_steps=2.0,
)
