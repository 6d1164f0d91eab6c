"""Grouped convolutions become what TensorFlow 2.5 knows, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq.legalize import legalize
from edgeq_device.tflite import parse_model
from tests.toolkit.legalize.running import assert_same_answers, ops, quantized
from tests.toolkit.networks import RELU, VALID, Network


def grouped(per_group: int, filters: int = 8, *, stride: int = 1, version: int = 6) -> bytes:
    """(1, 9, 9, 8) -> a convolution of ``per_group`` channels each -> a plain convolution."""
    net = Network()
    kernel = net.random.normal(0, 0.5, (filters, 3, 3, per_group)).astype(np.float32)
    weights = net.constant("w", kernel)
    source = net.input("x", (1, 9, 9, 8))
    hidden = net.conv(
        source, filters, "hidden", weights=weights, activation=RELU, stride=stride, padding=VALID
    )
    last = net.conv(hidden, 3, "last", size=1)
    for code in net.model.operatorCodes:
        code.version = version
    return net.build(last)


@pytest.mark.parametrize("per_group", [2, 4])
@pytest.mark.parametrize("stride", [1, 2])
def test_an_integer_one_becomes_split_convolutions_and_concatenation(
    per_group: int, stride: int
) -> None:
    before = quantized(grouped(per_group, stride=stride))
    after, report = legalize(before)
    assert ("CONV_2D", 6) in ops(before)
    groups = [("CONV_2D", 3)] * (8 // per_group)
    assert ops(after)[1:-1] == [("SPLIT", 2), *groups, ("CONCATENATION", 2), ("CONV_2D", 3)]
    assert [(one.name, one.is_exact) for one in report.rewrites] == [
        ("grouped-convolution", True),
        ("versions", True),  # the plain convolution shared the operator code
    ]
    assert_same_answers(before, after)
    assert {code.version for code in parse_model(after, "m").operator_codes} <= {1, 2, 3}


def test_weights_keep_the_scales_of_their_channels() -> None:
    before = quantized(grouped(4))
    after, _ = legalize(before)
    old, new = parse_model(before, "m"), parse_model(after, "m")
    wanted = old.main.tensors[old.main.operators[1].inputs[1]].quantization.scales
    parts = [
        new.main.tensors[operator.inputs[1]].quantization.scales
        for operator in new.main.operators
        if operator.op == "CONV_2D"
    ]
    assert len(wanted) == 8
    assert sum(parts[:2], ()) == tuple(wanted)


def test_one_channel_to_a_group_is_a_depthwise_convolution() -> None:
    before = quantized(grouped(1, filters=16))
    after, _ = legalize(before)
    assert ops(after)[1] == ("DEPTHWISE_CONV_2D", 3)
    assert_same_answers(before, after)


def test_a_float_one_answers_the_same() -> None:
    before = grouped(2)
    after, report = legalize(before)
    assert [version for op, version in ops(after) if op == "CONV_2D"] == [1] * 5
    assert report.rewrites[0].max_steps < 1e-3
