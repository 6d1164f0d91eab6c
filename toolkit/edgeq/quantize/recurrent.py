"""The inner state of an LSTM, which the interpreter shows only as it is after the last step."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq.quantize.errors import EngineCannotError
from edgeq_device.runtime import LoadedModel
from edgeq_device.tensors import Array

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
Range = tuple[float, float]

_INPUT_WEIGHTS, _RECURRENT_WEIGHTS, _BIASES = range(1, 5), range(5, 9), range(12, 16)
_OUTPUT_STATE, _CELL_STATE = 18, 19
_UNKNOWN = {9: "peepholes", 10: "peepholes", 11: "peepholes", 16: "a projection"} | dict.fromkeys(
    range(20, 24), "layer normalization"
)
"""Operands of LSTM variants that are not computed here. The operands' order is that of
TensorFlow Lite's kernel, tensorflow/lite/kernels/unidirectional_sequence_lstm.cc."""
_HIDDEN = 4
"""The intermediate that holds the scale of the hidden state."""


def state_ranges(model: Any, layer: Any, loaded: LoadedModel, name: str) -> dict[int, Range]:
    """Least and greatest value of a layer's states in the last run, by tensor.

    ``loaded`` holds every tensor of that run. The hidden state is the layer's output, step by
    step; the cell state follows from it. The hidden state's range is widened so that its zero
    point is 0: with another one TensorFlow 2.5's kernel computes otherwise than today's, by up to
    some hundred steps. EngineCannotError for a variant of the layer.
    """
    operands = [int(index) for index in layer.inputs]
    _refuse_variants(operands, layer, name)
    inputs, outputs = (loaded.tensor(int(i)) for i in (operands[0], layer.outputs[0]))
    if not layer.builtinOptions.timeMajor:
        inputs, outputs = inputs.swapaxes(0, 1), outputs.swapaxes(0, 1)
    before = np.concatenate([np.zeros_like(outputs[:1]), outputs[:-1]])
    cell = cell_states(_gates(model, operands, inputs, before), layer.builtinOptions.cellClip)
    scale = max(float(outputs.max()) / 127, float(outputs.min()) / -128)
    hidden = (-128 * scale, 127 * scale)
    return {
        int(layer.outputs[0]): hidden,
        operands[_OUTPUT_STATE]: hidden,
        int(layer.intermediates[_HIDDEN]): hidden,
        operands[_CELL_STATE]: (float(cell.min()), float(cell.max())),
    }


def cell_states(gates: tuple[Array, Array, Array], clip: float) -> Array:
    """(input, forget, candidate), each [steps, batch, cells] -> the cell after each step."""
    state: Array = np.zeros_like(gates[0][0])
    states = []
    for admitted, kept, candidate in zip(*gates, strict=True):
        state = kept * state + admitted * candidate
        if clip > 0:
            state = np.clip(state, -clip, clip)
        states.append(state)
    return np.stack(states)


def _gates(
    model: Any, operands: list[int], inputs: Array, before: Array
) -> tuple[Array, Array, Array]:
    tensors = model.subgraphs[0].tensors
    sums = []
    for places in list(zip(_INPUT_WEIGHTS, _RECURRENT_WEIGHTS, _BIASES, strict=True))[:3]:
        kernel, recurrent, bias = (
            editable.constant(model, tensors[operands[place]]) for place in places
        )
        assert kernel is not None
        assert recurrent is not None
        total = inputs @ kernel.T + before @ recurrent.T
        sums.append(total if bias is None else total + bias)
    return _sigmoid(sums[0]), _sigmoid(sums[1]), np.tanh(sums[2])


def _sigmoid(values: Array) -> Array:
    return np.asarray(0.5 * (np.tanh(0.5 * values) + 1))


def _refuse_variants(operands: list[int], layer: Any, name: str) -> None:
    found = [what for place, what in _UNKNOWN.items() if (operands + [-1] * 24)[place] >= 0]
    if any(operands[place] < 0 for place in (1, 5, 12)):
        found.append("coupled input and forget gates")
    tanh = editable.schema().ActivationFunctionType.TANH
    if layer.builtinOptions.fusedActivationFunction != tanh:
        found.append("another activation than tanh")
    if layer.intermediates is None or len(layer.intermediates) <= _HIDDEN:
        found.append("no intermediates")
    if found:
        raise EngineCannotError(
            name,
            f"the litert engine cannot quantize an LSTM with {found[0]} ({LSTM})",
            hint="use a plain LSTM layer",
        )
