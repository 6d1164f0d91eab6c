"""The editable model: what is read is what is written, and constants come inside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeq import model as editable
from edgeq_device.errors import MissingTool, ModelError
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.toolkit.networks import Network

X = np.linspace(-1, 1, 8, dtype=np.float32).reshape(1, 8)


def dense() -> bytes:
    net = Network()
    return net.build(net.dense(net.input("x", (1, 8)), 3, "out"))


def behind(data: bytes) -> bytes:
    """The model with every constant behind the flatbuffer, as ai-edge-quantizer writes it."""
    model = editable.read(data)
    tail = b"".join(bytes(b.data) for b in model.buffers if b.data is not None)

    def written(start: int) -> bytes:
        place = start
        for buffer in model.buffers:
            size = 0 if buffer.data is None else len(buffer.data)
            buffer.offset, buffer.size = (place, size) if size else (1, 1)
            place += size
        contents = [buffer.data for buffer in model.buffers]
        for buffer in model.buffers:
            buffer.data = None
        head = editable.write(model)
        for buffer, values in zip(model.buffers, contents):
            buffer.data = values
        return head

    length = len(written(10**6))
    return written(length) + tail


def test_writing_what_was_read_gives_the_same_answers_and_then_the_same_bytes() -> None:
    data = dense()
    again = editable.write(editable.read(data))
    assert again == editable.write(editable.read(again))
    (expected,) = load(data, name="a").run(X)
    (seen,) = load(again, name="b").run(X)
    assert np.array_equal(expected, seen)


def test_a_constant_is_aligned_to_16_bytes_as_interpreters_expect() -> None:
    model = parse_model(editable.write(editable.read(dense())), "m")
    weights = model.main.tensors[1]
    assert weights.name == "dense/weights" or weights.shape == (3, 8)
    offset = model.data.tobytes().find(model.constant(weights).tobytes())
    assert offset > 0
    assert offset % 16 == 0


def test_constants_behind_the_flatbuffer_come_inside() -> None:
    data = dense()
    outside = behind(data)
    assert parse_model(outside, "outside").external_buffers
    inside = editable.write(editable.read(outside))
    parsed = parse_model(inside, "inside")
    assert not parsed.external_buffers
    assert np.array_equal(load(inside, name="m").run(X)[0], load(data, name="m").run(X)[0])


def test_a_placeholder_of_1_is_no_place_behind_the_flatbuffer() -> None:
    model = editable.read(behind(dense()))
    assert [b.data is None for b in model.buffers] == [True, False, False]


def test_a_constant_beyond_the_end_of_the_file_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        editable.read(behind(dense())[:-8])
    assert str(caught.value) == "model: a constant lies outside the file"
    assert caught.value.hint == "the file is cut short: copy or export it again"


def test_options_of_a_custom_operator_come_inside_too() -> None:
    net = Network()
    net.op("CUSTOM", [net.input("x", (1, 8))], ("out", (1, 8)))
    net.model.operatorCodes[0].customCode = "Mine"
    operator = net.graph.operators[0]
    operator.largeCustomOptionsOffset, operator.largeCustomOptionsSize = 10**6, 5
    length = len(net.build(1))
    operator.largeCustomOptionsOffset = length
    read = editable.read(net.build(1) + b"hello").subgraphs[0].operators[0]
    assert bytes(read.customOptions) == b"hello"
    assert read.largeCustomOptionsOffset == 0


def test_a_constant_has_its_own_shape_and_dtype() -> None:
    net = Network()
    index = net.constant("c", np.arange(6, dtype=np.int64).reshape(2, 3))
    scalar = net.constant("s", np.float16(1.5))
    tensors = net.graph.tensors
    assert np.array_equal(editable.constant(net.model, tensors[index]), [[0, 1, 2], [3, 4, 5]])
    found = editable.constant(net.model, tensors[scalar])
    assert found is not None
    assert found.dtype == np.float16
    assert found.shape == ()
    assert editable.constant(net.model, tensors[net.input("x", (1, 2))]) is None


def test_a_sparse_constant_is_not_read_as_a_dense_one() -> None:
    net = Network()
    tensor = net.graph.tensors[net.constant("w", np.ones((2, 2), np.float32))]
    tensor.sparsity = net.tables.SparsityParametersT()
    with pytest.raises(ModelError, match="w: is stored sparse, which edgeq cannot edit"):
        editable.constant(net.model, tensor)


def test_changing_a_constant_leaves_a_tensor_of_the_same_buffer_alone() -> None:
    net = Network()
    first = net.graph.tensors[net.constant("a", np.ones(3, np.float32))]
    second = net.graph.tensors[net.tensor("b", (3,))]
    second.buffer = first.buffer
    editable.set_constant(net.model, first, np.zeros((1, 2), np.int32))
    assert np.array_equal(editable.constant(net.model, second), [1, 1, 1])
    assert (first.type, list(first.shape)) == (net.tables.TensorType.INT32, [1, 2])


def test_an_operator_code_is_added_once_for_each_version() -> None:
    net = Network()
    codes = [editable.operator_code(net.model, "ADD", version) for version in (1, 2, 1)]
    assert codes == [0, 1, 0]
    newest = editable.operator_code(net.model, "BITCAST", 1)
    code = net.model.operatorCodes[newest]
    assert (code.builtinCode > 127, code.deprecatedBuiltinCode) == (True, 127)
    net.op("ADD", [net.input("x", (1,)), 0], ("y", (1,)))
    assert editable.operator_name(net.model, net.graph.operators[0]) == "ADD"


@pytest.mark.parametrize(
    ("name", "text"), [(None, ""), (b"a\xff", "a\N{REPLACEMENT CHARACTER}"), ("b", "b")]
)
def test_a_name_is_always_text(name: Any, text: str) -> None:
    net = Network()
    tensor = net.graph.tensors[net.tensor("x", (1,))]
    tensor.name = name
    assert editable.tensor_name(tensor) == text


def test_a_type_that_numpy_has_not_is_named() -> None:
    net = Network()
    tensor = net.graph.tensors[net.tensor("x", (1,))]
    tensor.type = net.tables.TensorType.INT4
    with pytest.raises(ModelError, match="x: holds int4 values, which edgeq cannot edit"):
        editable.tensor_dtype(tensor)


def test_what_nothing_uses_is_dropped() -> None:
    net = Network()
    x = net.input("x", (1, 8))
    net.dense(x, 100, "dead")
    unused = net.input("unused", (1, 2))
    out = net.dense(x, 3, "out")
    before = net.build(out)
    model = editable.read(before)
    editable.drop_dead_parts(model)
    after = editable.write(model)
    graph = parse_model(after, "m").main
    assert [operator.op for operator in graph.operators] == ["FULLY_CONNECTED"]
    assert [tensor.name for tensor in graph.tensors] == [
        *("x", "unused", "out/weights", "out/bias", "out")
    ]
    assert [graph.tensors[index].name for index in graph.inputs] == ["x", "unused"]
    assert len(before) - len(after) > 100 * 9 * 4
    y = np.zeros((1, 2), np.float32)
    assert unused == 4
    assert np.array_equal(load(before, name="a").run(X, y)[0], load(after, name="b").run(X, y)[0])


def test_without_ai_edge_litert_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "ai_edge_litert", None)
    with pytest.raises(MissingTool) as caught:
        editable.schema()
    assert str(caught.value).startswith("ai-edge-litert: cannot be imported")
    assert caught.value.hint == 'pip install "edgeq[toolkit]"'
