"""Shapes computed ahead, and batches made 1: the answers stay the same, bit for bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeq import model as editable
from edgeq.frontends import make_static
from edgeq_device.errors import ModelError
from edgeq_device.tensors import Array
from edgeq_device.tflite import parse_model
from tests.toolkit.float_models import Network


class Open(Network):
    """A network whose batch is open, and the operators that measure it."""

    def open(self, index: int, *signature: int) -> int:
        self.graph.tensors[index].shapeSignature = np.asarray(signature, np.int32)
        return index

    def integers(self, op: str, inputs: list[int], shape: tuple[int, ...], **options: Any) -> int:
        """An operator that computes int32."""
        index = self.op(op, inputs, (f"{op}_{len(self.graph.operators)}", shape), **options)
        self.graph.tensors[index].type = editable.tensor_type(np.int32)
        if op == "SHAPE":
            operator = self.graph.operators[-1]
            operator.builtinOptionsType = self.tables.BuiltinOptions.ShapeOptions
            operator.builtinOptions = self.tables.ShapeOptionsT()
            operator.builtinOptions.outType = editable.tensor_type(np.int32)
        return index

    def batch_of(self, source: int) -> int:
        """The scalar batch size of a tensor, as TensorFlow writes it."""
        sizes = self.integers("SHAPE", [source], (len(self.shape(source)),))
        ends = [self.constant(f"end{n}", np.asarray([n], np.int32)) for n in (0, 1, 1)]
        return self.integers("STRIDED_SLICE", [sizes, *ends], (), shrinkAxisMask=1)

    def packed(self, *sizes: int) -> int:
        return self.integers("PACK", list(sizes), (len(sizes),), valuesCount=len(sizes))

    def number(self, value: int) -> int:
        return self.constant(f"number{value}", np.asarray(value, np.int32))


def flattened() -> bytes:
    """conv, then RESHAPE to [batch, rest], then a dense layer."""
    net = Open()
    source = net.open(net.input("x", (1, 6, 6, 2)), -1, 6, 6, 2)
    features = net.open(net.conv(source, 3, padding=1), -1, 4, 4, 3)
    wanted = net.packed(net.batch_of(features), net.number(-1))
    flat = net.op("RESHAPE", [features, wanted], ("flat", (1, 48)))
    net.open(flat, -1, 48)
    return net.build(net.open(net.dense(flat, 5, "out"), -1, 5))


def run_open(data: bytes, *values: Array) -> list[Array]:
    """The original in a plain interpreter, no delegate: the reference that nothing of ours made."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=data,
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.resize_tensor_input(detail["index"], value.shape)
    interpreter.allocate_tensors()
    for detail, value in zip(interpreter.get_input_details(), values, strict=True):
        interpreter.set_tensor(detail["index"], value)
    interpreter.invoke()
    return [interpreter.get_tensor(detail["index"]) for detail in interpreter.get_output_details()]


def assert_same(before: bytes, after: bytes, values: Sequence[Array]) -> None:
    for one, other in zip(run_open(before, *values), run_open(after, *values), strict=True):
        assert one.shape == other.shape
        assert one.tobytes() == other.tobytes()


def operators(data: bytes) -> list[str]:
    return [operator.op for operator in parse_model(data, "model").main.operators]


def test_the_shape_chain_becomes_a_constant() -> None:
    before = flattened()
    after = make_static(before, "model")
    assert operators(before) == [
        "CONV_2D",
        "SHAPE",
        "STRIDED_SLICE",
        "PACK",
        "RESHAPE",
        "FULLY_CONNECTED",
    ]
    assert operators(after) == ["CONV_2D", "RESHAPE", "FULLY_CONNECTED"]
    parsed = parse_model(after, "model")
    assert parsed.dynamic_tensors == ()
    reshape = parsed.main.operators[1]
    wanted = parsed.constant(parsed.main.tensors[reshape.inputs[1]])
    assert wanted is not None
    assert wanted.tolist() == [1, 48]
    assert len(after) < len(before)
    random = np.random.default_rng(1)
    for _ in range(20):
        assert_same(before, after, [random.normal(size=(1, 6, 6, 2)).astype(np.float32)])


def test_a_second_pass_changes_nothing() -> None:
    after = make_static(flattened(), "model")
    assert make_static(after, "model") == after


def test_the_same_file_gives_the_same_bytes() -> None:
    assert make_static(flattened(), "model") == make_static(flattened(), "model")


def test_a_static_file_comes_back_untouched() -> None:
    net = Network()
    data = net.build(net.conv(net.input("x", (1, 6, 6, 2)), 3))
    assert make_static(data, "model") is data


def test_half_precision_weights_become_float32() -> None:
    net = Open()
    source = net.input("x", (1, 6))
    weights = np.random.default_rng(0).normal(size=(3, 6)).astype(np.float16)
    half = net.constant("half", weights)
    full = net.op("DEQUANTIZE", [half], ("full", (3, 6)))
    before = net.build(net.op("FULLY_CONNECTED", [source, full, -1], ("out", (1, 3))))
    after = make_static(before, "model")
    assert operators(after) == ["FULLY_CONNECTED"]
    parsed = parse_model(after, "model")
    kept = parsed.constant(parsed.main.tensors[parsed.main.operators[0].inputs[1]])
    assert kept is not None
    assert kept.tobytes() == weights.astype(np.float32).tobytes()
    assert_same(before, after, [np.linspace(-1, 1, 6, dtype=np.float32)[None]])


