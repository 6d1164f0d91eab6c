"""A read-only view of a .tflite file, checked before any interpreter sees it."""

from __future__ import annotations

from edgeq_device.tflite.files import parse_model, read_model
from edgeq_device.tflite.model import (
    ABSENT,
    Buffer,
    Model,
    Operator,
    OperatorCode,
    Quantization,
    Signature,
    Subgraph,
    Tensor,
)

__all__ = [
    "ABSENT",
    "Buffer",
    "Model",
    "Operator",
    "OperatorCode",
    "Quantization",
    "Signature",
    "Subgraph",
    "Tensor",
    "parse_model",
    "read_model",
]
