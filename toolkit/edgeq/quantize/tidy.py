"""Make a float model ready to be observed: no float16 weights, nothing that is never used.

Both come with real models and lead the calibrator astray: it reads the result of a DEQUANTIZE of
weights before that has run, and does not run what no output needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq_device.tensors import Array


def tidy(model: Any) -> bool:
    """Store all weights as float32 and drop what no output needs; True where operators went."""
    subgraph = model.subgraphs[0]
    before = len(subgraph.operators)
    subgraph.operators = [
        operator for operator in subgraph.operators if not _stored_as_float32(model, operator)
    ]
    editable.drop_dead_parts(model)
    return len(subgraph.operators) < before


def _stored_as_float32(model: Any, operator: Any) -> bool:
    """Make a constant of the result of a DEQUANTIZE of a constant; False for other operators."""
    if editable.operator_name(model, operator) != "DEQUANTIZE":
        return False
    subgraph = model.subgraphs[0]
    source, result = int(operator.inputs[0]), int(operator.outputs[0])
    stored = editable.constant(model, subgraph.tensors[source])
    if stored is None or result in set(map(int, subgraph.outputs)):
        return False
    real = _real_numbers(stored, subgraph.tensors[source].quantization)
    editable.set_constant(model, subgraph.tensors[result], real)
    return True


def _real_numbers(stored: Array, quantization: Any) -> Array:
    """float16 as it is, integers through their scales, one for all or one for each channel."""
    real = stored.astype(np.float32)
    if stored.dtype.kind == "f" or quantization is None or quantization.scale is None:
        return real
    place = [1] * stored.ndim
    if len(quantization.scale) > 1:
        place[quantization.quantizedDimension] = -1
    scale = np.asarray(quantization.scale, np.float32).reshape(place)
    zero = np.asarray(quantization.zeroPoint, np.float32).reshape(place)
    return np.asarray((real - zero) * scale, np.float32)
