"""Folding the preprocessing into the model: the same numbers, from raw pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgeq.config import parse_preprocess
from edgeq.quantize.first_layer import LAYERS
from edgeq.quantize.folding import fold_inputs
from edgeq.quantize.plan import InputPlan
from edgeq_device.errors import ConfigError
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from edgeq_device.transforms import Preprocessing
from tests.toolkit import float_models as models
from tests.toolkit.networks import SAME, VALID, Network

SHAPE = models.SHAPE
PIXELS = np.random.default_rng(5).integers(0, 256, SHAPE).astype(np.uint8)

UNIT = "[0,1]"
SIGNED = "[-1,1]"
IMAGENET = "imagenet"
CAFFE = "mean=127,std=128"
INVERTED = "mean=255,std=-255"
SLANTED = "mean=100.5,std=-50"
MIXED = "mean=10,200,90,std=50,-60,90"

INSIDE = {
    models.conv_same: np.s_[:, 1:-1, 1:-1],
    models.conv_behind_pad: np.s_[:, 1:-1, 1:-1],
}
"""The part of the result that no padded tap reaches; all of it for other models."""


def folded(data: bytes, *texts: str | None) -> tuple[bytes, tuple[InputPlan, ...]]:
    return fold_inputs(data, tuple(None if t is None else parse_preprocess(t) for t in texts))


def run(data: bytes, *arrays: Any) -> Any:
    return load(data, name="m").run(*arrays)[0]


KINDS: list[tuple[Callable[[], bytes], str, str]] = [
    (models.conv_same, UNIT, "scale"),
    (models.conv_same, CAFFE, "scale"),
    (models.conv_same, SIGNED, "first-layer"),
    (models.conv_same, INVERTED, "first-layer"),
    (models.conv_same, SLANTED, "first-layer"),
    (models.conv_same, IMAGENET, "inserted"),
    (models.conv_same, MIXED, "inserted"),
    (models.conv_valid, UNIT, "scale"),
    (models.conv_valid, SIGNED, "first-layer"),
    (models.conv_valid, INVERTED, "first-layer"),
    (models.conv_valid, IMAGENET, "first-layer"),
    (models.conv_valid, MIXED, "first-layer"),
    (models.conv_behind_pad, SIGNED, "first-layer"),
    (models.conv_behind_pad, IMAGENET, "inserted"),
    (models.depthwise_valid, SIGNED, "first-layer"),
    (models.depthwise_valid, IMAGENET, "first-layer"),
    (models.depthwise_valid, MIXED, "first-layer"),
    (models.dense_behind_reshape, CAFFE, "scale"),
    (models.dense_behind_reshape, SIGNED, "first-layer"),
    (models.dense_behind_reshape, SLANTED, "first-layer"),
    (models.dense_behind_reshape, IMAGENET, "inserted"),
    (models.dense_without_bias, SIGNED, "first-layer"),
    (models.added_input, UNIT, "scale"),
    (models.added_input, INVERTED, "inserted"),
    (models.added_input, IMAGENET, "inserted"),
    (models.two_readers, SIGNED, "first-layer"),
    (models.two_readers, IMAGENET, "first-layer"),
]


@pytest.mark.parametrize(("make", "text", "kind"), KINDS)
def test_raw_pixels_give_what_preprocessed_ones_gave(
    make: Callable[[], bytes], text: str, kind: str
) -> None:
    data, declared = make(), parse_preprocess(text)
    edited, (plan,) = folded(data, text)
    assert plan.kind == kind
    expected = run(data, declared.apply(PIXELS))
    seen = run(edited, plan.from_pixels(PIXELS))
    size = np.abs(expected).max()
    inside = INSIDE.get(make, np.s_[:])
    np.testing.assert_allclose(seen[inside], expected[inside], rtol=1e-5, atol=1e-5 * size)
    # At a padded border each tap is off by no more than the stated error.
    taps = np.abs(first_weights(data)).reshape(expected.shape[-1], -1).sum(axis=1)
    bound = plan.error * taps + 1e-5 * size
    assert (np.abs(seen - expected) <= bound).all()
    if kind == "first-layer" and make in INSIDE and text == SIGNED:
        assert np.abs(seen - expected).max() > 0.05 * (plan.error * taps).max()


def first_weights(data: bytes) -> Any:
    """The first layer's weights as (outputs, ...)."""
    model = parse_model(data, "m")
    layer = next(op for op in model.main.operators if op.op in LAYERS)
    weights = model.constant(model.main.tensors[layer.inputs[1]])
    assert weights is not None
    return np.moveaxis(weights, -1, 0) if layer.op == "DEPTHWISE_CONV_2D" else weights


@pytest.mark.parametrize("text", [UNIT, CAFFE, "[0,255]", "mean=255,std=2"])
def test_what_fits_into_scale_and_zero_point_leaves_the_bytes_alone(text: str) -> None:
    data, declared = models.conv_same(), parse_preprocess(text)
    edited, (plan,) = folded(data, text)
    assert edited is data
    assert (plan.kind, plan.error) == ("scale", 0.0)
    assert plan.scale == pytest.approx(1 / declared.std[0], rel=1e-12)
    assert plan.zero_point == declared.mean[0]
    np.testing.assert_allclose(
        plan.from_pixels(PIXELS), declared.apply(PIXELS), rtol=1e-6, atol=1e-6
    )


