"""The reader on real models, held against their known facts and against LiteRT's own reading."""

from __future__ import annotations

import json
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from edgeq_device.errors import ModelError
from edgeq_device.flatfile import FlatFile
from edgeq_device.runtime import LoadOptions, load
from edgeq_device.tflite import Model, parse_model, read_model
from edgeq_device.tflite.dtypes import TENSOR_TYPES
from edgeq_device.tflite.opcodes import BUILTIN_NAMES
from tests.device.mutations import mutate, read_all

pytestmark = pytest.mark.conformance

TYPES = {code: name.lower() for name, code in vars(schema.TensorType).items() if name.isupper()}
NAMES = {code: name for name, code in vars(schema.BuiltinOperator).items() if name.isupper()}


@pytest.fixture(scope="module")
def paths(coral: Path) -> list[Path]:
    found = sorted((coral / "models").rglob("*.tflite"))
    assert len(found) == 30
    return found


@pytest.fixture(scope="module")
def pairs(coral: Path) -> list[dict[str, Any]]:
    found = json.loads((coral / "pairs.json").read_text())["pairs"]
    assert len(found) == 14
    return found


def independent(path: Path) -> Any:
    """The model as LiteRT's generated schema reads it."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(path.read_bytes(), 0))


def numbers(values: Any) -> list[Any]:
    return [] if values is None else np.asarray(values).tolist()


def test_type_and_operator_names_are_those_of_the_schema() -> None:
    assert dict(enumerate(TENSOR_TYPES)) == TYPES
    assert dict(enumerate(BUILTIN_NAMES)) == NAMES


def test_every_model_is_read_and_only_compiled_ones_are_compiled(paths: list[Path]) -> None:
    for path in paths:
        assert read_model(path).is_compiled == path.stem.endswith("_edgetpu"), path


def test_counts_and_names_of_operators(coral: Path, pairs: list[dict[str, Any]]) -> None:
    for pair in pairs:
        source = read_model(coral / pair["source"]["file"]).main.operators
        compiled = read_model(coral / pair["compiled"]["file"]).main.operators

        assert len(source) == pair["n_source_ops"]
        assert len(compiled) == pair["n_edgetpu_custom_ops"] + pair["n_ops_on_cpu"]
        for fact in pair["cpu_ops"]:
            assert source[fact["source_index"]].label == fact["op"]
            assert compiled[fact["compiled_index"]].label == fact["op"]


def test_the_compiled_programs_lie_where_they_should(
    coral: Path, pairs: list[dict[str, Any]]
) -> None:
    for pair in pairs:
        path = coral / pair["compiled"]["file"]
        model = read_model(path)
        for fact in pair["custom_ops"]:
            operator = model.main.operators[fact["op_index"]]
            start, length = fact["custom_options_offset"], fact["custom_options_bytes"]

            assert operator.custom_code == "edgetpu-custom-op"
            assert operator.custom_options == path.read_bytes()[start : start + length]


def test_quantization_at_the_boundary_of_the_compiled_part(
    coral: Path, pairs: list[dict[str, Any]]
) -> None:
    for pair in pairs:
        model = read_model(coral / pair["source"]["file"])
        by_name = {tensor.name: tensor.spec() for tensor in model.main.tensors}
        for fact in pair["custom_ops"]:
            for seen in fact["boundary_inputs"] + fact["boundary_outputs"]:
                spec = by_name[seen["name"]]
                assert list(spec.shape) == seen["shape"]
                assert spec.dtype == seen["type"].lower()
                assert spec.scale == pytest.approx(seen["scale"], rel=1e-6)
                assert spec.zero_point == seen["zp"]


def test_everything_equals_the_generated_schemas_reading(paths: list[Path]) -> None:
    for path in paths:
        compare(read_model(path), independent(path))


def compare(ours: Model, theirs: Any) -> None:
    assert ours.description.encode() == (theirs.description or b"")
    assert len(ours.subgraphs) == len(theirs.subgraphs)
    for graph, other in zip(ours.subgraphs, theirs.subgraphs):
        assert list(graph.inputs) == numbers(other.inputs)
        assert list(graph.outputs) == numbers(other.outputs)
        assert len(graph.tensors) == len(other.tensors)
        assert len(graph.operators) == len(other.operators)
        for tensor, twin in zip(graph.tensors, other.tensors):
            compare_tensor(ours, tensor, twin, theirs.buffers or [])
        for operator, twin in zip(graph.operators, other.operators):
            code = theirs.operatorCodes[twin.opcodeIndex]
            assert operator.op == NAMES[max(code.builtinCode, code.deprecatedBuiltinCode)]
            assert operator.version == code.version
            assert operator.custom_code.encode() == (code.customCode or b"")
            assert list(operator.inputs) == numbers(twin.inputs)
            assert list(operator.outputs) == numbers(twin.outputs)
            assert list(operator.intermediates) == numbers(twin.intermediates)
            assert operator.builtin_options_type == twin.builtinOptionsType


def compare_tensor(model: Model, tensor: Any, twin: Any, buffers: list[Any]) -> None:
    assert tensor.name.encode() == (twin.name or b"")
    assert tensor.dtype == TYPES[twin.type]
    assert list(tensor.shape) == numbers(twin.shape)
    assert list(tensor.shape_signature) == (numbers(twin.shapeSignature) or numbers(twin.shape))
    assert tensor.is_variable == twin.isVariable
    quantization = twin.quantization
    if quantization is not None:
        assert list(tensor.quantization.scales) == numbers(quantization.scale)
        if tensor.quantization.scales:
            assert list(tensor.quantization.zero_points) == numbers(quantization.zeroPoint)
            assert tensor.quantization.axis == quantization.quantizedDimension
    data = numbers(buffers[twin.buffer].data) if buffers else []
    constant = model.constant(tensor)
    assert (constant is None) == (not data)
    if constant is not None:
        assert constant.shape == tensor.shape
        assert constant.tobytes() == bytes(data)


def test_specs_equal_the_interpreters(coral: Path) -> None:
    for name in (
        "test_data/mobilenet_v1_0.25_128_quant.tflite",
        "test_data/keras_lstm_mnist_ptq.tflite",
        "test_data/movenet_single_pose_lightning_ptq.tflite",
        "libredgetpu/templates/dense_256.tflite",
    ):
        path = coral / "models" / name
        model = read_model(path)
        loaded = load(path.read_bytes(), name=name, options=LoadOptions(threads=1))

        assert model.input_specs() == loaded.inputs
        assert [(s.name, s.dtype, s.scale) for s in model.output_specs()] == [
            (s.name, s.dtype, s.scale) for s in loaded.outputs
        ]


def test_metadata_behind_the_flatbuffer_does_not_disturb(coral: Path) -> None:
    model = read_model(coral / "models/test_data/mobilenet_v1_0.25_128_quant.tflite")

    assert sorted(model.metadata) == ["TFLITE_METADATA", "min_runtime_version"]
    assert bytes(model.metadata["min_runtime_version"][:5]) == b"1.5.0"


def test_weights_are_not_copied(coral: Path) -> None:
    model = read_model(
        coral / "models/test_data/mobilenet_v1_1.0_224_quant_embedding_extractor.tflite"
    )
    whole = np.frombuffer(model.data, np.uint8)
    constants = [model.constant(tensor) for tensor in model.main.tensors]

    held = [constant for constant in constants if constant is not None]
    assert sum(constant.nbytes for constant in held) > 3_000_000
    assert all(np.shares_memory(constant, whole) for constant in held)


def test_a_compiled_programs_package_can_be_followed(coral: Path) -> None:
    path = coral / "models/libredgetpu/templates/dense_256_edgetpu.tflite"
    data = path.read_bytes()
    start = data.index(b"DWN1") - 4
    package = FlatFile(data[start:], str(path), base=start).root(b"DWN1")
    executables = package.nested(1)

    assert executables is not None
    places = executables.blobs(0)
    kinds = [executables.file.inner(place).root().scalar(13, "h") for place in places]
    assert sorted(kinds) == [1, 2]


def test_real_models_cut_short(paths: list[Path]) -> None:
    random = Random(1)
    for path in paths:
        data = path.read_bytes()
        # Labels may be appended behind the model, in a zip that the reader does not open.
        flatbuffer = len(data) * 9 // 10
        for length in (*range(0, 64, 7), *(random.randrange(flatbuffer) for _ in range(10))):
            with pytest.raises(ModelError):
                parse_model(data[:length], str(path))


def test_real_models_damaged(paths: list[Path]) -> None:
    random = Random(2)
    small = [path.read_bytes() for path in paths if path.stat().st_size < 15_000]
    outcomes = [read_all(mutate(random.choice(small), random)) for _ in range(2000)]

    assert len(small) == 6
    assert 100 < sum(outcomes) < 1900
