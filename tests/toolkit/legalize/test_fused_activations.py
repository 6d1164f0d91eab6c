"""Activations leave pooling and concatenation, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq import model as editable
from edgeq.legalize import legalize
from tests.toolkit.legalize.running import assert_same_answers, ops
from tests.toolkit.networks import Network

RELU = 1


def pooled(zero: int) -> bytes:
    """int8 (1, 6, 6, 2) -> MAX_POOL_2D with RELU inside."""
    net = Network()
    source = net.input("x", (1, 6, 6, 2), "int8")
    target = net.op(
        "MAX_POOL_2D",
        [source],
        ("y", (1, 3, 3, 2)),
        version=2,
        padding=1,
        strideH=2,
        strideW=2,
        filterHeight=2,
        filterWidth=2,
        fusedActivationFunction=RELU,
    )
    net.graph.tensors[target].type = editable.tensor_type(np.int8)
    for index in (source, target):
        quantization = net.tables.QuantizationParametersT()
        quantization.scale = np.asarray([0.05], np.float32)
        quantization.zeroPoint = np.asarray([zero], np.int64)
        net.graph.tensors[index].quantization = quantization
    return net.build(target)


@pytest.mark.parametrize(("zero", "behind"), [(-128, []), (40, [("RELU", 2)])])
def test_relu_goes_or_follows(zero: int, behind: list[tuple[str, int]]) -> None:
    before = pooled(zero)
    after, report = legalize(before)
    assert ops(after) == [("MAX_POOL_2D", 2), *behind]
    assert [(one.name, one.is_exact) for one in report.rewrites] == [("fused-activations", True)]
    assert_same_answers(before, after)
