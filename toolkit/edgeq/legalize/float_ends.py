"""Float inputs and outputs around an integer body, made uint8: floats never reach the TPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.contract.flow import Flow
from edgeq.legalize.draft import Draft, Rewrite, Touched, scales, zero_points
from edgeq.model import constant, operator_code, schema
from edgeq_device.tflite import parse_model

SHIFT = 128
"""uint8 value = int8 value + 128, where the scale is the same."""


MOVES = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "TRANSPOSE")
"""Operators that compute nothing: between float ends they are no integer body."""


def _apply(draft: Draft) -> tuple[Touched, ...]:
    if not _has_integer_body(draft):
        return ()
    touched = []
    readers = draft.readers()
    outputs = {int(index) for index in draft.graph.outputs}
    for index in map(int, draft.graph.inputs):
        if index not in outputs and _is_float(draft, index):
            touched += _input(draft, index, readers.get(index, []))
    tail = Flow(parse_model(draft.data, draft.spec.name)).tail
    for place, operator in enumerate(draft.operators):
        result = int(operator.outputs[0]) if len(operator.outputs) else -1
        is_end = result in outputs and draft.op(operator) == "DEQUANTIZE"
        if is_end and place not in tail and not readers.get(result):
            touched += _output(draft, operator)
    return tuple(touched)


def _has_integer_body(draft: Draft) -> bool:
    return any(
        draft.op(operator) not in MOVES and _fits(draft.tensor(index))
        for operator in draft.operators
        for index in operator.outputs
    )


def _is_float(draft: Draft, index: int) -> bool:
    return bool(draft.tensor(index).type == schema().TensorType.FLOAT32)


def _input(draft: Draft, index: int, readers: list[Any]) -> list[Touched]:
    """Retag the input where every reader is a QUANTIZE to one and the same numbers."""
    if not readers or any(draft.op(operator) != "QUANTIZE" for operator in readers):
        return []
    results = [draft.tensor(operator.outputs[0]) for operator in readers]
    if len({_numbers(tensor) for tensor in results}) != 1 or not _fits(results[0]):
        return []
    labels = [draft.touched(operator) for operator in readers]
    _retag(draft.tensor(index), results[0])
    for operator in readers:
        operator.opcodeIndex = operator_code(draft.model, "QUANTIZE", 1)
    return labels


def _output(draft: Draft, operator: Any) -> list[Touched]:
    """Make the last DEQUANTIZE a QUANTIZE to uint8."""
    tables = schema()
    source, target = draft.tensor(operator.inputs[0]), draft.tensor(operator.outputs[0])
    if not _fits(source) or constant(draft.model, source) is not None:
        return []
    label = draft.touched(operator)
    _retag(target, source)
    operator.opcodeIndex = operator_code(draft.model, "QUANTIZE", 1)
    operator.builtinOptionsType = tables.BuiltinOptions.QuantizeOptions
    operator.builtinOptions = tables.QuantizeOptionsT()
    return [label]


def _numbers(tensor: Any) -> tuple[Any, ...]:
    return (int(tensor.type), scales(tensor), zero_points(tensor))


def _fits(tensor: Any) -> bool:
    """True for 8 bits with one scale."""
    types = schema().TensorType
    return tensor.type in (types.INT8, types.UINT8) and len(scales(tensor)) == 1


def _retag(end: Any, inner: Any) -> None:
    """Give ``end`` the numbers of ``inner`` as uint8."""
    tables = schema()
    zero = zero_points(inner)[0] if zero_points(inner) else 0
    quantization = tables.QuantizationParametersT()
    quantization.scale = np.array(scales(inner), np.float32)
    shift = SHIFT if inner.type == tables.TensorType.INT8 else 0
    quantization.zeroPoint = np.array([zero + shift], np.int64)
    end.type = tables.TensorType.UINT8
    end.quantization = quantization


FLOAT_ENDS = Rewrite(
    "float-ends",
    "float inputs and outputs around an integer body become uint8; those of a CPU tail stay",
    _apply,
)
