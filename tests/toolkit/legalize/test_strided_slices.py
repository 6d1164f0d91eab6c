"""Slices that skip rows and columns are strided convolutions, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.legalize import legalize
from tests.toolkit.legalize.running import assert_same_answers, ops, quantized
from tests.toolkit.networks import Network


def sliced(begin: tuple[int, int], stride: tuple[int, int], size: tuple[int, int]) -> bytes:
    net = Network()
    hidden = net.conv(net.input("x", (1, *size, 3)), 4, "start")
    rows, columns = (
        len(range(first, whole, step))
        for first, whole, step in zip(begin, size, stride, strict=True)
    )
    operands = [
        net.constant(name, np.asarray(values, np.int32))
        for name, values in (
            ("begin", (0, *begin, 0)),
            ("end", (1, *size, 4)),
            ("strides", (1, *stride, 1)),
        )
    ]
    part = net.op("STRIDED_SLICE", [hidden, *operands], ("part", (1, rows, columns, 4)))
    return net.build(net.conv(part, 2, "end_conv"))


@pytest.mark.parametrize("begin", [(0, 0), (1, 0), (0, 1), (1, 1)])
@pytest.mark.parametrize("size", [(8, 8), (7, 9)])
def test_every_second_row_and_column(begin: tuple[int, int], size: tuple[int, int]) -> None:
    before = quantized(sliced(begin, (2, 2), size))
    after, report = legalize(before)
    assert [op for op, _ in ops(after)[1:-1]] == ["CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"]
    assert [(one.name, one.is_exact) for one in report.rewrites] == [("strided-slices", True)]
    assert_same_answers(before, after)


@pytest.mark.parametrize("stride", [(1, 1), (2, 1)])
def test_other_strides_stay(stride: tuple[int, int]) -> None:
    before = quantized(sliced((1, 1), stride, (8, 8)))
    assert legalize(before)[0] == before
