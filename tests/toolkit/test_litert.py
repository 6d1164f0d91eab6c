"""The litert engine: what it makes of float models, and what it says when it cannot."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeq import contract
from edgeq.quantize import litert
from edgeq.quantize.errors import EngineCannotError
from edgeq.quantize.litert import LitertSpec
from edgeq_device.errors import CalibrationError, MissingTool
from edgeq_device.runtime import load
from edgeq_device.tflite import Model, parse_model
from tests.toolkit import float_models as models
from tests.toolkit.networks import Network

SPEC = LitertSpec("m.tflite", threads=1)


def samples(data: bytes, count: int = 20, seed: int = 0) -> list[tuple[Any, ...]]:
    chance = np.random.default_rng(seed)
    specs = parse_model(data, "m").input_specs()
    return [
        tuple(chance.normal(0, 1, spec.shape).astype(np.float32) for spec in specs)
        for _ in range(count)
    ]


def quantized(data: bytes, spec: LitertSpec = SPEC) -> Model:
    return parse_model(litert.quantize(data, samples(data), spec), "integer")


def sqnr(data: bytes, integer: bytes, count: int = 20) -> float:
    reference, model = load(data, name="f"), load(integer, name="i")
    signal = noise = 0.0
    for sample in samples(data, count):
        fed = (spec.quantize(array) for spec, array in zip(model.inputs, sample))
        for wanted, spec, seen in zip(reference.run(*sample), model.outputs, model.run(*fed)):
            signal += float(np.square(wanted).sum())
            noise += float(np.square(wanted - spec.dequantize(seen)).sum())
    return float(10 * np.log10(signal / max(noise, 1e-30)))


def test_ends_are_uint8_convolutions_per_channel_and_dense_layers_have_one_scale() -> None:
    data = models.classifier()
    model = quantized(data)
    assert [spec.dtype for spec in model.input_specs() + model.output_specs()] == ["uint8"] * 2
    scales = {
        op.op: len(model.main.tensors[op.inputs[1]].quantization.scales)
        for op in model.main.operators
        if op.op in ("CONV_2D", "FULLY_CONNECTED")
    }
    assert scales == {"CONV_2D": 8, "FULLY_CONNECTED": 1}
    assert contract.check(model, mode="integer", int8_ends=False).is_kept
    assert [spec.name for spec in model.input_specs() + model.output_specs()] == ["x", "out"]


def test_float_ends_stay_float_where_asked() -> None:
    model = quantized(models.classifier(), LitertSpec("m", float_ends=True))
    assert [spec.dtype for spec in model.input_specs() + model.output_specs()] == ["float32"] * 2
    assert [op.op for op in model.main.operators][:2] == ["QUANTIZE", "CONV_2D"]


def test_the_quantizer_s_lines_are_said_once_each() -> None:
    net = Network()
    features = net.conv(models.picture(net), 4)
    for number in range(3):
        features = net.op("ELU", [features], (f"u{number}", net.shape(features)))
    with pytest.raises(EngineCannotError) as caught:
        quantized(net.build(net.conv(features, 2, "out")))
    assert str(caught.value).count("Quantization not yet supported for op: 'ELU'.") == 1


def test_an_operator_without_an_8_bit_form_stays_float_only_where_asked() -> None:
    data = models.between("ELU")
    with pytest.raises(EngineCannotError) as caught:
        quantized(data)
    assert str(caught.value) == (
        "m.tflite: the litert engine cannot quantize it: Quantization not yet supported for op: "
        "'ELU'."
    )
    assert caught.value.hint == (
        "replace that operator, or leave it in float with --mode float-fallback"
    )
    model = quantized(data, LitertSpec("m", float_ends=True))
    floats = [
        op.op for op in model.main.operators if model.main.tensors[op.outputs[0]].dtype == "float32"
    ]
    assert floats == ["DEQUANTIZE", "ELU", "DEQUANTIZE"]


def test_a_fixed_range_becomes_exactly_that_scale_and_zero_point() -> None:
    data = models.conv_same()
    for scale, zero_point in ((1 / 255, 0), (0.0173, 117), (2.5, 255)):
        ends = (-zero_point * scale, (255 - zero_point) * scale)
        (spec,) = quantized(data, LitertSpec("m", fixed_ranges=(ends,))).input_specs()
        assert spec.scale == pytest.approx(scale, rel=1e-6)
        assert spec.zero_point == zero_point


def test_the_same_inputs_give_the_same_bytes_with_any_number_of_threads() -> None:
    data = models.residual()
    made = [litert.quantize(data, samples(data), LitertSpec("m", threads=n)) for n in (1, 2, 1)]
    assert made[0] == made[1] == made[2]


def test_tensors_without_names_or_with_the_same_one_keep_their_own_ranges() -> None:
    plain = models.residual()
    net = Network()
    first = net.conv(models.picture(net), 4, "same", activation=1)
    second = net.conv(first, 4, "same")
    total = net.op("ADD", [second, first], (None, net.shape(second)))
    twin = net.build(net.dense(net.mean(total), 3, "same"))
    expected, seen = (litert.quantize(data, samples(data), SPEC) for data in (plain, twin))
    scales = [
        [t.quantization.scales for t in parse_model(data, "m").main.tensors if t.dtype == "int8"]
        for data in (expected, seen)
    ]
    assert scales[0] == scales[1]
    assert len(scales[0]) > 5
    assert sqnr(twin, seen) > 25


def test_a_dead_tensor_gets_a_positive_scale_and_the_model_loads() -> None:
    data = models.dead_relu()
    model = quantized(data)
    dead = next(tensor for tensor in model.main.tensors if tensor.name == "dead")
    assert dead.quantization.scales[0] == pytest.approx(1 / 255)
    assert contract.check(model, mode="integer").is_kept
    assert sqnr(data, bytes(model.data)) > 35


@pytest.mark.parametrize("dead", [0, 1])
def test_weights_of_zero_get_a_positive_scale(dead: int) -> None:
    net = Network()
    x = models.picture(net)
    kernel = net.random.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)
    kernel[dead:] = 0
    data = net.build(net.conv(x, 4, "out", weights=net.constant("w", kernel)))
    model = quantized(data)
    assert contract.check(model, mode="integer").is_kept
    scales = model.main.tensors[model.main.operators[1].inputs[1]].quantization.scales
    assert len(scales) == 4
    assert min(scales) > 0


def test_samples_that_make_a_tensor_nan_are_refused_by_its_name() -> None:
    data = models.between("SQRT")
    with pytest.raises(CalibrationError) as caught:
        quantized(data)
    assert str(caught.value) == "m.tflite: tensor 'u' becomes nan to nan on the samples"
    assert caught.value.hint == ("check that the samples are preprocessed as the model was trained")


def test_prelu_is_refused_with_the_way_out() -> None:
    with pytest.raises(EngineCannotError) as caught:
        quantized(models.prelu())
    assert str(caught.value) == (
        "m.tflite: the litert engine cannot quantize operator 1 (PRELU): its slopes come out in a "
        "form that the frozen compiler's interpreter cannot read"
    )
    assert caught.value.hint == "give the Keras model: TensorFlow's converter can"


def test_an_input_that_nothing_reads_is_named() -> None:
    net = Network()
    x, _ = models.picture(net), net.input("spare", (1, 4))
    with pytest.raises(EngineCannotError) as caught:
        quantized(net.build(net.conv(x, 4, "out")))
    assert str(caught.value) == "m.tflite: no operator reads the input 'spare'"
    assert caught.value.hint == "remove it from the model"


def test_a_model_of_two_subgraphs_is_refused() -> None:
    net = Network()
    out = net.conv(models.picture(net), 4, "out")
    second = net.tables.SubGraphT()
    second.tensors, second.operators = [net.graph.tensors[0]], []
    second.inputs = second.outputs = np.array([0], np.int32)
    net.model.subgraphs.append(second)
    with pytest.raises(EngineCannotError, match="cannot quantize a model of 2 subgraphs") as caught:
        litert.quantize(net.build(out), [(np.zeros(models.SHAPE, np.float32),)], SPEC)
    assert "unroll=True" in caught.value.hint


@pytest.mark.parametrize(
    "module", ["_pywrap_tfl_calibration", "_pywrap_tensorflow_lite_calibration_wrapper"]
)
def test_without_the_private_calls_the_install_command_is_named(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ai_edge_litert

    litert.self_test.cache_clear()
    monkeypatch.setitem(sys.modules, f"ai_edge_litert.{module}", None)
    monkeypatch.delattr(ai_edge_litert, module, raising=False)
    with pytest.raises(MissingTool) as caught:
        quantized(models.conv_same())
    assert str(caught.value).startswith("ai-edge-litert: has no quantizer (")
    assert caught.value.hint == (
        'pip install "ai-edge-litert>=2.1.6,<2.4", or --engine tflite-converter'
    )
    monkeypatch.undo()
    assert quantized(models.conv_same()).input_specs()[0].dtype == "uint8"


def test_a_quantizer_that_computes_otherwise_fails_the_self_test(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    litert.self_test.cache_clear()
    real = litert.put_ranges
    wide: Callable[..., None] = lambda model, ranges, spec: real(  # noqa: E731
        model, {name: (2 * low, high / 2) for name, (low, high) in ranges.items()}, spec
    )
    monkeypatch.setattr(litert, "put_ranges", wide)
    with pytest.raises(
        MissingTool, match=r"its quantizer fails the self-test \(range \(1.0, 5.0\)"
    ):
        litert.self_test()
    monkeypatch.undo()
    litert.self_test()


def test_progress_is_told_for_each_sample() -> None:
    data = models.conv_same()
    told: list[tuple[str, int, int]] = []
    litert.quantize(data, samples(data, 3), SPEC, progress=lambda *step: told.append(step))
    assert told == [("calibrate", 1, 3), ("calibrate", 2, 3), ("calibrate", 3, 3)] + [
        ("quantize", 0, 1),
        ("quantize", 1, 1),
    ]


def test_weights_of_float16_are_quantized_like_those_of_float32() -> None:
    data = models.float16_weights()
    model = quantized(data)
    assert [op.op for op in model.main.operators] == ["QUANTIZE", "CONV_2D", "QUANTIZE"]
    assert contract.check(model, mode="integer", int8_ends=False).is_kept
    assert sqnr(data, bytes(model.data)) > 30
