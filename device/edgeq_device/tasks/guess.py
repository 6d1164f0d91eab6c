"""What a model without a manifest is for, read from its last operators."""

from __future__ import annotations

from dataclasses import dataclass

from edgeq_device.tflite import Model, Operator

_KEEP_MEANING = frozenset({"QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE"})
_END_IN_PROBABILITIES = frozenset({"SOFTMAX", "LOGISTIC"})


@dataclass(frozen=True)
class Guess:
    """A task, and the activation that its output still needs."""

    task: str
    activation: str


def guess_task(model: Model) -> Guess:
    """The task "classify" for a model with one output [1, classes] or [classes], else "raw".

    Classes get a softmax unless the model ends in one (or in LOGISTIC), or is compiled, so that
    its last operator is hidden.
    """
    outputs = model.output_specs()
    shape = outputs[0].shape
    one_row = len(shape) in (1, 2) and (len(shape) == 1 or shape[0] == 1) and shape[-1] > 1
    if len(outputs) != 1 or not one_row:
        return Guess("raw", "none")
    last = _last_meaningful(model)
    hidden = last is None or last.op == "CUSTOM" or bool(last.custom_code)
    ends_well = last is not None and last.op in _END_IN_PROBABILITIES
    return Guess("classify", "none" if hidden or ends_well else "softmax")


def _last_meaningful(model: Model) -> Operator | None:
    graph = model.main
    tensor = graph.outputs[0]
    for operator in reversed(graph.operators):
        if tensor in operator.outputs:
            if operator.op not in _KEEP_MEANING:
                return operator
            tensor = operator.inputs[0]
    return None
