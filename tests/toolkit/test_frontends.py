"""What a .tflite gives without TensorFlow, and what needs it."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeq import model as editable
from edgeq.frontends import open_source
from edgeq.frontends.digests import folder_digest
from edgeq.quantize import litert
from edgeq_device.errors import MissingTool, ModelError
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model
from tests.toolkit.float_models import Network


def dense() -> bytes:
    net = Network()
    return net.build(net.dense(net.input("x", (1, 8)), 3, "out"))


def integer() -> bytes:
    samples = [(row,) for row in np.random.default_rng(0).normal(size=(20, 1, 8)).astype("f")]
    return litert.quantize(dense(), samples, litert.LitertSpec("dense"))


def hybrid() -> bytes:
    """Dense weights as int8 with one scale, activations float: a dynamic-range model."""
    model = editable.read(dense())
    weights = model.subgraphs[0].tensors[1]
    values = editable.constant(model, weights)
    assert values is not None
    scale = float(np.abs(values).max() / 127)
    editable.set_constant(model, weights, np.rint(values / scale).astype(np.int8))
    weights.quantization = editable.schema().QuantizationParametersT()
    weights.quantization.scale, weights.quantization.zeroPoint = [scale], [0]
    return editable.write(model)


# ---- TensorFlow that is not there ----
def test_without_tensorflow_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorflow", None)  # what Python sees where it is missing
    path = tmp_path / "model.keras"
    path.write_bytes(b"x")
    with pytest.raises(MissingTool) as caught:
        open_source(path)
    assert str(caught.value) == (
        "tensorflow: is not installed, and reading this kind of model needs it"
    )
    assert caught.value.hint == 'pip install "edgeq[toolkit]"'
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("failure", ["ImportError", "TypeError"])
def test_a_broken_tensorflow_is_named(
    failure: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorflow.py").write_text(f"raise {failure}('protobuf is too old')")
    monkeypatch.syspath_prepend(tmp_path)
    path = tmp_path / "model.keras"
    path.write_bytes(b"x")
    with pytest.raises(MissingTool) as caught:
        open_source(path)
    assert str(caught.value) == (f"tensorflow: cannot be imported ({failure}: protobuf is too old)")
    assert caught.value.hint == 'pip install "edgeq[toolkit]"'


# ---- .tflite ----------------------------------------------------------------------------------


def test_a_static_float_file_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "dense.tflite"
    path.write_bytes(dense())
    with open_source(path) as source:
        assert (source.kind, source.is_integer, source.can_convert) == ("tflite", False, False)
        assert source.float_model() == dense()
        assert [(s.name, s.shape, s.dtype) for s in source.inputs] == [("x", (1, 8), "float32")]
        assert [(s.name, s.shape, s.dtype) for s in source.outputs] == [("out", (1, 3), "float32")]
        assert source.digest == hashlib.sha256(dense()).hexdigest()
        assert source.notes == ()
        with pytest.raises(ModelError, match="is no integer model"):
            source.integer_model()


def test_tensorflows_conversions_need_the_keras_model(tmp_path: Path) -> None:
    path = tmp_path / "dense.tflite"
    path.write_bytes(dense())
    with pytest.raises(ModelError) as caught:
        open_source(path).convert("dynamic")
    assert str(caught.value) == (
        f"{path}: TensorFlow's converter cannot start from a .tflite file, so there is no "
        "dynamic conversion of it by tflite-converter"
    )
    assert (
        caught.value.hint == "give the Keras model (.keras, .h5), a SavedModel folder or a function"
    )


def test_an_integer_file_stays_as_it_is(tmp_path: Path) -> None:
    path, data = tmp_path / "integer.tflite", integer()
    path.write_bytes(data)
    with open_source(path) as source:
        assert source.is_integer
        assert source.integer_model() == data
        assert source.inputs[0].dtype == "uint8"
        assert source.inputs[0].scale > 0
        with pytest.raises(ModelError) as caught:
            source.float_model()
    assert str(caught.value) == f"{path}: computes with integers already"
    assert caught.value.hint == "give the float model"


def test_a_dynamic_range_file_is_refused_by_its_operator(tmp_path: Path) -> None:
    path = tmp_path / "hybrid.tflite"
    path.write_bytes(hybrid())
    source = open_source(path)
    assert not source.is_integer
    with pytest.raises(ModelError) as caught:
        source.float_model()
    assert str(caught.value) == (
        f"{path}: FULLY_CONNECTED (operator 0) has integer weights but float activations: "
        "it was quantized to dynamic range, which cannot be undone"
    )
    assert caught.value.hint == "give the float model that it was made from"


def test_a_signature_gives_inputs_other_names(tmp_path: Path) -> None:
    model = editable.read(dense())
    tables = editable.schema()
    model.subgraphs[0].tensors[0].name = "serving_default_pixels:0"
    entry = tables.TensorMapT()
    entry.name, entry.tensorIndex = "image", 0
    signature = tables.SignatureDefT()
    signature.signatureKey, signature.inputs, signature.outputs = "serving_default", [entry], []
    model.signatureDefs = [signature]
    path = tmp_path / "signed.tflite"
    path.write_bytes(editable.write(model))
    assert open_source(path).input_aliases == (("image", "pixels"),)


def test_damage_is_found_before_any_interpreter(tmp_path: Path) -> None:
    path = tmp_path / "cut.tflite"
    path.write_bytes(dense()[:200])
    with pytest.raises(ModelError, match=r"cut\.tflite: "):
        open_source(path)


def test_a_folders_digest_sees_names_and_contents(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        (folder / "variables").mkdir(parents=True)
        (folder / "saved_model.pb").write_bytes(b"graph")
        (folder / "variables" / "data").write_bytes(b"weights")
    assert folder_digest(first) == folder_digest(second)
    (second / "variables" / "data").rename(second / "variables" / "other")
    assert folder_digest(first) != folder_digest(second)


# ---- what TensorFlow's own converter leaves open ----------------------------------------------


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("name", "left"),
    [
        ("digits_dynamic", {"CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "RESHAPE"}),
        ("digits_dynamic_half", {"CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "RESHAPE"}),
        (
            "digits_dynamic_integer",
            {"CONV_2D", "FULLY_CONNECTED", "MAX_POOL_2D", "QUANTIZE", "RESHAPE"},
        ),
        (
            "decoder_dynamic",
            {"RELU", "RESHAPE", "RESIZE_BILINEAR", "SOFTMAX", "TRANSPOSE_CONV"},
        ),
        (
            "decoder_dynamic_integer",
            {"QUANTIZE", "RELU", "RESHAPE", "RESIZE_BILINEAR", "SOFTMAX", "TRANSPOSE_CONV"},
        ),
    ],
)
def test_an_open_batch_becomes_one(name: str, left: set[str], keras_models: Path) -> None:
    path = keras_models / f"{name}.tflite"
    before = parse_model(path.read_bytes(), name)
    assert "SHAPE" in {operator.op for operator in before.main.operators}
    with open_source(path) as source:
        after = source.integer_model() if source.is_integer else source.float_model()
        assert source.notes == ("made the batch 1 and computed its shapes ahead",)
    parsed = parse_model(after, name)
    assert {operator.op for operator in parsed.main.operators} == left
    assert {code.op for code in parsed.operator_codes} == left
    assert parsed.dynamic_tensors == ()
    assert all(tensor.shape_signature == tensor.shape for tensor in parsed.main.tensors)
    assert load(after, name=name).inputs[0].shape[0] == 1


@pytest.mark.tensorflow
def test_the_converters_dynamic_range_is_refused(keras_models: Path) -> None:
    source = open_source(keras_models / "digits_dynamic_range.tflite")
    with pytest.raises(ModelError, match="it was quantized to dynamic range"):
        source.float_model()
