"""Sizes, structure and operators that the frozen compiler cannot take are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edgeq import contract, model
from tests.device.factories import (
    QUANTIZE_OPTIONS,
    RESHAPE_OPTIONS,
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
    conv_classifier,
    dense_model,
)
from tests.toolkit.judged_models import broken, graph, island, judge

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
    assert report.violations[0].seen == "it is not known to the frozen compiler"


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
