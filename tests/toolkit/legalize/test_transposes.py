"""Transposes of NCHW imports cancel through elementwise operators."""

from __future__ import annotations

from edgeq.legalize import legalize
from tests.toolkit.legalize.running import assert_same_answers, ops, quantized
from tests.toolkit.legalize.test_redundant import start, transpose

NCHW, NHWC = (0, 3, 1, 2), (0, 2, 3, 1)


def through_relu() -> bytes:
    net, hidden = start()
    turned = transpose(net, hidden, NCHW, "there")
    active = net.op("RELU", [turned], ("relu", net.shape(turned)))
    return net.build(net.conv(transpose(net, active, NHWC, "back"), 2, "end"))


def through_add() -> bytes:
    net, hidden = start()
    other = net.conv(hidden, 4, "other")
    left, right = transpose(net, hidden, NCHW, "left"), transpose(net, other, NCHW, "right")
    total = net.op("ADD", [left, right], ("sum", net.shape(left)))
    return net.build(net.conv(transpose(net, total, NHWC, "back"), 2, "end"))


def test_they_go_in_float_and_integer_models() -> None:
    for make, left in (
        (through_relu, ["CONV_2D", "RELU", "CONV_2D"]),
        (through_add, ["CONV_2D", "CONV_2D", "ADD", "CONV_2D"]),
    ):
        for before in (make(), quantized(make())):
            after, report = legalize(before)
            assert [op for op, _ in ops(after) if op != "QUANTIZE"] == left
            assert [(one.name, one.is_exact) for one in report.rewrites] == [("transposes", True)]
            assert_same_answers(before, after)


def test_they_stay_where_one_side_is_not_turned_or_a_result_is_needed() -> None:
    net, hidden = start()
    turned = transpose(net, hidden, NCHW, "there")
    active = net.op("RELU", [turned], ("relu", net.shape(turned)))
    before = net.build(net.conv(transpose(net, active, NHWC, "back"), 2, "end"), active)
    assert legalize(before)[0] == before
    net, hidden = start()
    turned = transpose(net, hidden, NCHW, "there")
    active = net.op("RELU", [turned], ("relu", net.shape(turned)))
    before = net.build(net.conv(transpose(net, active, (0, 3, 2, 1), "other"), 2, "end"))
    assert legalize(before)[0] == before