def test_a_mean_that_is_nearly_whole_states_what_it_drops() -> None:
    declared = Preprocessing(mean=(127.00005,), std=(128.0,))
    _, (plan,) = fold_inputs(models.conv_same(), (declared,))
    assert plan.kind == "scale"
    assert plan.error == pytest.approx(0.00005 / 128, rel=1e-6)


def test_the_sentences() -> None:
    def said(data: bytes, text: str) -> str:
        return folded(data, text)[1][0].sentence

    assert said(models.conv_same(), UNIT) == (
        "folded into the input: scale 0.00392157, zero point 0"
    )
    assert said(models.conv_same(), SIGNED) == (
        "folded into the input (scale 0.00784314, zero point 128) and into the first layer's "
        "weights and bias (CONV_2D), off by 0.003922 on the padded border only"
    )
    assert said(models.dense_behind_reshape(), SIGNED).endswith("(FULLY_CONNECTED), exact")
    assert said(models.conv_same(), IMAGENET) == (
        "inserted as a 1x1 depthwise convolution before the first layer: "
        "values are rounded to steps of 0.01866"
    )
    assert said(models.added_input(), SIGNED) == (
        "folded into the input: zero point rounded to 128, every value off by 0.003922 (0.5 steps)"
    )
    assert said(sequence(), "mean=3,std=-2") == (
        "the device computes (pixel - mean) / std: the input is no picture, and no layer takes "
        "it up"
    )


def sequence() -> bytes:
    net = Network()
    return net.build(net.op("TANH", [net.input("x", (1, 4, 3))], ("out", (1, 4, 3))))


def test_where_no_layer_takes_up_half_a_step_the_zero_point_is_rounded() -> None:
    data = models.added_input()
    edited, (plan,) = folded(data, SIGNED)
    assert edited is data
    assert (plan.kind, plan.zero_point) == ("scale", 128)
    every = np.arange(256, dtype=np.uint8)
    off = np.abs(plan.from_pixels(every) - parse_preprocess(SIGNED).apply(every))
    assert plan.error == pytest.approx(0.5 / 127.5, rel=1e-9)
    np.testing.assert_allclose(off, plan.error, rtol=1e-4)


def test_the_device_computes_what_no_graph_can_take() -> None:
    data = sequence()
    edited, (plan,) = folded(data, "mean=3,200,5,std=2,7,-9")
    assert edited is data
    assert plan.kind == "device"
    assert not plan.pixels_go_in
    low, high = -250 / 9, 252 / 2
    assert plan.value_range == pytest.approx((-200 / 7, high))
    assert low > -200 / 7
    assert plan.error == pytest.approx((high + 200 / 7) / 255 / 2)
    assert plan.fixed_range == plan.value_range


def test_a_range_that_does_not_hold_0_is_widened_as_quantizers_do() -> None:
    _, (plan,) = folded(sequence(), "mean=-20,-20,-30,std=10")
    assert plan.value_range == pytest.approx((0.0, 28.5))


def test_an_input_that_is_an_output_too_is_not_replaced() -> None:
    net = Network()
    x = models.picture(net)
    data = net.build(net.conv(x, 4, "out", padding=VALID), x)
    edited, (plan,) = folded(data, IMAGENET)
    assert edited is data
    assert plan.kind == "device"
    assert plan.sentence.endswith("the input is an output of the model too")
    assert folded(data, SIGNED)[1][0].kind == "scale"


def test_each_of_two_inputs_gets_its_own_place() -> None:
    data = models.two_inputs()
    edited, (first, second) = folded(data, IMAGENET, MIXED)
    assert (first.inserted, second.inserted) == ("x/preprocessed", "y/preprocessed")
    other = PIXELS[:, ::-1]
    expected = run(
        data, parse_preprocess(IMAGENET).apply(PIXELS), parse_preprocess(MIXED).apply(other)
    )
    seen = run(edited, first.from_pixels(PIXELS), second.from_pixels(other))
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-4)


def test_the_name_of_an_inserted_tensor_is_free() -> None:
    net = Network()
    hidden = net.conv(models.picture(net), 4, "x/preprocessed", padding=SAME)
    _, (plan,) = folded(net.build(hidden), IMAGENET)
    assert plan.inserted == "x/preprocessed_2"


def test_values_that_are_not_pixels_reach_the_edited_graph_as_the_model_means_them() -> None:
    values = np.random.default_rng(3).normal(0, 1, SHAPE).astype(np.float32)
    for make, text in ((models.conv_valid, MIXED), (models.conv_same, IMAGENET)):
        edited, (plan,) = folded(make(), text)
        seen = run(edited, plan.from_values(values))
        np.testing.assert_allclose(seen, run(make(), values), rtol=1e-5, atol=1e-4)


def test_an_input_without_a_declaration_is_calibrated() -> None:
    data = models.conv_same()
    edited, (plan,) = folded(data, None)
    assert edited is data
    assert (plan.kind, plan.fixed_range) == ("calibrated", None)
    assert plan.sentence == "no preprocessing declared: the range comes from the samples"
    values = np.ones(SHAPE, np.float32)
    assert np.array_equal(plan.from_values(values), values)


def test_means_for_channels_that_the_input_has_not_are_refused() -> None:
    net = Network()
    data = net.build(net.conv(net.input("gray", (1, 8, 8, 1)), 4, "out"))
    with pytest.raises(ConfigError) as caught:
        folded(data, IMAGENET)
    assert str(caught.value) == (
        "--preprocess is '3 means or stds', but must be one number, or one for each channel of "
        "input 'gray', whose shape is [1, 8, 8, 1]"
    )
    assert caught.value.hint == "declare one mean and one std, or the right INPUT:..."
