"""Float ends of an integer body become uint8; a CPU tail's own outputs stay."""

from __future__ import annotations

import numpy as np

from edgeq.legalize import LegalizeSpec, legalize
from edgeq.quantize import litert
from edgeq.quantize.litert import LitertSpec
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.toolkit.legalize.running import assert_same_answers, ops, quantized, values
from tests.toolkit.networks import Network


def network() -> bytes:
    net = Network()
    hidden = net.conv(net.input("x", (1, 8, 8, 3)), 4)
    return net.build(net.dense(net.mean(hidden), 5, "y"))


def with_float_ends(data: bytes) -> bytes:
    return litert.quantize(data, values(data, 20), LitertSpec("m", threads=1, float_ends=True))


def test_both_ends_become_uint8_with_the_same_answers() -> None:
    before = with_float_ends(network())
    assert ops(before)[-1][0] == "DEQUANTIZE"
    after, report = legalize(before)
    (applied,) = report.rewrites
    assert (applied.name, applied.is_exact) == ("float-ends", True)
    assert [one.op for one in applied.operators] == ["QUANTIZE", "DEQUANTIZE"]
    assert (ops(after)[0], ops(after)[-1]) == (("QUANTIZE", 1), ("QUANTIZE", 1))
    parsed = parse_model(after, "after")
    (taken,), (given,) = parsed.input_specs(), parsed.output_specs()
    assert (taken.name, taken.dtype, given.name, given.dtype) == ("x", "uint8", "y", "uint8")
    old, new = load(before, name="before"), load(after, name="after")
    chance = np.random.default_rng(3)
    for _ in range(20):
        pixels = chance.integers(0, 256, taken.shape, np.uint8)
        (wanted,), (got,) = old.run(taken.dequantize(pixels)), new.run(pixels)
        np.testing.assert_array_equal(wanted, given.dequantize(got))


def test_it_is_what_the_quantizer_gives_with_uint8_ends() -> None:
    after, _ = legalize(with_float_ends(network()))
    assert_same_answers(quantized(network()), after)


def test_float_ends_can_be_kept() -> None:
    before = with_float_ends(network())
    assert legalize(before, (), LegalizeSpec(skip=("float-ends",)))[0] == before


def test_floats_that_a_cpu_goes_on_with_stay() -> None:
    net = Network()
    hidden = net.conv(net.input("x", (1, 8, 8, 3)), 4)
    last = net.op("COS", [hidden], ("y", net.shape(hidden)))
    before = with_float_ends(net.build(last))
    after, _ = legalize(before)
    assert (ops(after)[-2][0], ops(after)[-1][0]) == ("DEQUANTIZE", "COS")
    assert parse_model(after, "m").output_specs()[0].dtype == "float32"


def test_numbers_that_are_only_rounded_on_the_way_are_no_integer_body() -> None:
    net = Network()
    rounded = net.op("QUANTIZE", [net.input("x", (1, 4))], ("q", (1, 4)))
    tensor = net.graph.tensors[rounded]
    tensor.type = net.tables.TensorType.INT8
    tensor.quantization = net.tables.QuantizationParametersT()
    tensor.quantization.scale = np.array([0.05], np.float32)
    tensor.quantization.zeroPoint = np.array([0], np.int64)
    before = net.build(net.op("DEQUANTIZE", [rounded], ("y", (1, 4)), version=2))
    assert legalize(before)[0] == before
