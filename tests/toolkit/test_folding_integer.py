"""What folding promised, read off the integer model: scales, zero points, and the stated error."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeq.config import parse_preprocess
from edgeq.quantize import InputPlan, QuantSpec, quantize
from edgeq_device.runtime import LoadOptions, load
from edgeq_device.tflite import parse_model
from tests.toolkit import float_models as models
from tests.toolkit.float_sources import FloatFile, pixels
from tests.toolkit.networks import Network

SPEC = QuantSpec("m", engine="litert", threads=1)
EVERY = np.resize(np.arange(256, dtype=np.uint8), (4, *models.SHAPE[1:]))
"""Every pixel value, in pictures of eight by eight pixels."""


def built(data: bytes, text: str, **options: Any) -> tuple[bytes, InputPlan]:
    samples = pixels(data, parse_preprocess(text), **options)
    integer, report = quantize(FloatFile(data), samples, SPEC)
    return integer, report.plans[0]


@pytest.mark.parametrize(
    ("make", "text", "kind"),
    [
        (models.conv_same, "[0,1]", "scale"),
        (models.conv_same, "mean=127,std=128", "scale"),
        (models.conv_same, "mean=255,std=3.3", "scale"),
        (models.conv_same, "[-1,1]", "first-layer"),
        (models.conv_same, "mean=255,std=-255", "first-layer"),
        (models.conv_same, "imagenet", "inserted"),
        (models.conv_valid, "imagenet", "first-layer"),
        (models.dense_behind_reshape, "[-1,1]", "first-layer"),
        (models.added_input, "[-1,1]", "scale"),
    ],
)
def test_raw_pixels_go_straight_in(make: Callable[[], bytes], text: str, kind: str) -> None:
    data, declared = make(), parse_preprocess(text)
    # Samples that hold neither the pixel 0 nor 255 must not narrow the input.
    integer, plan = built(data, text, span=(60, 180))
    assert plan.kind == kind
    model = load(integer, name="m")
    (spec,) = model.inputs
    assert spec.dtype == "uint8"
    assert spec.scale == pytest.approx(plan.scale, rel=1e-6)
    assert spec.zero_point == plan.zero_point
    reference = load(data, name="f")
    signal = noise = 0.0
    for sample in pixels(data, declared, span=(60, 180))[0].array[:20]:
        (expected,) = reference.run(declared.apply(sample[None]))
        seen = model.outputs[0].dequantize(model.run(sample[None])[0])
        signal += float(np.square(expected).sum())
        noise += float(np.square(expected - seen).sum())
    assert 10 * np.log10(signal / noise) > 25


def inner(integer: bytes, name: str, sample: Any) -> Any:
    """The real numbers that an inner tensor of an integer model stands for."""
    tensor = next(t for t in parse_model(integer, "m").main.tensors if t.name == name)
    model = load(integer, name="m", options=LoadOptions(preserve_all=True))
    model.run(sample)
    return tensor.spec().dequantize(model.tensor(tensor.index))


@pytest.mark.parametrize(
    "text",
    ["imagenet", "mean=10,200,90,std=50,-60,90", "mean=0,128,255,std=255", "mean=-9,7,9,std=-4"],
)
def test_the_stated_error_bounds_what_the_inserted_convolution_gives(text: str) -> None:
    integer, plan = built(models.conv_same(), text, span=(100, 150))
    assert plan.kind == "inserted"
    largest = 0.0
    for sample in EVERY:
        wanted = parse_preprocess(text).apply(sample[None])
        off = np.abs(inner(integer, plan.inserted, sample[None]) - wanted)
        largest = max(largest, float(off.max()))
    assert largest <= plan.error * (1 + 1e-5)
    assert largest > 0.7 * plan.error


def test_the_weights_of_the_inserted_convolution_quantize_exactly() -> None:
    integer, plan = built(models.conv_same(), "mean=10,200,90,std=50,-60,90")
    model = parse_model(integer, "m")
    layer = next(op for op in model.main.operators if op.op == "DEPTHWISE_CONV_2D")
    weights = model.main.tensors[layer.inputs[1]]
    stored = model.constant(weights)
    assert stored is not None
    assert np.abs(stored).ravel().tolist() == [127, 127, 127]
    real = stored.ravel() * np.asarray(weights.quantization.scales)
    np.testing.assert_allclose(real, plan.gain, rtol=1e-6)


def test_the_stated_error_bounds_the_input_that_the_device_computes() -> None:
    net = Network()
    data = net.build(net.op("TANH", [net.input("x", (1, 4, 3))], ("out", (1, 4, 3))))
    text = "mean=3,200,5,std=90,70,-80"
    integer, plan = built(data, text, span=(100, 150))
    assert plan.kind == "device"
    (spec,) = load(integer, name="m").inputs
    every = np.repeat(np.arange(256, dtype=np.uint8), 3).reshape(256, 3)
    wanted = parse_preprocess(text).apply(every)
    off = np.abs(spec.dequantize(spec.quantize(wanted)) - wanted)
    assert off.max() <= plan.error * (1 + 1e-5)
    assert off.max() > 0.9 * plan.error


def test_without_a_declaration_the_range_comes_from_the_samples() -> None:
    data = models.conv_same()
    integer, report = quantize(FloatFile(data), pixels(data, None, span=(20, 200)), SPEC)
    assert report.plans[0].kind == "calibrated"
    (spec,) = load(integer, name="m").inputs
    assert spec.scale == pytest.approx(199 / 255, rel=1e-5)
    assert spec.zero_point == 0
