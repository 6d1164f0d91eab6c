"""Each way to break the contract is named with its operator and tensor; each allowance by name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgeq import contract, model
from edgeq.contract import ContractReport
from edgeq_device.errors import ConfigError, ModelError
from edgeq_device.tflite import parse_model
from tests.device.factories import (
    FULLY_CONNECTED_OPTIONS,
    QUANTIZE_OPTIONS,
    RESHAPE_OPTIONS,
    SOFTMAX_OPTIONS,
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
    conv_classifier,
    dense_model,
    float_dense_model,
)

DEQUANTIZE = (38, {})
CAST = (37, {})
ARG_MAX = (40, {0: ("b", 4)})


def judge(data: bytes, mode: str = "integer", **options: bool) -> ContractReport:
    return contract.check(parse_model(data, "m.tflite"), mode=mode, **options)


def broken(report: ContractReport) -> list[tuple[str, str, str]]:
    return [(each.rule, each.operator, each.tensor) for each in report.violations]


def graph(*tensors: TensorDef, ops: tuple[OpDef, ...], ends: tuple[int, ...]) -> bytes:
    first, *last = ends
    return build(ModelDef((GraphDef(tensors, ops, (first,), tuple(last)),)))


def island(op: str, *, tail: bool = False) -> bytes:
    """uint8 -> QUANTIZE -> DEQUANTIZE -> ``op`` in float -> QUANTIZE -> uint8."""
    last = "float32" if tail else "uint8"
    return graph(
        TensorDef("pixels", (1, 4), "uint8", 1 / 255),
        TensorDef("x", (1, 4), "int8", 1 / 255, -128),
        TensorDef("real", (1, 4), "float32"),
        TensorDef("bent", (1, 4), "float32"),
        TensorDef("scores", (1, 4), last, 1 / 64 if last == "uint8" else (), 64 if not tail else 0),
        ops=(
            OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),
            OpDef("DEQUANTIZE", (1,), (2,), DEQUANTIZE, version=2),
            OpDef(op, (2,), (3,)),
            OpDef("QUANTIZE", (3,), (4,), QUANTIZE_OPTIONS),
        )[: 3 if tail else 4],
        ends=(0, 3 if tail else 4),
    )


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
    assert broken(report) == [("candidates-are-integer", "operator 3 QUANTIZE", "bent")]
    assert report.violations[0].seen == f"it reads float32 from operator 2 {op}"
    assert report.violations[0].remedy.startswith(f"{op} has no 8-bit form")


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


# -- sizes ------------------------------------------------------------------------------------


def with_open_input(signature: tuple[int, ...], shape: tuple[int, ...] = (1, 4)) -> bytes:
    return graph(
        TensorDef("x", shape, "uint8", 1 / 128, shape_signature=signature),
        TensorDef("y", shape, "uint8", 1 / 64, shape_signature=signature),
        ops=(OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),),
        ends=(0, 1),
    )


def test_an_open_batch_of_one_that_nothing_measures_is_allowed_by_name() -> None:
    report = judge(with_open_input((-1, 4)))
    assert report.is_kept
    assert [(each.name, each.tensors) for each in report.allowances] == [("variable-batch", ("x",))]


@pytest.mark.parametrize(
    ("signature", "shape"), [((1, -1), (1, 1)), ((-1, 4), (8, 4)), ((-1, -1), (1, 1))]
)
@pytest.mark.parametrize("mode", contract.MODES)
def test_any_other_open_size_is_named(
    signature: tuple[int, ...], shape: tuple[int, ...], mode: str
) -> None:
    report = judge(with_open_input(signature, shape), mode=mode)
    assert broken(report) == [("sizes-are-fixed", "operator 0 QUANTIZE", "x")]
    assert str(list(signature)) in report.violations[0].seen
    assert "batch_size=1" in report.violations[0].remedy
    assert report.allowances == ()


def test_a_shape_computed_at_run_time_is_named_with_its_origin() -> None:
    data = graph(
        TensorDef("x", (1, 4), "uint8", 1 / 128, shape_signature=(-1, 4)),
        TensorDef("shape", (2,), "int32"),
        TensorDef("y", (1, 4), "uint8", 1 / 128),
        ops=(
            OpDef("SHAPE", (0,), (1,), (55, {0: ("b", 2)})),
            OpDef("RESHAPE", (0, 1), (2,), RESHAPE_OPTIONS),
        ),
        ends=(0, 2),
    )
    report = judge(data)
    assert broken(report) == [
        ("sizes-are-fixed", "operator 1 RESHAPE", "shape"),
        ("sizes-are-fixed", "operator 0 SHAPE", "x"),
    ]
    assert "at run time by operator 0 SHAPE" in report.violations[0].seen
    assert report.allowances == ()


def test_a_reshape_by_options_alone_has_a_fixed_size() -> None:
    data = graph(
        TensorDef("x", (1, 4), "uint8", 1 / 128),
        TensorDef("y", (2, 2), "uint8", 1 / 128),
        ops=(OpDef("RESHAPE", (0,), (1,), (17, {0: ("vector", (2, 2))})),),
        ends=(0, 1),
    )
    assert judge(data).is_kept


def test_a_size_that_depends_on_the_data_is_named() -> None:
    data = graph(
        TensorDef("x", (4,), "uint8", 1 / 128),
        TensorDef("found", (0, 1), "int64"),
        ops=(OpDef("WHERE", (0,), (1,)),),
        ends=(0, 1),
    )
    assert broken(judge(data)) == [("sizes-are-fixed", "operator 0 WHERE", "found")]


# -- structure --------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", contract.MODES)
def test_a_second_subgraph_is_named(mode: str) -> None:
    only = GraphDef(
        (
            TensorDef("x", (1,), "uint8", 1 / 128),
            TensorDef("y", (1,), "uint8", 1 / 64),
        ),
        (OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),),
        (0,),
        (1,),
    )
    report = judge(build(ModelDef((only, replace(only, name="loop_body")))), mode=mode)
    assert [each.rule for each in report.violations] == ["one-subgraph"]
    assert 'there are 2 subgraphs (besides the main one: "loop_body")' in str(report.violations[0])


def test_a_scale_of_zero_is_named() -> None:
    data = graph(
        TensorDef("x", (1, 4), "uint8", 1 / 128),
        TensorDef("y", (1, 4), "uint8", 0.0),
        ops=(OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),),
        ends=(0, 1),
    )
    report = judge(data)
    assert broken(report) == [("scales-are-positive", "operator 0 QUANTIZE", "y")]
    assert report.violations[0].seen == "a scale is 0"


def test_one_scale_of_zero_among_many_is_named() -> None:
    edited = model.read(conv_classifier())
    kernel = edited.subgraphs[0].tensors[2]
    kernel.quantization.scale = kernel.quantization.scale * (np.arange(8) != 3)
    assert broken(judge(model.write(edited))) == [
        ("scales-are-positive", "operator 1 CONV_2D", "kernel")
    ]


def behind_the_model(data: bytes, name: str) -> bytes:
    """Move the constant ``name`` behind the flatbuffer, as writers of large models do."""
    edited = model.read(data)
    tensor = next(t for t in edited.subgraphs[0].tensors if model.tensor_name(t) == name)
    buffer = edited.buffers[tensor.buffer]
    constant = np.asarray(buffer.data, np.uint8).tobytes()
    buffer.data, buffer.offset, buffer.size = None, 2**20, len(constant)
    room = len(model.write(edited))
    buffer.offset = room + -room % 16
    return model.write(edited).ljust(buffer.offset, b"\0") + constant


def test_a_constant_behind_the_model_is_named() -> None:
    data = behind_the_model(dense_model(), "weights")
    report = judge(data)
    assert broken(report) == [("constants-are-inside", "operator 1 FULLY_CONNECTED", "weights")]
    assert judge(model.write(model.read(data))).is_kept


# -- operators --------------------------------------------------------------------------------


def test_dense_weights_with_a_scale_per_row_are_named() -> None:
    report = judge(dense_model(weight_scale=(0.01, 0.02, 0.03, 0.04)))
    assert broken(report) == [
        ("dense-weights-have-one-scale", "operator 1 FULLY_CONNECTED", "weights")
    ]
    assert report.violations[0].seen == "the weights have 4 scales"
    assert judge(dense_model(weight_scale=(0.01,) * 4), mode="float-fallback").is_kept


def set_version(data: bytes, op: str, version: int) -> bytes:
    edited = model.read(data)
    for code in edited.operatorCodes:
        if code.builtinCode == getattr(model.schema().BuiltinOperator, op):
            code.version = version
    return model.write(edited)


def test_a_version_that_is_too_new_is_named() -> None:
    assert judge(set_version(conv_classifier(), "CONV_2D", 5)).is_kept
    report = judge(set_version(conv_classifier(), "CONV_2D", 6))
    assert broken(report) == [("versions-are-known", "operator 1 CONV_2D", "features")]
    assert report.violations[0].seen == "version 6 is not known (the highest is 5)"
    assert "grouped convolution" in report.violations[0].remedy


def test_a_version_that_is_too_new_is_named_even_where_nothing_uses_it() -> None:
    edited = model.read(conv_classifier())
    model.operator_code(edited, "TILE", 3)
    report = judge(model.write(edited))
    assert broken(report) == [
        ("versions-are-known", "operator code 5 TILE, which no operator uses", "")
    ]


def test_an_operator_younger_than_the_compiler_is_named() -> None:
    report = judge(island("GELU"))
    assert broken(report)[0] == ("versions-are-known", "operator 2 GELU", "bent")
    assert report.violations[0].seen == "the operator is not known"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("FlexErf", "convert the model without tf.lite.OpsSet.SELECT_TF_OPS"),
        ("edgetpu-custom-op", "give the file that it was compiled from"),
        ("mine", "replace the operator by TensorFlow Lite's own"),
    ],
)
def test_a_custom_operator_is_named(name: str, remedy: str) -> None:
    data = graph(
        TensorDef("x", (1, 4), "uint8", 1 / 128),
        TensorDef("y", (1, 4), "uint8", 1 / 128),
        ops=(OpDef(name, (0,), (1,), custom=True),),
        ends=(0, 1),
    )
    report = judge(data)
    assert broken(report) == [("operators-are-builtin", f"operator 0 {name}", "y")]
    assert report.violations[0].remedy.startswith(remedy)


def test_the_detector_s_custom_tail_is_allowed_by_name() -> None:
    data = graph(
        TensorDef("x", (1, 4), "uint8", 1 / 128),
        TensorDef("boxes", (), "float32"),
        ops=(OpDef("TFLite_Detection_PostProcess", (0,), (1,), custom=True),),
        ends=(0, 1),
    )
    report = judge(data)
    assert report.is_kept
    assert ("cpu-tail", ("boxes",)) in [(each.name, each.tensors) for each in report.allowances]


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
    assert any(op == "QUANTIZE" and seen.endswith(" ELU") for _, op, seen in found)
    with pytest.raises(ModelError, match=r"net\.tflite: is not fully integer: operator \d+ "):
        report.raise_if_broken(path)
