"""What TensorFlow reads: names, shapes and dtypes, with batch 1."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq.frontends import TensorFlowChild, open_source
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.toolkit.opened import operators, run

pytestmark = pytest.mark.tensorflow


@pytest.mark.parametrize("name", ["digits.keras", "digits.h5"])
def test_a_keras_file_keeps_its_layers_names(
    name: str, here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source(name, child=tensorflow_child) as source:
        assert source.kind == "keras"
        assert [(s.name, s.shape, s.dtype) for s in source.inputs] == [
            ("image", (1, 28, 28), "float32")
        ]
        assert [(s.name, s.shape) for s in source.outputs] == [("scores", (1, 10))]
        data = source.float_model()
    parsed = parse_model(data, name)
    assert parsed.input_specs() == source.inputs
    assert parsed.output_specs() == source.outputs
    assert parsed.dynamic_tensors == ()
    assert operators(data) == {"RESHAPE": 2, "CONV_2D": 1, "MAX_POOL_2D": 1, "FULLY_CONNECTED": 1}


def test_the_fast_route_computes_what_the_guides_route_computes(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    digits = np.load("digits.npz")
    with open_source("digits.keras", child=tensorflow_child) as source:
        ours = source.float_model()
    with open_source("digits_dynamic.tflite") as guides:
        theirs = guides.float_model()
    ours_loaded, theirs_loaded = load(ours, name="ours"), load(theirs, name="theirs")
    for picture, scores in zip(digits["x"], digits["scores"], strict=True):
        (answer,) = ours_loaded.run(picture[None])
        assert answer.tobytes() == theirs_loaded.run(picture[None])[0].tobytes()
        np.testing.assert_allclose(answer[0], scores, rtol=1e-4, atol=1e-5)


def test_a_saved_model_gives_its_signatures_names(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    left, right = np.array([[1, 2, 3, 4]], "f"), np.array([[10, 20, 30, 40]], "f")
    with open_source("two_in_two_out", child=tensorflow_child) as source:
        assert source.kind == "saved-model"
        assert [s.name for s in source.inputs] == ["left", "right"]
        assert [(s.name, s.shape) for s in source.outputs] == [
            ("product", (1, 2)),
            ("total", (1, 4)),
        ]
        product, total = run(source.float_model(), left, right)
    assert total.tolist() == [[11, 22, 33, 44]]
    assert product.tolist() == [[1 + 1 + 9 - 4, -2 + 0.5 + 3 + 8]]


def test_without_a_signature_call_is_the_model(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source("no_signature", child=tensorflow_child) as source:
        assert [s.name for s in source.inputs] == ["left", "right"]
        assert sorted(s.name for s in source.outputs) == ["product", "total"]


def test_a_keras_export_is_a_saved_model(here: Path, tensorflow_child: TensorFlowChild) -> None:
    picture = np.load("digits.npz")["x"][:1]
    with open_source("digits_saved_model", child=tensorflow_child) as source:
        assert [s.name for s in source.inputs] == ["image"]
        exported = run(source.float_model(), picture)
    with open_source("digits.keras", child=tensorflow_child) as source:
        assert exported[0].tobytes() == run(source.float_model(), picture)[0].tobytes()


@pytest.mark.parametrize(
    ("name", "inputs", "outputs"),
    [
        ("cnn", [("image", (1, 8, 8, 3))], [("scores", (1, 2))]),
        ("called_once", [("input_0", (1, 3))], [("output_0", (1, 2))]),
        ("concrete", [("values", (1, 4))], [("output_0", (1, 4))]),
        (
            "eight",
            [("left", (1, 4)), ("right", (1, 4))],
            [("total", (1, 4)), ("halves_0", (1, 4)), ("halves_1", (1, 4))],
        ),
        ("waveform", [("wave", (1000,))], [("output_0", (1, 10))]),
        ("picture_without_batch", [("picture", (20, 20, 3))], [("output_0", (20, 20, 3))]),
    ],
)
def test_a_function_may_return_any_model(
    name: str,
    inputs: list[object],
    outputs: list[object],
    here: Path,
    tensorflow_child: TensorFlowChild,
) -> None:
    with open_source(f"user_models:{name}", child=tensorflow_child) as source:
        assert source.kind == "function"
        assert [(s.name, s.shape) for s in source.inputs] == inputs
        assert [(s.name, s.shape) for s in source.outputs] == outputs
        parsed = parse_model(source.float_model(), name)
        assert [spec.shape for spec in parsed.output_specs()] == [shape for _, shape in outputs]
        assert source.digest == open_source_digest(name, tensorflow_child)


def open_source_digest(name: str, child: TensorFlowChild) -> str:
    with open_source(f"user_models:{name}", child=child) as again:
        return again.digest


def test_a_batch_of_eight_becomes_one(here: Path, tensorflow_child: TensorFlowChild) -> None:
    with open_source("batch_of_eight.keras", child=tensorflow_child) as source:
        assert source.inputs[0].shape == (1, 6, 6, 3)
        assert parse_model(source.float_model(), "model").output_specs()[0].shape == (1, 2)


def test_integers_may_come_in(here: Path, tensorflow_child: TensorFlowChild) -> None:
    with open_source("integers_in.keras", child=tensorflow_child) as source:
        assert source.inputs[0].dtype == "int32"
        ids = np.random.default_rng(0).integers(0, 10, (20, 6))
        integer = parse_model(source.convert("integer", [ids]), "model")
    assert integer.input_specs()[0].dtype == "int32"
    assert integer.output_specs()[0].dtype == "uint8"


def test_mixed_precision_is_computed_in_float32(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source("mixed_precision.keras", child=tensorflow_child) as source:
        parsed = parse_model(source.float_model(), "model")
    assert source.notes == ("computes in float32 instead of mixed precision",)
    assert {tensor.dtype for tensor in parsed.main.tensors} == {"float32", "int32"}


def test_names_that_tensorflow_refuses_stay(here: Path, tensorflow_child: TensorFlowChild) -> None:
    with open_source("odd_names.keras", child=tensorflow_child) as source:
        parsed = parse_model(source.float_model(), "model")
    assert [spec.name for spec in parsed.input_specs()] == ["_an input"]
    assert [spec.name for spec in parsed.output_specs()] == ["_o p"]


def test_an_output_given_twice_has_two_names(here: Path, tensorflow_child: TensorFlowChild) -> None:
    with open_source("same_twice.keras", child=tensorflow_child) as source:
        first, second = (spec.name for spec in source.outputs)
        assert second == f"{first}_1"
        assert len(parse_model(source.float_model(), "model").output_specs()) == 2


def test_settings_that_only_keras_2_knew_are_dropped(
    here: Path, tensorflow_child: TensorFlowChild
) -> None:
    with open_source("keras_2.h5", child=tensorflow_child) as source:
        assert operators(source.float_model()) == {"DEPTHWISE_CONV_2D": 1}
