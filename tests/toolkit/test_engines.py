"""Which engine quantizes, why, and that nothing broken comes through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeq import model as editable
from edgeq.config import parse_preprocess
from edgeq.quantize import InputSamples, QuantSpec, litert, quantize
from edgeq.quantize.errors import EngineCannotError
from edgeq_device.errors import CalibrationError, ConfigError, GateFailed, MissingTool, ModelError
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.toolkit import float_models as models
from tests.toolkit.float_sources import FloatFile, pixels, values
from tests.toolkit.networks import Network

SPEC = QuantSpec("m.tflite", threads=1)
FALLBACK = replace(SPEC, mode="float-fallback")


def integer_of(data: bytes) -> bytes:
    return quantize(FloatFile(data), values(data), SPEC)[0]


def damaged(data: bytes, tensor: str, factor: float) -> bytes:
    """An integer model with one scale multiplied by ``factor``."""
    model = editable.read(data)
    for found in model.subgraphs[0].tensors:
        if editable.tensor_name(found) == tensor:
            found.quantization.scale = np.asarray(found.quantization.scale, np.float32) * factor
    return editable.write(model)


def test_the_default_is_litert_and_the_report_says_how_well_it_follows() -> None:
    data = models.classifier(end="")
    integer, report = quantize(FloatFile(data), values(data), SPEC)
    assert (report.engine, report.reason, report.remark) == ("litert", "the default", "")
    assert report.agreement is not None
    assert report.agreement.samples == 32
    assert report.agreement.sqnr_db > 30
    assert report.agreement.outputs[0].name == "logits"
    assert report.agreement.outputs[0].max_steps < 4
    assert report.agreement.top1 is not None
    assert report.agreement.top1 >= 0.9
    assert load(integer, name="i").inputs[0].dtype == "uint8"


@pytest.mark.parametrize("engine", ["auto", "litert", "tflite-converter"])
def test_sum_is_refused_before_anything_runs(engine: str) -> None:
    data = models.classifier(op="SUM")
    source = FloatFile(data, converted=b"never asked")
    with pytest.raises(GateFailed) as caught:
        quantize(source, values(data), replace(SPEC, engine=engine))
    assert str(caught.value) == (
        "m.tflite: operator 1 (SUM) is quantized wrongly: TensorFlow 2.5's kernel, which the "
        "frozen compiler holds, wraps around where today's saturates, and the litert engine "
        "scales it wrongly"
    )
    assert caught.value.hint == "write the sum as a mean times the number of its terms"
    assert caught.value.exit_code == 3
    assert source.asked == []


def test_sum_in_float_fallback_is_caught_by_the_comparison() -> None:
    data = models.classifier(op="SUM", end="")
    with pytest.raises(
        GateFailed, match=r"operator 2 \(SUM, tensor 'reduced'\) is quantized wrongly"
    ):
        quantize(FloatFile(data), values(data), FALLBACK)


def test_prelu_falls_back_to_the_converter_with_the_reason() -> None:
    data = models.prelu()
    samples = values(data)
    source = FloatFile(data, converted=converter_answer())
    integer, report = quantize(source, samples, SPEC)
    assert integer == source.converted
    assert report.engine == "tflite-converter"
    assert report.reason.startswith(
        "the litert engine could not: m.tflite: the litert engine cannot quantize operator 1 "
        "(PRELU): "
    )
    (asked,) = source.asked
    assert asked["mode"] == "integer"
    assert asked["affine"] == [None]
    assert np.array_equal(asked["samples"][0], samples[0].array)


def test_what_the_converter_gives_is_compared_too() -> None:
    data = models.prelu()
    another = integer_of(models.conv_same())
    with pytest.raises(GateFailed, match="output 'out' has .* dB against the float model"):
        quantize(FloatFile(data, converted=another), values(data), SPEC)


def converter_answer() -> bytes:
    """The PRELU network written as RELU(x) - 0.2 RELU(-x), quantized: the same function."""
    net = Network()
    x = net.conv(models.picture(net), 4)
    shape = net.shape(x)
    slope = net.constant("slope", np.full(1, 0.2, np.float32))
    scaled = net.op("MUL", [x, slope], ("scaled", shape))
    return integer_of(net.build(net.op("MAXIMUM", [x, scaled], ("out", shape))))


def test_an_engine_that_was_asked_for_does_not_fall_back() -> None:
    data = models.prelu()
    source = FloatFile(data, converted=converter_answer())
    with pytest.raises(EngineCannotError) as caught:
        quantize(source, values(data), replace(SPEC, engine="litert"))
    assert caught.value.hint == "leave out --engine litert: TensorFlow's converter is tried then"
    assert source.asked == []
    with pytest.raises(EngineCannotError) as caught:
        quantize(FloatFile(data), values(data), SPEC)
    assert caught.value.hint == "give the Keras model: TensorFlow's converter can"


def test_the_converter_is_not_offered_for_a_tflite() -> None:
    data = models.conv_same()
    with pytest.raises(ModelError) as caught:
        quantize(FloatFile(data), values(data), replace(SPEC, engine="tflite-converter"))
    assert str(caught.value) == (
        "m.tflite: the tflite-converter engine cannot start from a .tflite"
    )
    assert caught.value.hint == "give the Keras model, or use --engine litert"


def test_the_converter_asked_for_by_name_does_the_work() -> None:
    data = models.conv_same()
    source = FloatFile(data, converted=integer_of(data))
    integer, report = quantize(source, values(data), replace(SPEC, engine="tflite-converter"))
    assert (report.engine, report.reason) == ("tflite-converter", "asked for")
    assert integer == source.converted


def test_without_litert_the_converter_does_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise MissingTool("ai-edge-litert", "has no quantizer (gone)")

    data = models.conv_same()
    answer = integer_of(data)
    monkeypatch.setattr(litert, "self_test", missing)
    _, report = quantize(FloatFile(data, converted=answer), values(data), SPEC)
    assert report.reason == "the litert engine could not: ai-edge-litert: has no quantizer (gone)"
    with pytest.raises(MissingTool):
        quantize(FloatFile(data), values(data), SPEC)


def test_samples_that_are_at_fault_are_not_tried_on_the_other_engine() -> None:
    data = models.between("SQRT")
    source = FloatFile(data, converted=integer_of(models.conv_same()))
    with pytest.raises(CalibrationError, match="tensor 'u' becomes nan"):
        quantize(source, values(data), SPEC)
    wrong = parse_preprocess("mean=1,2,3,4,std=9")
    with pytest.raises(ConfigError, match="4 means or stds"):
        quantize(source, pixels(data, wrong), SPEC)
    assert source.asked == []


def damage(monkeypatch: pytest.MonkeyPatch, tensor: str, factor: float) -> None:
    """Let the quantizer get one scale wrong."""
    litert.self_test()
    real = litert.run_quantizer
    monkeypatch.setattr(
        litert, "run_quantizer", lambda data, spec: damaged(real(data, spec), tensor, factor)
    )


@pytest.mark.parametrize(
    ("tensor", "factor", "operator"),
    [
        ("conv", 0.02, "operator 1 (CONV_2D, tensor 'conv')"),
        ("logits_int8", 0.02, "operator 3 (FULLY_CONNECTED, tensor 'logits_int8')"),
        ("logits", 400.0, "operator 4 (QUANTIZE, tensor 'logits')"),
    ],
)
def test_a_damaged_scale_is_refused_and_its_operator_named(
    tensor: str, factor: float, operator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(monkeypatch, tensor, factor)
    data = models.classifier(end="")
    with pytest.raises(GateFailed) as caught:
        quantize(FloatFile(data), values(data), SPEC)
    assert str(caught.value).startswith(f"{operator} is quantized wrongly: ")
    assert "output 'logits' has " in str(caught.value)
    assert caught.value.exit_code == 3
    assert caught.value.hint == (
        "replace that operator (SUM: use MEAN), or try --engine tflite-converter"
    )


def test_seven_lost_bits_of_an_output_are_remarked_upon(monkeypatch: pytest.MonkeyPatch) -> None:
    damage(monkeypatch, "logits", 100.0)
    data = models.classifier(end="")
    _, report = quantize(FloatFile(data), values(data), SPEC)
    assert report.agreement is not None
    assert 8 < report.agreement.sqnr_db < 15
    ratio = f"{report.agreement.sqnr_db:.1f} dB"
    assert report.remark == (
        f"output 'logits' has {ratio} against the float model (fair, not good)"
    )


def flat_softmax(end: str = "SOFTMAX") -> bytes:
    """A thousand classes, none of which ever gets half a step of probability."""
    net = Network()
    features = net.mean(net.conv(models.picture(net), 8, "conv", activation=1))
    logits = net.dense(features, 1000, "logits")
    return net.build(net.op(end, [logits], ("out", (1, 1000)), beta=0.05))


@pytest.mark.parametrize("spec", [SPEC, FALLBACK])
def test_probabilities_below_half_a_step_are_no_reason_to_refuse(spec: QuantSpec) -> None:
    data = flat_softmax()
    _, report = quantize(FloatFile(data), values(data), spec)
    assert report.agreement is not None
    (output,) = report.agreement.outputs
    assert output.sqnr_db < 3
    assert 0 < output.rms_steps < 0.5
    assert output.is_rounding
    assert report.remark == ""


def test_float_fallback_keeps_float_ends_and_what_has_no_8_bit_form() -> None:
    data = models.between("ELU")
    integer, report = quantize(FloatFile(data), pixels(data, parse_preprocess("[0,1]")), FALLBACK)
    model = load(integer, name="i")
    assert [spec.dtype for spec in (*model.inputs, *model.outputs)] == ["float32", "float32"]
    assert "ELU" in [op.op for op in parse_model(integer, "i").main.operators]
    assert report.plans[0].kind == "calibrated"
    assert report.agreement is not None
    assert report.agreement.sqnr_db > 25


def test_several_inputs_and_outputs() -> None:
    net = Network()
    x, y = models.picture(net, "x"), net.input("y", (1, 4))
    left, right = net.mean(net.conv(x, 8)), net.dense(y, 8, "right")
    total = net.op("ADD", [left, right], ("total", (1, 8)))
    data = net.build(net.dense(total, 3, "classes"), total)
    chance = np.random.default_rng(0)
    samples = (
        InputSamples(
            chance.integers(0, 256, (40, *models.SHAPE[1:])).astype(np.uint8),
            is_pixels=True,
            shape=models.SHAPE,
            preprocessing=parse_preprocess("[-1,1]"),
        ),
        InputSamples(chance.normal(0, 1, (40, 4)).astype(np.float32), False, (1, 4), None),
    )
    integer, report = quantize(FloatFile(data), samples, SPEC)
    assert [plan.kind for plan in report.plans] == ["first-layer", "calibrated"]
    assert report.agreement is not None
    assert [output.name for output in report.agreement.outputs] == ["classes", "total"]
    assert report.agreement.sqnr_db > 25
    model = load(integer, name="i")
    assert [(spec.name, spec.dtype) for spec in model.inputs] == [("x", "uint8"), ("y", "uint8")]


def test_a_model_without_inputs_is_refused() -> None:
    with pytest.raises(ModelError, match="m.tflite: has no inputs"):
        quantize(FloatFile(models.conv_same()), (), SPEC)


def test_a_last_arg_max_counts_by_equal_numbers_not_by_decibels() -> None:
    net = Network()
    logits = net.dense(net.mean(net.conv(models.picture(net), 8)), 10, "logits")
    axis = net.constant("axis", np.array(1, np.int32))
    out = net.op("ARG_MAX", [logits, axis], ("out", (1,)), outputType=2)
    net.graph.tensors[out].type = net.tables.TensorType.INT32
    data = net.build(out)
    _, report = quantize(FloatFile(data), values(data), SPEC)
    assert report.agreement is not None
    (output,) = report.agreement.outputs
    assert output.is_whole
    assert output.top1 is not None
    assert output.top1 >= 0.9
