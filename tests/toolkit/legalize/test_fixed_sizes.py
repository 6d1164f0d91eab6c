"""Open batches and constants behind the model, as passes of the list."""

from __future__ import annotations

import numpy as np

from edgeq import model as editable
from edgeq.legalize import legalize
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.toolkit.legalize.running import assert_same_answers, ops, values
from tests.toolkit.networks import Network


def flattened() -> bytes:
    """An open batch: SHAPE, STRIDED_SLICE and PACK tell RESHAPE how to flatten."""
    net = Network()
    hidden = net.conv(net.input("x", (1, 4, 4, 3)), 2)
    shape = net.op("SHAPE", [hidden], ("shape", (4,)))
    operator = net.graph.operators[-1]
    operator.builtinOptionsType = net.tables.BuiltinOptions.ShapeOptions
    operator.builtinOptions = net.tables.ShapeOptionsT()
    operator.builtinOptions.outType = editable.tensor_type(np.int32)
    parts = [
        net.constant(name, np.asarray(values, np.int32))
        for name, values in (("begin", [0]), ("end", [1]), ("step", [1]))
    ]
    batch = net.op("STRIDED_SLICE", [shape, *parts], ("batch", ()), shrinkAxisMask=1)
    rest = net.constant("rest", np.asarray(32, np.int32))
    wanted = net.op("PACK", [batch, rest], ("wanted", (2,)), valuesCount=2)
    for index in (shape, batch, wanted):
        net.graph.tensors[index].type = editable.tensor_type(np.int32)
    flat = net.op("RESHAPE", [hidden, wanted], ("flat", (1, 32)))
    for index in (0, hidden, flat):
        tensor = net.graph.tensors[index]
        tensor.shapeSignature = np.asarray([-1, *tensor.shape[1:]], np.int32)
    return net.build(net.dense(flat, 3))


def test_what_shapes_decide_becomes_constant() -> None:
    before = flattened()
    after, report = legalize(before)
    assert [op for op, _ in ops(after)] == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    (applied,) = report.rewrites
    assert applied.name == "static-batch"
    assert [one.op for one in applied.operators] == ["SHAPE", "STRIDED_SLICE", "PACK"]
    assert not parse_model(after, "m").dynamic_tensors
    old, new = load(before, name="before"), load(after, name="after")
    for sample in values(after, 5):
        np.testing.assert_array_equal(old.run(*sample)[0], new.run(*sample)[0])


def outside(data: bytes) -> bytes:
    """The same model with its largest constant behind the flatbuffer."""
    model = editable.read(data)
    buffer = max(model.buffers, key=lambda one: 0 if one.data is None else len(one.data))
    weights = np.asarray(buffer.data, np.uint8).tobytes()
    buffer.data, buffer.offset, buffer.size = None, 2**30, len(weights)
    start = -(-len(editable.write(model)) // 16) * 16
    buffer.offset = start
    written = editable.write(model)
    return written + bytes(start - len(written)) + weights


def test_constants_come_in() -> None:
    net = Network()
    inside = net.build(net.conv(net.input("x", (1, 8, 8, 3)), 16))
    before = outside(inside)
    assert parse_model(before, "m").external_buffers
    after, report = legalize(before)
    assert [one.name for one in report.rewrites] == ["external-buffers"]
    assert [one.output for one in report.rewrites[0].operators] == ["conv/weights"]
    assert not parse_model(after, "m").external_buffers
    assert_same_answers(inside, after)
