"""TensorFlow's four conversions, and what may be put before them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.frontends import Source, TensorFlowChild, open_source
from edgeq.model import read, tensor_name
from edgeq.quantize.converter import convert
from edgeq.quantize.plan import Affine
from edgeq_device.errors import CalibrationError, ConfigError
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.toolkit.opened import operators, run

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def digits_source(keras_models: Path, tensorflow_child: TensorFlowChild) -> Source:
    return open_source(keras_models / "digits.keras", child=tensorflow_child)


@pytest.mark.parametrize(
    ("mode", "inside", "dense", "size"),
    [
        ("float", "float32", "float32", 83_000),
        ("dynamic", "float32", "int8", 22_000),
        ("float-fallback", "float32", "int8", 23_000),
        ("integer", "uint8", "int8", 23_000),
    ],
)
def test_the_four_conversions(
    mode: str, inside: str, dense: str, size: int, digits_source: Source, keras_models: Path
) -> None:
    digits = np.load(keras_models / "digits.npz")
    data = digits_source.convert(mode, [digits["train"]])
    parsed = parse_model(data, mode)
    assert size < len(data) < size + 1500
    assert [s.dtype for s in (*parsed.input_specs(), *parsed.output_specs())] == [inside, inside]
    assert [s.name for s in (*parsed.input_specs(), *parsed.output_specs())] == ["image", "scores"]
    assert parsed.dynamic_tensors == ()
    (layer,) = [one for one in parsed.main.operators if one.op == "FULLY_CONNECTED"]
    weights = parsed.main.tensors[layer.inputs[1]]
    assert weights.dtype == dense
    assert len(weights.quantization.scales) == (0 if dense == "float32" else 1)
    assert layer.version <= 9  # the last one that TensorFlow 2.5 knows
    model = load(data, name=mode)
    answers = np.concatenate(
        [model.run(model.inputs[0].quantize(one[None]))[0] for one in digits["x"]]
    )
    expected = digits["scores"].argmax(1)
    assert (answers.argmax(1) == expected).mean() >= 0.98


def test_an_affine_map_goes_before_the_model(digits_source: Source, keras_models: Path) -> None:
    digits = np.load(keras_models / "digits.npz")
    to_unit = Affine(scale=(1 / 255,), offset=(0.0,))
    data = digits_source.convert("integer", [digits["train"] * 255], [to_unit])
    spec = parse_model(data, "model").input_specs()[0]
    assert (spec.zero_point, round(spec.scale, 5)) == (0, 1.0)
    model = load(data, name="model")
    pixels = np.rint(digits["x"] * 255).astype(np.uint8)
    answers = np.concatenate([model.run(one[None])[0] for one in pixels])
    assert (answers.argmax(1) == digits["scores"].argmax(1)).mean() >= 0.98


def test_an_affine_map_may_differ_by_channel(here: Path, tensorflow_child: TensorFlowChild) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 3)).astype(np.float32)
    affine = Affine(scale=(0.02, 0.01, 0.03), offset=(-1.0, 0.5, 2.0))
    with open_source("user_models:cnn", child=tensorflow_child) as source:
        plain, mapped = source.float_model(), source.convert("float", affine=[affine])
    for picture in pictures[:, None]:
        expected = run(plain, picture * np.float32(affine.scale) + np.float32(affine.offset))
        np.testing.assert_allclose(run(mapped, picture)[0], expected[0], rtol=1e-4, atol=1e-4)


def test_the_engine_takes_samples_by_name(here: Path, tensorflow_child: TensorFlowChild) -> None:
    random = np.random.default_rng(0)
    samples = {name: random.normal(size=(20, 4)).astype(np.float32) for name in ("right", "left")}
    told: list[tuple[str, int, int]] = []
    with open_source("two_in_two_out", child=tensorflow_child) as source:
        data = convert(source, samples, progress=lambda *step: told.append(step))
        with pytest.raises(CalibrationError, match="no samples for the input 'right'"):
            convert(source, {"left": samples["left"]})
    assert told[-1] == ("calibrate", 20, 20)
    parsed = parse_model(data, "model")
    assert [s.name for s in parsed.input_specs()] == ["left", "right"]
    assert {s.dtype for s in (*parsed.input_specs(), *parsed.output_specs())} == {"uint8"}


def test_samples_of_another_shape_are_refused(digits_source: Source) -> None:
    with pytest.raises(CalibrationError) as caught:
        digits_source.convert("integer", [np.zeros((3, 14, 14), np.float32)])
    assert str(caught.value).endswith(
        "samples of shape [3, 14, 14] for input 'image', which takes ['N', 28, 28]"
    )
    with pytest.raises(CalibrationError, match="has 1 inputs, but samples for 2"):
        digits_source.convert("integer", [np.zeros((3, 28, 28), np.float32)] * 2)
    with pytest.raises(ConfigError, match="mode is 'int4', but must be one of float, dynamic"):
        digits_source.convert("int4")


def test_prelu_becomes_integer(here: Path, tensorflow_child: TensorFlowChild) -> None:
    pictures = np.random.default_rng(0).normal(size=(30, 8, 8, 4)).astype(np.float32)
    with open_source("prelu.keras", child=tensorflow_child) as source:
        exact, data = source.float_model(), source.convert("integer", [pictures])
    assert operators(data) == {"QUANTIZE": 2, "CONV_2D": 1, "PRELU": 1}
    model = load(data, name="prelu")
    given, made = model.inputs[0], model.outputs[0]
    for picture in pictures[:5, None]:
        (answer,) = model.run(given.quantize(picture))
        (expected,) = run(exact, picture)
        assert np.abs(made.dequantize(answer) - expected).max() < 4 * made.scale


def test_recurrent_layers_are_unrolled_and_become_integer(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    saved = np.load("recurrent.npz")
    with open_source("recurrent.keras", child=tensorflow_child) as source:
        exact = source.float_model()
        integer = [source.convert("integer", [saved["steps"]]) for _ in range(4)]
    assert source.notes[0].startswith("unrolled recurrent layers: ")
    assert source.notes[0].count("(6 steps)") == 3
    assert len(parse_model(exact, "exact").subgraphs) == 1
    for steps, out in zip(saved["steps"], saved["out"], strict=True):
        np.testing.assert_allclose(run(exact, steps[None])[0][0], out, atol=1e-5)
    # TensorFlow's newer quantizer gives other bytes from run to run here
    assert len(set(integer)) == 1
    parsed = parse_model(integer[0], "integer")
    assert {tensor.dtype for tensor in parsed.main.tensors} <= {"uint8", "int8", "int32"}


def test_inner_tensors_give_way_to_the_users_names(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source("digits.keras", child=tensorflow_child) as source:
        graph = read(source.convert("integer", [np.load("digits.npz")["train"]])).subgraphs[0]
    names = [tensor_name(tensor) for tensor in graph.tensors]
    assert len(set(names)) == len(names)