def test_a_constant_output_stays_an_output() -> None:
    net = Open()
    source = net.open(net.input("x", (1, 4)), -1, 4)
    doubled = net.open(net.op("ADD", [source, source], ("doubled", (1, 4))), -1, 4)
    before = net.build(doubled, net.integers("SHAPE", [source], (2,)))
    after = make_static(before, "model")
    assert operators(after) == ["ADD"]
    assert run_open(after, np.ones((1, 4), np.float32))[1].tolist() == [1, 4]


def test_random_numbers_are_no_constants() -> None:
    net = Open()
    source = net.open(net.input("x", (1, 4)), -1, 4)
    noise = net.op("RANDOM_UNIFORM", [net.integers("SHAPE", [source], (2,))], ("noise", (1, 4)))
    before = net.build(net.op("ADD", [source, net.open(noise, -1, 4)], ("sum", (1, 4))))
    assert operators(make_static(before, "model")) == ["RANDOM_UNIFORM", "ADD"]


def test_signatures_follow_their_tensors() -> None:
    model = editable.read(flattened())
    tables = editable.schema()

    def entry(name: str, index: int) -> Any:
        made = tables.TensorMapT()
        made.name, made.tensorIndex = name, index
        return made

    graph = model.subgraphs[0]
    signature = tables.SignatureDefT()
    signature.signatureKey = "serving_default"
    signature.inputs = [entry("x", int(graph.inputs[0]))]
    signature.outputs = [entry("scores", int(graph.outputs[0]))]
    model.signatureDefs = [signature]
    parsed = parse_model(make_static(editable.write(model), "model"), "model")
    assert parsed.signatures[0].inputs == (("x", parsed.main.inputs[0]),)
    assert parsed.signatures[0].outputs == (("scores", parsed.main.outputs[0]),)


def test_another_open_dimension_is_refused() -> None:
    net = Open()
    source = net.open(net.input("x", (1, 1, 1, 3)), -1, -1, -1, 3)
    data = net.build(net.open(net.mean(source), -1, 3))
    with pytest.raises(ModelError) as caught:
        make_static(data, "open.tflite")
    assert str(caught.value) == (
        "open.tflite: input 'x' has the shape (?, ?, ?, 3), where ? has no fixed size"
    )
    assert caught.value.hint == (
        "convert it again with a fixed size for every dimension but the batch"
    )


def test_an_output_sized_by_values_is_refused() -> None:
    net = Open()
    source = net.open(net.input("x", (1, 9)), -1, 9)
    zero = net.constant("zero", np.zeros((), np.float32))
    positive = net.op("GREATER", [source, zero], ("positive", (1, 9)))
    net.graph.tensors[positive].type = editable.tensor_type(np.bool_)
    places = net.op("WHERE", [net.open(positive, -1, 9)], ("places", (1, 2)))
    net.graph.tensors[places].type = editable.tensor_type(np.int64)
    data = net.build(net.open(places, -1, 2))
    with pytest.raises(ModelError) as caught:
        make_static(data, "where.tflite")
    assert str(caught.value) == (
        "where.tflite: the size of output 'places' depends on the values that go in"
    )


# ---- a fixed batch above 1 --------------------------------------------------------------------


def eight(middle: str) -> bytes:
    net = Open()
    source = net.input("x", (8, 4))
    if middle == "dense":
        out = net.dense(source, 5, "out")
        net.graph.tensors[out].shape = np.asarray([8, 5], np.int32)
        return net.build(net.reshape(out, (8, 5, 1), "folded"))
    if middle == "state":
        state = net.constant("state", np.zeros((8, 2), np.float32))
        return net.build(net.op("CONCATENATION", [source, state], ("out", (8, 6)), axis=1))
    ramp = net.constant("ramp", np.arange(8, dtype=np.float32)[:, None])
    return net.build(net.op("ADD", [source, ramp], ("out", (8, 4))))


def test_independent_rows_are_a_batch() -> None:
    before = eight("dense")
    after = make_static(before, "model")
    parsed = parse_model(after, "model")
    assert [spec.shape for spec in parsed.input_specs()] == [(1, 4)]
    assert [spec.shape for spec in parsed.output_specs()] == [(1, 5, 1)]
    rows = np.random.default_rng(3).normal(size=(8, 4)).astype(np.float32)
    whole = run_open(before, rows)[0]
    single = np.concatenate([run_open(after, row[None])[0] for row in rows])
    np.testing.assert_allclose(single, whole, rtol=1e-5, atol=1e-6)


def test_rows_that_differ_by_their_place_are_no_batch() -> None:
    data = eight("ramp")
    assert make_static(data, "model") is data


def test_a_batch_in_a_constant_is_refused() -> None:
    with pytest.raises(ModelError) as caught:
        make_static(eight("state"), "eight.tflite")
    assert str(caught.value) == "eight.tflite: the batch 8 is built in"
    assert caught.value.hint == "convert it again with batch 1"


# ---- by TensorFlow's own converter ------------------------------------------------------------


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    "name",
    [
        "digits_dynamic",
        "digits_dynamic_half",
        "digits_dynamic_integer",
        "decoder_dynamic",
        "decoder_dynamic_integer",
    ],
)
def test_folding_changes_no_answer(name: str, keras_models: Path) -> None:
    before = (keras_models / f"{name}.tflite").read_bytes()
    after = make_static(before, name)
    spec = parse_model(after, name).input_specs()[0]
    random = np.random.default_rng(2)
    for _ in range(10):
        values = random.random(spec.shape)
        assert_same(before, after, [spec.quantize(values)])
