"""Tensors, constants and operators that nothing uses go."""

from __future__ import annotations

import numpy as np

from edgeq.legalize import legalize
from edgeq_device.tflite import parse_model
from tests.toolkit.legalize.running import assert_same_answers, ops
from tests.toolkit.networks import Network


def test_an_operator_that_no_output_needs_goes_with_its_weights() -> None:
    net = Network()
    source = net.input("x", (1, 8, 8, 3))
    net.conv(source, 64, "lost")
    net.constant("orphan", np.zeros(4096, np.float32))
    before = net.build(net.conv(source, 2, "kept"))
    after, report = legalize(before)
    assert ops(after) == [("CONV_2D", 1)]
    assert len(before) - len(after) > 4096 * 4 + 64 * 27 * 4
    (applied,) = report.rewrites
    assert (applied.name, applied.operators[0].output) == ("unused", "lost")
    assert "orphan" in {one.output for one in applied.operators}
    names = {tensor.name for tensor in parse_model(after, "m").main.tensors}
    assert names == {"x", "kept", "kept/weights", "kept/bias"}
    assert_same_answers(before, after)
