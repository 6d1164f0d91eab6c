"""The activation leaves TRANSPOSE_CONV, and stays only where int8 does not do the same."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq import model as editable
from edgeq.legalize import legalize
from tests.toolkit.legalize.running import assert_same_answers, ops
from tests.toolkit.networks import Network

RELU, RELU6 = 1, 3


def transposed(activation: int, scale: float, zero: int, *, bias: bool = True) -> bytes:
    """int8 (1, 4, 4, 3) -> TRANSPOSE_CONV of version 4 -> int8 (1, 9, 9, 5)."""
    net = Network()
    random = np.random.RandomState(2)
    sizes = net.constant("sizes", np.asarray([1, 9, 9, 5], np.int32))
    weights = net.constant("w", random.randint(-127, 128, (5, 3, 3, 3)).astype(np.int8))
    source = net.input("x", (1, 4, 4, 3), "int8")
    operands = [sizes, weights, source]
    if bias:
        operands.append(net.constant("b", random.randint(-200, 200, 5).astype(np.int32)))
    target = net.op(
        "TRANSPOSE_CONV",
        operands,
        ("y", (1, 9, 9, 5)),
        version=4,
        padding=1,
        strideH=2,
        strideW=2,
        fusedActivationFunction=activation,
    )
    net.graph.tensors[target].type = editable.tensor_type(np.int8)
    _scale(net, source, (0.03,), 5)
    _scale(net, weights, (0.01,) * 5, 0)
    _scale(net, target, (scale,), zero)
    if bias:
        _scale(net, operands[3], (0.03 * 0.01,) * 5, 0)
    return net.build(target)


def _scale(net: Network, index: int, scales: tuple[float, ...], zero: int) -> None:
    quantization = net.tables.QuantizationParametersT()
    quantization.scale = np.asarray(scales, np.float32)
    quantization.zeroPoint = np.full(len(scales), zero, np.int64)
    net.graph.tensors[index].quantization = quantization


@pytest.mark.parametrize(
    ("activation", "scale", "zero", "behind"),
    [
        (RELU, 0.02, -128, []),
        (RELU, 0.05, -20, [("RELU", 2)]),
        (RELU6, 6 / 255, -128, []),
        (RELU6, 0.05, -128, [("RELU6", 2)]),
    ],
    ids=["relu saturates", "relu stays", "relu6 saturates", "relu6 stays"],
)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no bias"])
def test_answers_stay(
    activation: int, scale: float, zero: int, behind: list[tuple[str, int]], bias: bool
) -> None:
    before = transposed(activation, scale, zero, bias=bias)
    after, report = legalize(before)
    assert ops(after) == [("TRANSPOSE_CONV", 3 if bias else 2), *behind]
    assert [(one.name, one.max_steps) for one in report.rewrites] == [("transposed-activation", 0)]
    assert_same_answers(before, after)


def test_version_4_without_an_activation_is_a_label() -> None:
    after, report = legalize(transposed(0, 0.05, 0))
    assert ops(after) == [("TRANSPOSE_CONV", 3)]
    assert [one.name for one in report.rewrites] == ["versions"]
