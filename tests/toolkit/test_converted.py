"""What becomes of the preprocessing when TensorFlow's converter quantizes."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeq import frontends
from edgeq.config import parse_preprocess
from edgeq.quantize import GraphSamples, InputSamples, QuantSpec, litert, quantize
from edgeq.quantize.converted import as_converted, for_converter, with_extremes
from edgeq.quantize.folding import fold_inputs
from edgeq.quantize.plan import InputPlan, calibrated
from edgeq_device.runtime import LoadOptions, load
from edgeq_device.tflite import parse_model
from tests.toolkit import float_models as models
from tests.toolkit.float_sources import FloatFile, pixels
from tests.toolkit.networks import Network

SPEC = QuantSpec("m", engine="tflite-converter", threads=1)
SIGNED, IMAGENET = parse_preprocess("[-1,1]"), parse_preprocess("imagenet")
EVERY = np.resize(np.arange(256, dtype=np.uint8), (4, *models.SHAPE[1:]))


def plan_of(data: bytes, declared: Any) -> InputPlan:
    return fold_inputs(data, (declared,))[1][0]


def left_before(plan: InputPlan, span: tuple[int, int] = (60, 200)) -> bytes:
    """What TensorFlow makes of an affine map before a padded layer: MUL and ADD stay."""
    net = Network()
    x = models.picture(net)
    gain = net.constant("gain", np.asarray(plan.gain, np.float32))
    offset = net.constant("offset", np.asarray(plan.offset, np.float32))
    scaled = net.op("MUL", [x, gain], ("scaled", models.SHAPE))
    moved = net.op("ADD", [scaled, offset], ("moved", models.SHAPE))
    data = net.build(net.conv(moved, 4, "out"))
    inputs = pixels(data, IMAGENET, span=span)
    rows = with_extremes(GraphSamples(inputs, (plan,)))[0]
    return litert.quantize(data, [(row[None],) for row in rows], litert.LitertSpec("m", threads=1))


def test_half_a_step_before_padding_is_rounded_away_without_an_operator() -> None:
    padded = plan_of(models.conv_same(), SIGNED)
    assert (padded.kind, for_converter(padded, SIGNED).kind) == ("first-layer", "scale")
    assert for_converter(padded, SIGNED).error == pytest.approx(0.5 / 127.5)
    for data, declared in (
        (models.conv_valid(), SIGNED),
        (models.conv_same(), IMAGENET),
        (models.conv_same(), parse_preprocess("[0,1]")),
    ):
        plan = plan_of(data, declared)
        assert for_converter(plan, declared) is plan


@pytest.mark.parametrize("shape", [(1, 8, 8, 3), (1, 7), (1, 4, 2)])
def test_one_more_sample_holds_every_pixel_in_every_channel(shape: tuple[int, ...]) -> None:
    chance = np.random.default_rng(0)
    array = chance.integers(100, 150, (5, *shape[1:])).astype(np.uint8)
    declared = parse_preprocess("[0,1]")
    given = InputSamples(array, True, shape, declared)
    other = InputSamples(chance.normal(0, 1, (5, 3)).astype(np.float32), False, (1, 3), None)
    plan = plan_of(models.conv_same(), declared)
    changed, same = with_extremes(GraphSamples((given, other), (plan, calibrated())))
    assert (len(changed), len(same)) == (6, 6)
    np.testing.assert_allclose(changed[:5], array / 255, rtol=1e-6)
    assert (changed.min(), changed.max()) == pytest.approx((0.0, 1.0))
    if len(shape) > 2:
        rows = changed[5].reshape(-1, shape[-1])
        np.testing.assert_allclose(rows[:2], [[0.0] * shape[-1], [1.0] * shape[-1]])
    assert np.count_nonzero(changed[5] != changed[0]) <= 2 * shape[-1]
    assert np.array_equal(same[5], same[0])


def test_what_stays_before_the_layer_is_said_with_the_error_that_it_has() -> None:
    plan = plan_of(models.conv_same(), IMAGENET)
    integer = left_before(plan)
    model = parse_model(integer, "i")
    found = as_converted(plan, IMAGENET, model, 0)
    assert found.kind == "inserted"
    assert found.sentence == (
        "left before the first layer by TensorFlow's converter (MUL and ADD): values are off by "
        f"{found.error:.4g} at most"
    )
    loaded = load(integer, name="i", options=LoadOptions(preserve_all=True))
    moved = next(t for t in model.main.tensors if t.name == "moved")
    largest = 0.0
    for sample in EVERY:
        loaded.run(sample[None])
        seen = moved.spec().dequantize(loaded.tensor(moved.index))
        largest = max(largest, float(np.abs(seen - IMAGENET.apply(sample[None])).max()))
    step = moved.quantization.scales[0]
    assert largest <= found.error * (1 + 1e-5) + 0.01 * step
    assert found.error <= 1.5 * step
    assert found.error >= 0.9 * largest


def test_a_plan_that_left_nothing_behind_stays_as_it_is() -> None:
    data = models.conv_valid()
    plan = plan_of(data, SIGNED)
    integer, _ = quantize(FloatFile(data), pixels(data, SIGNED), QuantSpec("m", threads=1))
    assert as_converted(plan, SIGNED, parse_model(integer, "i"), 0) is plan
    assert as_converted(calibrated(), None, parse_model(integer, "i"), 0) == calibrated()


def test_the_converter_is_asked_for_the_rest_of_the_map() -> None:
    data = models.conv_same()
    plan = plan_of(data, IMAGENET)
    source = FloatFile(data, converted=left_before(plan))
    _, report = quantize(source, pixels(data, IMAGENET, span=(60, 200)), SPEC)
    (asked,) = source.asked
    (affine,) = asked["affine"]
    assert (affine.scale, affine.offset) == (plan.gain, plan.offset)
    assert asked["samples"][0].shape == (41, *models.SHAPE[1:])
    assert report.plans[0].sentence.startswith("left before the first layer by TensorFlow's")


@pytest.mark.tensorflow
def test_tensorflows_converter_keeps_its_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "padded_net.py").write_text(
        textwrap.dedent(
            """
            def make():
                import keras

                keras.utils.set_random_seed(0)
                pixels = keras.Input((8, 8, 3), name="x")
                hidden = keras.layers.Conv2D(8, 3, padding="same", activation="relu")(pixels)
                hidden = keras.layers.GlobalAveragePooling2D()(hidden)
                return keras.Model(pixels, keras.layers.Dense(5)(hidden))
            """
        ),
        "utf-8",
    )
    monkeypatch.chdir(tmp_path)
    with frontends.open_source("padded_net:make") as source:
        for text, kind in (("[0,1]", "scale"), ("[-1,1]", "scale"), ("imagenet", "inserted")):
            declared = parse_preprocess(text)
            samples = pixels(source.float_model(), declared, span=(60, 200))
            integer, report = quantize(source, samples, SPEC)
            (plan,) = report.plans
            (spec,) = load(integer, name="i").inputs
            assert (plan.kind, spec.zero_point) == (kind, plan.zero_point)
            assert spec.scale == pytest.approx(plan.scale, rel=1e-6)
            first = parse_model(integer, "i").main.tensors
            int8 = next(t for t in first if t.dtype == "int8" and t.shape == models.SHAPE)
            # Every pixel has an integer of its own behind the first QUANTIZE too.
            assert int8.quantization.scales[0] == pytest.approx(plan.scale, rel=1e-6)
            assert report.agreement is not None
            assert report.agreement.sqnr_db > 30
