"""A .tflite whose file says a batch above 1: is it a batch at all, and can it become 1?"""

from __future__ import annotations

import numpy as np

from edgeq.model import EditableModel, constant, operator_name, set_constant
from edgeq.static.trial_values import trial_values
from edgeq_device.errors import ModelError
from edgeq_device.runtime import LoadOptions, load, probe
from edgeq_device.tensors import Array
from edgeq_device.tflite import Model

_NAMES_THE_BATCH = {
    "BROADCAST_TO": (1,),
    "RESHAPE": (1,),
    "SLICE": (2,),
    "STRIDED_SLICE": (2,),
    "TRANSPOSE_CONV": (0,),
}
"""Operands whose first number is the batch, where the operator keeps it in front."""


def fixed_batch(model: Model, data: bytes) -> int | None:
    """The batch above 1 that all inputs and outputs share; None where there is none.

    An image without a batch dimension may look the same, so the rows are tried: in a batch,
    a change in one row leaves the answers of all others alone.
    """
    specs = (*model.input_specs(), *model.output_specs())
    firsts = {spec.shape[0] if len(spec.shape) > 1 else 0 for spec in specs}
    if model.dynamic_tensors or model.is_compiled or len(firsts) != 1 or max(firsts) < 2:
        return None
    batch = firsts.pop()
    if not probe(data, name=model.name).runs:
        return None
    return batch if _rows_are_apart(data, model.name) else None


def set_batch(model: EditableModel, batch: int) -> None:
    """Set the inputs' batch to 1, and the numbers in RESHAPE and the like that say ``batch``."""
    graph = model.subgraphs[0]
    for index in graph.inputs:
        shape = np.array(graph.tensors[index].shape, np.int32)
        shape[0] = 1
        graph.tensors[index].shape = shape
    for operator in graph.operators:
        for place in _NAMES_THE_BATCH.get(operator_name(model, operator), ()):
            tensor = graph.tensors[int(operator.inputs[place])]
            numbers = constant(model, tensor)
            if numbers is not None and numbers.size and numbers.flat[0] == batch:
                set_constant(model, tensor, _with_first(numbers, 1))
        options = operator.builtinOptions
        if operator_name(model, operator) == "RESHAPE" and options is not None:
            options.newShape = None


def rows_agree(before: bytes, after: bytes, name: str, batch: int) -> None:
    """ModelError unless batch 1 answers for every row what the whole batch answers."""
    options = LoadOptions(threads=1)
    old, new = load(before, name=name, options=options), load(after, name=name, options=options)
    values = trial_values(old.inputs)
    expected = old.run(*values)
    for row in range(batch):
        answers = new.run(*(value[row : row + 1] for value in values))
        for one, other in zip(expected, answers, strict=True):
            if other.shape[1:] != one.shape[1:] or not _close(one[row : row + 1], other):
                raise ModelError(
                    name, f"the batch {batch} is built in", hint="convert it again with batch 1"
                )


def _rows_are_apart(data: bytes, name: str) -> bool:
    model = load(data, name=name, options=LoadOptions(threads=1))
    values = trial_values(model.inputs)
    rolled = [np.roll(value, 1, axis=0) for value in values]
    changed = [np.concatenate([other[:1], value[1:]]) for value, other in zip(values, rolled)]
    answers, after_roll, after_change = (model.run(*v) for v in (values, rolled, changed))
    return all(
        _close(np.roll(one, 1, axis=0), two) and _close(one[1:], three[1:])
        for one, two, three in zip(answers, after_roll, after_change, strict=True)
    )


def _close(one: Array, other: Array) -> bool:
    """Equal but for rounding: one step for integers."""
    if one.dtype.kind == "f":
        return bool(np.allclose(one, other, rtol=1e-4, atol=1e-5))
    return bool(np.abs(one.astype(np.int64) - other.astype(np.int64)).max(initial=0) <= 1)


def _with_first(numbers: Array, first: int) -> Array:
    changed = np.array(numbers)
    changed.flat[0] = first
    return changed
