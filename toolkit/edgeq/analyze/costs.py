"""What operators cost: multiplications, and bytes of parameters as the compiler lays them out."""

from __future__ import annotations

from math import ceil

from edgeq.ops.case import Case
from edgeq_device.tflite import Tensor

FITS_BELOW = int(6.5 * 2**20)
STREAMS_ABOVE = int(7.9 * 2**20)
"""Bytes. Published logs show between 6.9 and 8.2 MiB of memory for parameters."""

_LINE = 64
_CELLS = 64
"""The Edge TPU multiplies for 64 output channels at a time."""


def macs(case: Case) -> int:
    """Multiply-accumulates of convolutions and dense layers; those of an LSTM are not counted."""
    op, weights = case.operator.op, case.operand(1)
    if weights is None:
        return 0
    if op in ("CONV_2D", "FULLY_CONNECTED"):
        return case.result.elements // max(weights.shape[0], 1) * weights.elements
    if op == "DEPTHWISE_CONV_2D":
        return case.result.elements // max(weights.shape[-1], 1) * weights.elements
    read = case.operand(2)
    if op == "TRANSPOSE_CONV" and read is not None:
        return read.elements // max(read.shape[-1], 1) * weights.elements
    return 0


def parameter_bytes(case: Case) -> int:
    """Bytes that an operator on the Edge TPU adds to the compiled model's parameters.

    Exact for CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED in the compiled models that were
    compared; lookup tables and the small matrices of concatenations are not counted.
    """
    op, weights = case.operator.op, case.operand(1)
    if op == "UNIDIRECTIONAL_SEQUENCE_LSTM":
        return _lstm_bytes(case)
    if weights is None or not weights.shape:
        return 0
    if op == "DEPTHWISE_CONV_2D":
        taps = weights.elements // max(weights.shape[-1], 1)
        header = _header(case, weights, bias=2)
        return _up(ceil(weights.shape[-1] / 4) * (4 * header + 16 * taps), _LINE)
    if op == "FULLY_CONNECTED":
        return _rows_bytes(weights, 1, _header(case, weights, bias=2))
    if op == "CONV_2D":
        return _rows_bytes(weights, _taps(weights), _header(case, weights, bias=2))
    if op == "TRANSPOSE_CONV":
        return _rows_bytes(weights, _taps(weights), _header(case, weights, bias=3))
    return 0


def fit(total: int) -> str:
    """Whether the parameters stay on the chip: "fits", "streams" or "unknown"."""
    if total < FITS_BELOW:
        return "fits"
    return "streams" if total > STREAMS_ABOVE else "unknown"


def _header(case: Case, weights: Tensor, bias: int) -> int:
    """Bytes per output channel in front of the weights."""
    per_channel = weights.quantization.is_per_channel
    if case.is_float:  # the quantizer gives one scale to dense layers, one per channel to others
        per_channel = case.operator.op != "FULLY_CONNECTED"
    has_bias = case.operand(bias) is not None
    if per_channel:
        return 12 if has_bias else 8
    return 4 if has_bias else 0


def _rows_bytes(weights: Tensor, taps: int, header: int) -> int:
    rows = weights.shape[0]
    rows = _up(rows, 16) if rows <= _CELLS else _up(rows, _CELLS)
    return rows * header + rows * _up(weights.shape[-1], 4) * taps


def _lstm_bytes(case: Case) -> int:
    """Eight matrices as dense layers, four of them with a bias; less than what was measured."""
    total = 0
    for number in range(1, 9):
        weights = case.operand(number)
        if weights is not None and len(weights.shape) == 2:
            total += _rows_bytes(weights, 1, 4 if number >= 5 else 0)
    return total


def _taps(weights: Tensor) -> int:
    return weights.elements // max(weights.shape[0] * weights.shape[-1], 1)


def _up(value: int, step: int) -> int:
    return -(-value // step) * step
