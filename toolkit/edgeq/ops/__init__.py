"""The operators of the Edge TPU: what the frozen compiler reads, what it maps, what it cannot."""

from __future__ import annotations

from edgeq.ops.edgetpu import (
    CPU_CUSTOM_OPERATORS,
    DECODERS,
    EDGE_TPU_OPERATORS,
    EdgeTpuOperator,
    is_candidate,
    is_decoder,
)
from edgeq.ops.shapes import SHAPE_OPERANDS, SIZED_BY_DATA
from edgeq.ops.versions import MAX_VERSION, MIN_VERSION, remedy_for_version, version_is_known

__all__ = [
    "CPU_CUSTOM_OPERATORS",
    "DECODERS",
    "EDGE_TPU_OPERATORS",
    "MAX_VERSION",
    "MIN_VERSION",
    "SHAPE_OPERANDS",
    "SIZED_BY_DATA",
    "EdgeTpuOperator",
    "is_candidate",
    "is_decoder",
    "remedy_for_version",
    "version_is_known",
]
