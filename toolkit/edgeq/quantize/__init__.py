"""From a float model and samples to an integer model that says what the float model says."""

from __future__ import annotations

from edgeq.quantize.engines import QuantReport, QuantSpec, as_it_is, quantize
from edgeq.quantize.plan import InputPlan, floats, given
from edgeq.quantize.samples import GraphSamples, InputSamples, spread

__all__ = [
    "GraphSamples",
    "InputPlan",
    "InputSamples",
    "QuantReport",
    "QuantSpec",
    "as_it_is",
    "floats",
    "given",
    "quantize",
    "spread",
]
