"""Which layers take an affine map up into their weights, and which cannot."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeq.config import parse_preprocess
from edgeq.quantize.folding import fold_inputs
from edgeq.quantize.plan import InputPlan
from edgeq_device.runtime import load
from tests.toolkit import float_models as models
from tests.toolkit.networks import SAME, VALID, Network

SHAPE = models.SHAPE
PIXELS = np.random.default_rng(5).integers(0, 256, SHAPE).astype(np.uint8)
SIGNED = "[-1,1]"
IMAGENET = "imagenet"


def folded(data: bytes, *texts: str | None) -> tuple[bytes, tuple[InputPlan, ...]]:
    return fold_inputs(data, tuple(None if t is None else parse_preprocess(t) for t in texts))


def run(data: bytes, *arrays: Any) -> Any:
    return load(data, name="m").run(*arrays)[0]


def test_layers_that_share_weights_do_not_change_each_other() -> None:
    net = Network()
    x, y = models.picture(net, "x"), models.picture(net, "y")
    weights = net.constant("shared", net.random.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32))
    left = net.conv(x, 4, "left", padding=VALID, weights=weights)
    right = net.conv(y, 4, "right", padding=VALID, weights=weights)
    data = net.build(net.op("ADD", [left, right], ("out", net.shape(left))))
    edited, (first, second) = folded(data, SIGNED, None)
    assert (first.kind, second.kind) == ("first-layer", "calibrated")
    values = np.random.default_rng(1).normal(0, 1, SHAPE).astype(np.float32)
    expected = run(data, parse_preprocess(SIGNED).apply(PIXELS), values)
    seen = run(edited, first.from_pixels(PIXELS), second.from_values(values))
    np.testing.assert_allclose(seen, expected, rtol=1e-5, atol=1e-5)


def test_a_same_convolution_that_never_leaves_the_picture_is_not_padded() -> None:
    net = Network()
    x = net.input("x", (1, 9, 9, 3))
    data = net.build(net.conv(x, 4, "out", size=3, stride=3, padding=SAME))
    assert folded(data, IMAGENET)[1][0].kind == "first-layer"
    net = Network()
    data = net.build(net.conv(models.picture(net), 4, "out", size=1, padding=SAME))
    edited, (plan,) = folded(data, IMAGENET)
    assert (plan.kind, plan.error) == ("first-layer", 0.0)


def test_a_grouped_convolution_takes_up_one_mean_only() -> None:
    net = Network()
    x = net.input("x", (1, 8, 8, 4))
    kernel = net.random.normal(0, 0.3, (4, 3, 3, 2)).astype(np.float32)
    operands = [x, net.constant("w", kernel), net.constant("b", np.zeros(4, np.float32))]
    options = {"padding": VALID, "strideH": 1, "strideW": 1}
    data = net.build(net.op("CONV_2D", operands, ("out", (1, 6, 6, 4)), **options))
    pixels = np.random.default_rng(2).integers(0, 256, (1, 8, 8, 4)).astype(np.uint8)
    for text, kind in ((SIGNED, "first-layer"), ("mean=1,2,3,4,std=50", "inserted")):
        edited, (plan,) = folded(data, text)
        assert plan.kind == kind
        expected = run(data, parse_preprocess(text).apply(pixels))
        np.testing.assert_allclose(
            run(edited, plan.from_pixels(pixels)), expected, rtol=1e-5, atol=1e-4
        )


def test_padding_that_adds_channels_hides_which_is_which() -> None:
    net = Network()
    x = models.picture(net)
    widths = net.constant("widths", np.array([[0, 0], [0, 0], [0, 0], [0, 1]], np.int32))
    wide = net.op("PAD", [x, widths], ("wide", (1, 8, 8, 4)))
    data = net.build(net.conv(wide, 4, "out", padding=VALID))
    assert folded(data, "mean=100,100,100.5,std=50,50,51")[1][0].kind == "inserted"


def test_computed_weights_cannot_take_anything_up() -> None:
    net = Network()
    x, kernel = models.picture(net), net.input("kernel", (4, 3, 3, 3))
    data = net.build(net.conv(x, 4, "out", padding=VALID, weights=kernel))
    assert folded(data, IMAGENET, None)[1][0].kind == "inserted"


def test_weights_that_were_replaced_do_not_stay_in_the_file() -> None:
    net = Network()
    flat = net.reshape(models.picture(net), (1, 192))
    data = net.build(net.dense(flat, 200, "out"))
    edited, _ = folded(data, SIGNED)
    assert abs(len(edited) - len(data)) < 1000
    assert len(data) > 200 * 192 * 4


def test_an_operator_that_nothing_needs_is_no_reader() -> None:
    net = Network()
    x = models.picture(net)
    net.op("TANH", [x], ("unused", SHAPE))
    data = net.build(net.conv(x, 4, "out", padding=VALID))
    assert folded(data, IMAGENET)[1][0].kind == "first-layer"
