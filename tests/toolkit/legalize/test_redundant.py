"""Operators that do nothing go, and pairs become one."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.legalize import legalize
from tests.toolkit.legalize.running import assert_same_answers, ops, quantized
from tests.toolkit.networks import Network


def transpose(net: Network, source: int, order: tuple[int, ...], name: str) -> int:
    places = net.constant(f"{name}/order", np.asarray(order, np.int32))
    shape = net.shape(source)
    return net.op("TRANSPOSE", [source, places], (name, tuple(shape[axis] for axis in order)))


def start() -> tuple[Network, int]:
    net = Network()
    return net, net.conv(net.input("x", (1, 6, 4, 3)), 4, "start")


def same_reshape() -> bytes:
    net, hidden = start()
    return net.build(net.conv(net.reshape(hidden, (1, 6, 4, 4)), 2, "end"))


def two_reshapes() -> bytes:
    net, hidden = start()
    flat = net.reshape(net.reshape(hidden, (1, 24, 4), "one"), (1, 96), "two")
    return net.build(net.dense(flat, 3))


def back_and_forth() -> bytes:
    net, hidden = start()
    turned = transpose(net, hidden, (0, 3, 1, 2), "one")
    return net.build(net.conv(transpose(net, turned, (0, 2, 3, 1), "two"), 2, "end"))


def two_turns() -> bytes:
    net, hidden = start()
    turned = transpose(net, hidden, (0, 2, 1, 3), "one")
    return net.build(net.conv(transpose(net, turned, (0, 3, 1, 2), "two"), 2, "end"))


CASES = {
    same_reshape: ["CONV_2D", "CONV_2D"],
    two_reshapes: ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"],
    back_and_forth: ["CONV_2D", "CONV_2D"],
    two_turns: ["CONV_2D", "TRANSPOSE", "CONV_2D"],
}


@pytest.mark.parametrize("make", CASES, ids=lambda make: make.__name__)
@pytest.mark.parametrize("integer", [False, True], ids=["float", "integer"])
def test_it_goes(make: object, integer: bool) -> None:
    before = make()  # type: ignore[operator]
    before = quantized(before) if integer else before
    after, report = legalize(before)
    left = [op for op, _ in ops(after) if op != "QUANTIZE"]
    assert left == CASES[make]  # type: ignore[index]
    assert all(one.is_exact for one in report.rewrites)
    assert_same_answers(before, after)


def test_what_is_an_output_stays() -> None:
    net, hidden = start()
    before = net.build(net.reshape(hidden, (1, 6, 4, 4)))
    assert legalize(before)[0] == before
