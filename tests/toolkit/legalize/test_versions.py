"""Labels that are too high come down to the least that the operator uses, and no further."""

from __future__ import annotations

import numpy as np
import pytest

from edgeq import model as editable
from edgeq.legalize import legalize
from edgeq.ops import MAX_VERSION
from edgeq_device.tflite import parse_model
from tests.toolkit.legalize.running import assert_same_answers, ops, quantized
from tests.toolkit.networks import Network


def network() -> bytes:
    net = Network()
    source = net.input("x", (1, 8, 8, 4))
    hidden = net.depthwise(net.conv(source, 4, "first"), 1)
    joined = net.op("ADD", [hidden, hidden], ("sum", net.shape(hidden)))
    return net.build(net.dense(net.mean(net.pad(joined)), 3))


def stamped(data: bytes, beyond: int) -> bytes:
    """All operators with a version ``beyond`` what TensorFlow 2.5 knows."""
    model = editable.read(data)
    for code in model.operatorCodes:
        code.version = MAX_VERSION[editable.code_name(code)] + beyond
    return editable.write(model)


@pytest.mark.parametrize("beyond", [1, 2])
def test_too_high_labels_come_down_to_what_the_converter_writes(beyond: int) -> None:
    integer = quantized(network())
    before = stamped(integer, beyond=0)
    after, report = legalize(before)
    assert (after, report.rewrites) == (before, ())  # what the compiler knows stays
    model = editable.read(integer)
    graph = model.subgraphs[0]
    for operator in graph.operators:
        name = editable.operator_name(model, operator)
        if name in ("CONV_2D", "ADD", "PAD"):
            version = {"CONV_2D": 5, "ADD": 3, "PAD": 3}[name] + beyond
            operator.opcodeIndex = editable.operator_code(model, name, version)
    before = editable.write(model)
    after, report = legalize(before)
    assert ops(after) == ops(integer)
    assert [one.name for one in report.rewrites] == ["versions"]
    assert_same_answers(before, after)


def test_codes_that_are_not_used_and_cannot_be_read_go() -> None:
    data = quantized(network())
    model = editable.read(data)
    editable.operator_code(model, "GELU", 2)
    editable.operator_code(model, "TILE", 3)
    before = editable.write(model)
    after, report = legalize(before)
    assert ops(after) == ops(data)
    assert len(parse_model(after, "m").operator_codes) == len(model.operatorCodes) - 2
    (applied,) = report.rewrites
    assert [one.op for one in applied.operators] == ["operator code"] * 2


def test_a_version_that_is_needed_stays() -> None:
    net = Network()
    source = net.input("x", (1, 4, 4, 3))
    before = quantized(net.build(net.op("GELU", [net.conv(source, 4)], ("y", (1, 4, 4, 4)))))
    after, _ = legalize(before)
    assert after == before
    assert ("GELU", 2) in ops(after)


def test_both_code_fields_are_written() -> None:
    net = Network()
    source = net.input("x", (1, 8, 8, 4))
    weights = net.constant("w", net.random.normal(0, 1, (4, 3, 3, 2)).astype(np.float32))
    after, _ = legalize(quantized(net.build(net.conv(source, 4, weights=weights))))
    for code in editable.read(after).operatorCodes:
        assert code.deprecatedBuiltinCode == min(code.builtinCode, 127)
