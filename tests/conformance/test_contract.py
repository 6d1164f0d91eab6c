"""The contract on real models: what Google's compiler took is kept, what was broken is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeq import contract, model, pipeline
from edgeq.config import BuildSpec
from edgeq.legalize.dense import one_scale_dense
from edgeq.legalize.ends import uint8_ends
from edgeq_device.errors import ModelError
from edgeq_device.runtime import load
from edgeq_device.tflite import parse_model, read_model

pytestmark = pytest.mark.conformance

KEPT = {
    "edgetpu/mobilenet_v1_0.25_128_quant": [],
    "libredgetpu/tracker/templates/bright_16x16": ["int8-ends"],
    "libredgetpu/tracker/templates/color_blue_64x64": ["int8-ends"],
    "libredgetpu/tracker/templates/color_green_64x64": ["int8-ends"],
    "test_data/deeplabv3_mnv2_dm05_pascal_quant": ["cpu-tail"],
    "test_data/keras_lstm_mnist_ptq": ["lstm-intermediates"],
    "test_data/mobilenet_v1_0.25_128_quant": [],
    "test_data/mobilenet_v1_0.5_160_quant": [],
    "test_data/mobilenet_v1_1.0_224_quant_embedding_extractor": [],
    "test_data/movenet_single_pose_lightning_ptq": ["cpu-head", "cpu-tail", "float-output"],
    "test_data/posenet/posenet_mobilenet_v1_075_353_481_16_quant_decoder": ["cpu-tail"],
    "test_data/tools/split_concat": [],
}
"""Models that keep the contract, and what is allowed in them by name."""

PER_CHANNEL_DENSE = "libredgetpu/templates/dense_256"
"""Its weights have a scale per row: it keeps the contract once they are a convolution's."""

INVALID = "invalid/model_invoking_error"


def judge(path: Path) -> contract.ContractReport:
    return contract.check(read_model(path), mode="integer")


def test_every_model_is_judged_here(coral: Path) -> None:
    folder = coral / "models"
    names = {str(path.relative_to(folder).with_suffix("")) for path in folder.rglob("*.tflite")}
    sources = {name for name in names if not name.endswith("_edgetpu")}
    assert sources == {*KEPT, PER_CHANNEL_DENSE, INVALID}


@pytest.mark.parametrize("name", KEPT)
def test_a_model_that_google_s_compiler_took_keeps_the_contract(coral: Path, name: str) -> None:
    report = judge(coral / "models" / f"{name}.tflite")
    assert report.violations == ()
    assert [allowed.name for allowed in report.allowances] == KEPT[name]


def test_a_compiled_model_is_named_as_such(coral: Path) -> None:
    compiled = sorted((coral / "models").rglob("*_edgetpu.tflite"))
    assert len(compiled) == 16
    for path in compiled:
        report = judge(path)
        assert [each.rule for each in report.violations] == ["operators-are-builtin"], path
        assert report.violations[0].seen == "this model is already compiled for the Edge TPU"


def test_an_unknown_custom_operator_is_named(coral: Path) -> None:
    path = coral / "models" / f"{INVALID}.tflite"
    with pytest.raises(ModelError) as caught:
        judge(path).raise_if_broken(path)
    assert caught.value.sentence == (
        f'{path}: is not fully integer: operator 0 fake-op-double, tensor "#1": this custom '
        "operator is not known, but custom operators must be ones that the Edge TPU compiler "
        "leaves to the CPU"
    )


def test_movenet_s_float_parts_are_named(coral: Path) -> None:
    report = judge(coral / "models/test_data/movenet_single_pose_lightning_ptq.tflite")
    head, tail, last = report.allowances
    assert head.operators == ("operator 0 CAST", "operator 1 QUANTIZE")
    assert tail.operators[0] == "operator 89 ARG_MAX"
    assert {"operator 123 SQRT", "operator 127 DIV", "operator 128 QUANTIZE"} <= {*tail.operators}
    assert last.operators == ("operator 156 DEQUANTIZE",)


# -- real models, broken one way each -----------------------------------------------------------


def violations(data: bytes) -> list[tuple[str, str, str]]:
    report = contract.check(parse_model(data, "m.tflite"), mode="integer")
    return [(each.rule, each.operator, each.tensor) for each in report.violations]


def test_dense_weights_with_many_scales_are_named_and_can_be_written_otherwise(coral: Path) -> None:
    data = (coral / "models" / f"{PER_CHANNEL_DENSE}.tflite").read_bytes()
    assert violations(data) == [
        ("dense-weights-have-one-scale", "operator 1 FULLY_CONNECTED", "tfl.pseudo_qconst")
    ]
    rewritten, layers = one_scale_dense(data)
    assert layers == ("StatefulPartitionedCall_1:01",)
    assert violations(rewritten) == []
    old, new = load(data, name="old"), load(rewritten, name="new")
    assert (old.inputs, old.outputs) == (new.inputs, new.outputs)
    random = np.random.default_rng(5)
    rows = random.integers(0, 256, (50, 1, 256), dtype=np.uint8)
    answers = [old.run(row)[0] for row in rows]
    assert np.std(answers) > 20
    for row, answer in zip(rows, answers, strict=True):
        np.testing.assert_array_equal(new.run(row)[0], answer)


def test_a_build_writes_such_dense_layers_otherwise_and_says_so(
    coral: Path, tmp_path: Path
) -> None:
    source = coral / "models" / f"{PER_CHANNEL_DENSE}.tflite"
    saved = tmp_path / "dense.tflite"
    spec = BuildSpec(model=str(source), output=tmp_path / "dense.edgeq", save_model=saved)
    result = pipeline.build(spec)
    assert any("rewrote per-channel-dense (bit for bit)" in text for text in result.warnings)
    assert judge(saved).violations == ()
    row = np.arange(256, dtype=np.uint8).reshape(1, 256)
    (before,) = load(source.read_bytes(), name="source").run(row)
    (after,) = load(saved.read_bytes(), name="built").run(row)
    np.testing.assert_array_equal(before, after)


