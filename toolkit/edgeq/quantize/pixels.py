"""Give the uint8 inputs of an integer model the scale and zero point that raw pixels have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq.quantize.plan import InputPlan

SAME = 1e-6
"""Relative difference of scales that is float32 rounding."""


def pixel_inputs(data: bytes, plans: Sequence[InputPlan]) -> bytes:
    """An integer model whose uint8 inputs stand for raw pixels as their plans say.

    TensorFlow's converter takes an input's range from the samples, which need not hold the
    pixels 0 and 255. The first operator is a QUANTIZE from the uint8 input to int8: its source
    gets the declared scale and zero point, and it rescales. The same bytes where all is right.
    """
    model = editable.read(data)
    subgraph = model.subgraphs[0]
    changed = False
    for index, plan in zip(map(int, subgraph.inputs), plans, strict=True):
        tensor = subgraph.tensors[index]
        if not plan.pixels_go_in or editable.tensor_dtype(tensor) != np.uint8:
            continue
        if not _only_quantized(model, index) or _is_so(tensor, plan):
            continue
        tensor.quantization.scale = [plan.scale]
        tensor.quantization.zeroPoint = [plan.zero_point]
        changed = True
    return editable.write(model) if changed else data


def _only_quantized(model: Any, index: int) -> bool:
    readers = [op for op in model.subgraphs[0].operators if index in set(map(int, op.inputs))]
    return all(editable.operator_name(model, op) == "QUANTIZE" for op in readers)


def _is_so(tensor: Any, plan: InputPlan) -> bool:
    scale, zero_point = tensor.quantization.scale[0], int(tensor.quantization.zeroPoint[0])
    return abs(scale - plan.scale) <= SAME * plan.scale and zero_point == plan.zero_point
