"""What a comparison tells: a row per conversion, and one picture with each one's answer."""

from __future__ import annotations

import builtins
from dataclasses import dataclass, field

from edgeq_device.tensors import Array


@dataclass(frozen=True)
class Row:
    """One conversion; the figures are empty where it cannot be made from the source."""

    mode: str
    unavailable: str = ""
    """Why there is no such conversion; "" where there is."""
    engine: str = ""
    bytes: int = 0
    input_types: tuple[str, ...] = ()
    output_types: tuple[str, ...] = ()
    float_operators: int = 0
    """Operators that read or write float numbers."""
    accuracy: float | None = None
    agreement: float | None = None
    """Share of the test samples with the float model's class."""
    max_difference: float | None = None
    """Largest difference of an output from the float model's, in real numbers."""
    milliseconds: float | None = None
    """Wall time per inference on one thread of this CPU (or on as many as were asked for)."""
    data: builtins.bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class SampleAnswer:
    """One test picture, [H, W] or [H, W, 3], with each conversion's answer."""

    picture: Array
    label: str
    answers: tuple[tuple[str, str, float], ...]
    """(mode, predicted label, probability)."""


@dataclass(frozen=True)
class Comparison:
    """The four conversions of the model ``name`` on ``samples`` test samples."""

    name: str
    samples: int
    matched_by: str
    """How the test data's labels were found: "y", "name" or "sorted order"."""
    rows: tuple[Row, ...]
    sample: SampleAnswer | None = None
    warnings: tuple[str, ...] = ()
