"""GELU, LEAKY_RELU and HARD_SWISH from mapped operators: only when asked for, with the error."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.legalize import LegalizeSpec, legalize
from edgeq_device.runtime import load
from tests.toolkit.legalize.running import ops, quantized, values
from tests.toolkit.networks import Network

APPROXIMATE = LegalizeSpec(approximate=True)


def network(op: str, alpha: float = 0.2) -> bytes:
    net = Network()
    hidden = net.conv(net.input("x", (1, 8, 8, 3)), 4)
    last = net.op(op, [hidden], ("y", net.shape(hidden)))
    if op == "LEAKY_RELU":
        operator = net.graph.operators[-1]
        operator.builtinOptionsType = net.tables.BuiltinOptions.LeakyReluOptions
        operator.builtinOptions = net.tables.LeakyReluOptionsT()
        operator.builtinOptions.alpha = alpha
    return net.build(last)


@pytest.mark.parametrize(
    ("op", "name", "made", "steps"),
    [
        ("GELU", "gelu", ["MUL", "LOGISTIC", "MUL"], 3),
        ("LEAKY_RELU", "leaky-relu", ["MUL", "QUANTIZE", "MAXIMUM"], 1),
        ("HARD_SWISH", "hard-swish", ["ADD", "MUL", "MUL"], 2),
    ],
)
def test_answers_are_a_few_steps_apart(op: str, name: str, made: list[str], steps: int) -> None:
    before = quantized(network(op))
    assert legalize(before)[0] == before
    after, report = legalize(before, values(before, 10), APPROXIMATE)
    (applied,) = report.rewrites
    assert (applied.name, applied.is_exact) == (name, False)
    assert 0 < applied.max_steps <= steps
    assert [kind for kind, _ in ops(after)] == ["QUANTIZE", "CONV_2D", *made, "QUANTIZE"]
    old, new = load(before, name="before"), load(after, name="after")
    for sample in values(before, 20, seed=5):
        (wanted,), (got,) = old.run(*sample), new.run(*sample)
        assert np.abs(wanted.astype(int) - got.astype(int)).max() <= steps
        assert np.abs(wanted.astype(int) - got.astype(int)).mean() < 1


def test_the_largest_side_of_a_steep_slope_is_the_leaky_one() -> None:
    before = quantized(network("LEAKY_RELU", alpha=1.5))
    after, report = legalize(before, (), APPROXIMATE)
    assert "MINIMUM" in [op for op, _ in ops(after)]
    assert report.rewrites[0].max_steps <= 2


@pytest.mark.parametrize("alpha", [0.0, -0.3])
def test_slopes_of_zero_and_below(alpha: float) -> None:
    before = quantized(network("LEAKY_RELU", alpha=alpha))
    after, report = legalize(before, (), APPROXIMATE)
    assert "MAXIMUM" in [op for op, _ in ops(after)]
    assert report.undone == ()
    assert report.rewrites[0].max_steps <= 1
