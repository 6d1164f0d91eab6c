"""The operators that the Edge TPU compiler documents as supported, with their limits.

Source: the table "Supported operations" of https://coral.ai/docs/edgetpu/models-intro.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class EdgeTpuOperator:
    """One row of the table: a builtin operator that may run on the Edge TPU."""

    op: str
    since: int = 0
    """The lowest Edge TPU runtime version that runs it (``-m`` of the compiler); 0: all."""
    limit: str = ""
    """The documented limit as a sentence, "" where there is none."""


_ROWS = (
    EdgeTpuOperator("ADD"),
    EdgeTpuOperator("AVERAGE_POOL_2D", limit="No fused activation."),
    EdgeTpuOperator(
        "CONCATENATION",
        limit="No fused activation; with a constant input, exactly two inputs and the constant "
        "all zeros.",
    ),
    EdgeTpuOperator("CONV_2D", limit="The same dilation in x and y."),
    EdgeTpuOperator("DEPTHWISE_CONV_2D", limit="The same dilation in x and y."),
    EdgeTpuOperator("EXPAND_DIMS", since=13),
    EdgeTpuOperator(
        "FULLY_CONNECTED", limit="The default weights format, and a one-dimensional output."
    ),
    EdgeTpuOperator("L2_NORMALIZATION"),
    EdgeTpuOperator("LOGISTIC"),
    EdgeTpuOperator("MAXIMUM"),
    EdgeTpuOperator("MAX_POOL_2D", limit="No fused activation."),
    EdgeTpuOperator("MEAN", limit="Not over the batch; over z only a multiple of 4."),
    EdgeTpuOperator("MINIMUM"),
    EdgeTpuOperator("MUL"),
    EdgeTpuOperator("PACK", since=13, limit="Not along the batch."),
    EdgeTpuOperator("PAD", limit="Not along the batch."),
    EdgeTpuOperator("PRELU", since=13, limit="Alpha has one dimension (shared_axes=[1, 2])."),
    EdgeTpuOperator("QUANTIZE", since=13),
    EdgeTpuOperator("REDUCE_MAX", since=14, limit="Not over the batch."),
    EdgeTpuOperator("REDUCE_MIN", since=14, limit="Not over the batch."),
    EdgeTpuOperator("RELU"),
    EdgeTpuOperator("RELU6"),
    EdgeTpuOperator("RELU_N1_TO_1"),
    EdgeTpuOperator("RESHAPE", limit="Large tensors may stay on the CPU."),
    EdgeTpuOperator("RESIZE_BILINEAR", limit="Large sizes may stay on the CPU."),
    EdgeTpuOperator("RESIZE_NEAREST_NEIGHBOR", limit="Large sizes may stay on the CPU."),
    EdgeTpuOperator("RSQRT", since=14),
    EdgeTpuOperator("SLICE"),
    EdgeTpuOperator("SOFTMAX", limit="A one-dimensional input of at most 16,000 elements."),
    EdgeTpuOperator("SPACE_TO_DEPTH"),
    EdgeTpuOperator("SPLIT", limit="Not along the batch."),
    EdgeTpuOperator("SQUARED_DIFFERENCE", since=14),
    EdgeTpuOperator("SQUEEZE"),
    EdgeTpuOperator("STRIDED_SLICE", limit="Strides of 1; no ellipsis and no new axis."),
    EdgeTpuOperator("SUB"),
    EdgeTpuOperator("SUM", since=13, limit="Not over the batch."),
    EdgeTpuOperator("TANH"),
    EdgeTpuOperator("TRANSPOSE", since=14),
    EdgeTpuOperator("TRANSPOSE_CONV", since=13),
    EdgeTpuOperator("UNIDIRECTIONAL_SEQUENCE_LSTM", since=14),
)

EDGE_TPU_OPERATORS: dict[str, EdgeTpuOperator] = {row.op: row for row in _ROWS}
"""By the builtin operator's name."""

CPU_CUSTOM_OPERATORS: dict[str, str] = {
    "TFLite_Detection_PostProcess": "turns boxes and scores into detections",
    "PosenetDecoderOp": "turns heatmaps into poses",
}
"""Custom operators that the compiler leaves to the CPU, and what each does."""

DECODERS: frozenset[str] = frozenset(
    {"ARG_MAX", "ARG_MIN", "TOPK_V2", "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5"}
)
"""Builtin operators that turn a network's last tensors into indices: the start of a CPU tail."""


def is_candidate(op: str) -> bool:
    """True where the Edge TPU has the operator; whether one is mapped depends on its operands."""
    return op in EDGE_TPU_OPERATORS


def is_decoder(op: str, custom_code: str = "") -> bool:
    """True where a tail that only a CPU can run starts with this operator."""
    return op in DECODERS or custom_code in CPU_CUSTOM_OPERATORS
