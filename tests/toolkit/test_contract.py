"""Float where integer is needed is named with operator and tensor; what is allowed, by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.errors import ConfigError, ModelError
from tests.device.factories import (
    FULLY_CONNECTED_OPTIONS,
    QUANTIZE_OPTIONS,
    SOFTMAX_OPTIONS,
    OpDef,
    TensorDef,
    conv_classifier,
    dense_model,
    float_dense_model,
)
from tests.toolkit.judged_models import ARG_MAX, CAST, DEQUANTIZE, broken, graph, island, judge

# -- what passes ------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [conv_classifier(), dense_model()], ids=["conv", "dense"])
def test_an_integer_model_with_uint8_ends_keeps_the_contract(data: bytes) -> None:
    report = judge(data, int8_ends=False)
    assert report.violations == ()
    assert report.allowances == ()
    assert report.is_kept
    report.raise_if_broken("m.tflite")


def test_a_mode_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match="mode is 'int8', but must be one of integer, float-"):
        judge(dense_model(), mode="int8")


def test_a_float_output_of_a_last_dequantize_is_allowed_by_name() -> None:
    report = judge(
        graph(
            TensorDef("pixels", (1, 4), "uint8", 1 / 255),
            TensorDef("real", (1, 4), "float32"),
            ops=(OpDef("DEQUANTIZE", (0,), (1,), DEQUANTIZE),),
            ends=(0, 1),
        )
    )
    assert report.is_kept
    (allowed,) = report.allowances
    assert (allowed.name, allowed.operators, allowed.tensors) == (
        "float-output",
        ("operator 0 DEQUANTIZE",),
        ("real",),
    )


def test_a_float_tail_for_the_cpu_is_allowed_by_name() -> None:
    report = judge(island("ELU", tail=True))
    assert report.is_kept
    (allowed,) = report.allowances
    assert (allowed.name, allowed.operators, allowed.tensors) == (
        "cpu-tail",
        ("operator 2 ELU",),
        ("bent",),
    )


def test_a_float_head_and_what_follows_a_decoder_are_allowed_by_name() -> None:
    report = judge(
        graph(
            TensorDef("pixels", (1, 4), "uint8"),
            TensorDef("real", (1, 4), "float32"),
            TensorDef("x", (1, 4), "int8", 1.0, -128),
            TensorDef("axis", (), "int32", data=np.array(1, np.int32)),
            TensorDef("best", (1,), "int64"),
            TensorDef("place", (1,), "float32"),
            TensorDef("scores", (1,), "uint8", 1.0),
            ops=(
                OpDef("CAST", (0,), (1,), CAST),
                OpDef("QUANTIZE", (1,), (2,), QUANTIZE_OPTIONS),
                OpDef("ARG_MAX", (2, 3), (4,), ARG_MAX, version=2),
                OpDef("CAST", (4,), (5,), CAST),
                OpDef("QUANTIZE", (5,), (6,), QUANTIZE_OPTIONS),
            ),
            ends=(0, 4, 6),
        )
    )
    assert broken(report) == []
    assert [(each.name, each.operators, each.tensors) for each in report.allowances] == [
        ("cpu-head", ("operator 0 CAST", "operator 1 QUANTIZE"), ()),
        (
            "cpu-tail",
            ("operator 2 ARG_MAX", "operator 3 CAST", "operator 4 QUANTIZE"),
            ("best", "scores"),
        ),
    ]


# -- float where integer is needed ------------------------------------------------------------


def test_a_float_model_is_not_integer_and_the_first_place_is_named() -> None:
    report = judge(float_dense_model())
    assert broken(report) == [
        ("inputs-are-uint8", "operator 0 FULLY_CONNECTED", "x"),
        ("candidates-are-integer", "operator 0 FULLY_CONNECTED", "x"),
    ]
    with pytest.raises(ModelError) as caught:
        report.raise_if_broken("float.tflite")
    assert caught.value.sentence == (
        'float.tflite: is not fully integer: operator 0 FULLY_CONNECTED, tensor "x": '
        "the input is float32, but every model input must be uint8 (1 more problem)"
    )
    assert "edgeq build" in caught.value.hint


@pytest.mark.parametrize("mode", ["float-fallback", "dynamic", "float"])
def test_other_modes_may_be_float(mode: str) -> None:
    assert judge(float_dense_model(), mode=mode).is_kept


@pytest.mark.parametrize("op", ["ELU", "SQRT", "EXP"])
def test_a_float_island_is_named_by_the_operator_that_made_it(op: str) -> None:
    report = judge(island(op))
    assert broken(report) == [("float-stays-at-the-ends", f"operator 2 {op}", "bent")]
    with pytest.raises(ModelError) as caught:
        report.raise_if_broken("m.tflite")
    assert caught.value.sentence == (
        f'm.tflite: is not fully integer: operator 2 {op}, tensor "bent": it writes float32 to '
        "operator 3 QUANTIZE, but between integer operators every operator must be integer"
    )
    assert caught.value.hint == (
        f"{op} has no 8-bit form in this converter: use another layer in its place, or leave it "
        "in float with --mode float-fallback"
    )


def test_a_candidate_in_a_float_tail_is_named() -> None:
    data = graph(
        TensorDef("logits", (1, 4), "uint8", 1 / 16),
        TensorDef("real", (1, 4), "float32"),
        TensorDef("scores", (1, 4), "float32"),
        ops=(
            OpDef("DEQUANTIZE", (0,), (1,), DEQUANTIZE),
            OpDef("SOFTMAX", (1,), (2,), SOFTMAX_OPTIONS),
        ),
        ends=(0, 2),
    )
    assert broken(judge(data)) == [("candidates-are-integer", "operator 1 SOFTMAX", "real")]


def test_dynamic_range_activations_are_named() -> None:
    tensors = (
        TensorDef("x", (1, 3), "float32"),
        TensorDef("weights", (2, 3), "int8", 0.01, data=np.ones((2, 3), np.int8)),
        TensorDef("y", (1, 2), "float32"),
    )
    dense = OpDef("FULLY_CONNECTED", (0, 1, -1), (2,), FULLY_CONNECTED_OPTIONS, version=3)
    data = graph(*tensors, ops=(dense,), ends=(0, 2))
    assert broken(judge(data)) == [
        ("inputs-are-uint8", "operator 0 FULLY_CONNECTED", "x"),
        ("candidates-are-integer", "operator 0 FULLY_CONNECTED", "x"),
    ]
    assert judge(data, mode="dynamic").is_kept


def test_an_int16_end_is_named() -> None:
    data = graph(
        TensorDef("x", (1, 4), "int16", 1 / 32768),
        TensorDef("y", (1, 4), "int16", 1 / 32768),
        ops=(OpDef("RELU", (0,), (1,)),),
        ends=(0, 1),
    )
    assert broken(judge(data)) == [
        ("inputs-are-uint8", "operator 0 RELU", "x"),
        ("outputs-are-uint8", "operator 0 RELU", "y"),
    ]


def int8_relu() -> bytes:
    return graph(
        TensorDef("x", (1, 4), "int8", 1 / 128),
        TensorDef("y", (1, 4), "int8", 1 / 128, -128),
        ops=(OpDef("RELU", (0,), (1,), version=2),),
        ends=(0, 1),
    )


def test_int8_ends_are_allowed_in_a_given_model_only() -> None:
    report = judge(int8_relu())
    assert report.is_kept
    assert [(each.name, each.tensors) for each in report.allowances] == [("int8-ends", ("x", "y"))]
    assert "--uint8-ends" in report.allowances[0].sentence
    report = judge(int8_relu(), int8_ends=False)
    assert report.allowances == ()
    assert broken(report) == [
        ("own-ends-are-uint8", "operator 0 RELU", "x"),
        ("own-ends-are-uint8", "operator 0 RELU", "y"),
    ]


# -- what TensorFlow makes ----------------------------------------------------------------------

DENSE_NET = """
import sys
import numpy as np
import tensorflow as tf
net = tf.keras.Sequential([
    tf.keras.Input((4, 4, 2), name="pixels"),
    tf.keras.layers.Flatten(),
    tf.keras.layers.Dense(6, activation="elu", name="first"),
    tf.keras.layers.Dense(3, name="last"),
])
converter = tf.lite.TFLiteConverter.from_keras_model(net)
converter.optimizations = [tf.lite.Optimize.DEFAULT]
random = np.random.default_rng(0)
converter.representative_dataset = lambda: (
    [random.random((1, 4, 4, 2), np.float32)] for _ in range(20)
)
converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
converter.inference_input_type = converter.inference_output_type = tf.uint8
open(sys.argv[1], "wb").write(converter.convert())
"""


@pytest.mark.tensorflow
@pytest.mark.slow
def test_what_tensorflow_s_converter_calls_integer_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "net.tflite"
    subprocess.run(
        [sys.executable, "-c", DENSE_NET, str(path)], check=True, capture_output=True, timeout=300
    )
    report = judge(path.read_bytes())
    found = [(each.rule, each.operator.split()[-1], each.seen) for each in report.violations]
    assert ("dense-weights-have-one-scale", "FULLY_CONNECTED", "the weights have 6 scales") in found
    assert ("dense-weights-have-one-scale", "FULLY_CONNECTED", "the weights have 3 scales") in found
    assert any(rule == "sizes-are-fixed" and op == "RESHAPE" for rule, op, _ in found)
    assert any(rule == "float-stays-at-the-ends" and op == "ELU" for rule, op, _ in found)
    with pytest.raises(ModelError, match=r"net\.tflite: is not fully integer: operator \d+ "):
        report.raise_if_broken(path)