def test_a_newer_version_of_one_operator_is_named(coral: Path) -> None:
    source = coral / "models/test_data/mobilenet_v1_0.25_128_quant.tflite"
    edited = model.read(source.read_bytes())
    edited.operatorCodes[edited.subgraphs[0].operators[1].opcodeIndex].version = 7
    ((rule, operator, tensor),) = violations(model.write(edited))
    assert (rule, operator) == ("versions-are-known", "operator 1 DEPTHWISE_CONV_2D")
    assert tensor.startswith("MobilenetV1/MobilenetV1/Conv2d_1_depthwise/Relu6;")


def test_a_scale_of_zero_is_named(coral: Path) -> None:
    edited = model.read(
        (coral / "models/test_data/mobilenet_v1_0.25_128_quant.tflite").read_bytes()
    )
    graph = edited.subgraphs[0]
    softmax = graph.operators[-1]
    graph.tensors[softmax.inputs[0]].quantization.scale = np.zeros(1, np.float32)
    name = model.tensor_name(graph.tensors[softmax.inputs[0]])
    found = violations(model.write(edited))
    assert found == [("scales-are-positive", "operator 29 RESHAPE", name)]


def test_an_open_width_is_named(coral: Path) -> None:
    edited = model.read(
        (coral / "models/test_data/deeplabv3_mnv2_dm05_pascal_quant.tflite").read_bytes()
    )
    edited.subgraphs[0].tensors[0].shapeSignature = np.array([1, 513, -1, 3], np.int32)
    assert violations(model.write(edited)) == [
        ("sizes-are-fixed", "operator 0 CONV_2D", "MobilenetV2/MobilenetV2/input")
    ]


def test_a_shape_without_its_constant_is_named(coral: Path) -> None:
    edited = model.read((coral / "models/test_data/keras_lstm_mnist_ptq.tflite").read_bytes())
    graph = edited.subgraphs[0]
    shape = graph.tensors[graph.operators[2].inputs[1]]
    shape.buffer = 0
    graph.inputs = np.append(graph.inputs, graph.operators[2].inputs[1])
    name = model.tensor_name(shape)
    assert ("sizes-are-fixed", "operator 2 RESHAPE", name) in violations(model.write(edited))


def test_a_second_subgraph_is_named(coral: Path) -> None:
    edited = model.read((coral / "models/libredgetpu/templates/dense_256.tflite").read_bytes())
    edited.subgraphs.append(edited.subgraphs[0])
    assert "one-subgraph" in [rule for rule, _, _ in violations(model.write(edited))]


def test_a_float_island_in_a_real_network_is_named(coral: Path) -> None:
    """DEQUANTIZE, ELU, QUANTIZE between two layers, as converters write for an ELU."""
    edited = model.read((coral / "models/test_data/keras_lstm_mnist_ptq.tflite").read_bytes())
    tables = model.schema()
    graph = edited.subgraphs[0]
    dense = graph.operators[3]
    values = int(dense.inputs[0])
    added = []
    for name, op, version in (
        ("real", "DEQUANTIZE", 2),
        ("bent", "ELU", 1),
        ("back", "QUANTIZE", 1),
    ):
        tensor = tables.TensorT()
        tensor.name, tensor.shape = name, graph.tensors[values].shape
        tensor.type = tables.TensorType.FLOAT32
        if op == "QUANTIZE":
            tensor.type = tables.TensorType.INT8
            tensor.quantization = graph.tensors[values].quantization
        graph.tensors.append(tensor)
        operator = tables.OperatorT()
        operator.opcodeIndex = model.operator_code(edited, op, version)
        operator.inputs = np.array([values], np.int32)
        values = len(graph.tensors) - 1
        operator.outputs = np.array([values], np.int32)
        added.append(operator)
    dense.inputs = np.array([values, *dense.inputs[1:]], np.int32)
    graph.operators[3:3] = added
    assert violations(model.write(edited)) == [
        ("float-stays-at-the-ends", "operator 4 ELU", "bent")
    ]


# -- uint8 ends -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name, allowed in KEPT.items() if "int8-ends" in allowed])
def test_int8_ends_become_uint8_and_the_answers_stay(coral: Path, name: str) -> None:
    data = (coral / "models" / f"{name}.tflite").read_bytes()
    changed = uint8_ends(data)
    report = contract.check(parse_model(changed, name), mode="integer", int8_ends=False)
    assert report.violations == ()
    assert report.allowances == ()
    old, new = load(data, name="old"), load(changed, name="new")
    assert old.inputs == new.inputs
    random = np.random.default_rng(6)
    for _ in range(50):
        pixels = random.integers(0, 256, old.inputs[0].shape, dtype=np.uint8)
        before, after = old.run(pixels)[0], new.run(pixels)[0]
        np.testing.assert_array_equal(before.astype(np.int16) + 128, after)
        np.testing.assert_array_equal(
            old.outputs[0].dequantize(before), new.outputs[0].dequantize(after)
        )


def test_models_with_uint8_ends_stay_as_they_are(coral: Path) -> None:
    for name, allowed in KEPT.items():
        if "int8-ends" not in allowed:
            data = (coral / "models" / f"{name}.tflite").read_bytes()
            assert uint8_ends(data) is data
            assert one_scale_dense(data) == (data, ())
