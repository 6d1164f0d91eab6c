"""TensorFlow 2.5.3 refuses models as they are, and answers rightly for the legal ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from edgeq.legalize import LegalizeSpec, legalize
from tests.conformance.old_runtime import Case, run_old
from tests.toolkit.legalize.running import quantized, values
from tests.toolkit.legalize.test_activations import network
from tests.toolkit.legalize.test_grouped import grouped
from tests.toolkit.legalize.test_strided_slices import sliced
from tests.toolkit.legalize.test_transposed import transposed
from tests.toolkit.legalize.test_upsampling import upsampled

pytestmark = pytest.mark.conformance

REFUSED: dict[str, Callable[[], bytes]] = {
    "upsampling": lambda: quantized(upsampled(2, 2)),
    "grouped": lambda: quantized(grouped(2)),
    "depthwise": lambda: quantized(grouped(1, filters=16)),
    "transposed_relu": lambda: transposed(1, 0.02, -128),
    "transposed_relu6": lambda: transposed(3, 0.05, -128),
    "gelu": lambda: quantized(network("GELU")),
}
"""Models that the old runtime does not load."""
LOADED: dict[str, Callable[[], bytes]] = {
    "slices": lambda: quantized(sliced((1, 1), (2, 2), (8, 8))),
    "leaky": lambda: quantized(network("LEAKY_RELU")),
    "hard_swish": lambda: quantized(network("HARD_SWISH")),
}

STEPS = {"gelu": 3}
"""How far today's answers and the old ones may be apart, where two steps are not enough: old
LOGISTIC rounds otherwise, and GELU multiplies that by x."""


def test_the_old_runtime_takes_what_it_refused(old_python: Path, tmp_path: Path) -> None:
    cases = []
    for name, make in {**REFUSED, **LOADED}.items():
        before = make()
        after, report = legalize(before, (), LegalizeSpec(name, approximate=True))
        assert report.rewrites
        cases.append(Case(f"{name}-before", before))
        cases.append(Case(f"{name}-after", after, values(before, 20), plain=True))
    found = run_old(old_python, tmp_path, *cases)
    for name in REFUSED:
        assert not found[f"{name}-before"]["loads"], name
    for name in (*REFUSED, *LOADED):
        seen = found[f"{name}-after"]
        assert (seen["loads"], seen["static"], seen["error"]) == (True, True, None), name
        assert seen["max_steps"] <= STEPS.get(name, 2), (name, seen)
