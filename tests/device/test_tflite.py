"""The read-only view of a .tflite file."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest

from edgeq_device.errors import InputError, ModelError
from edgeq_device.tensors import TensorSpec
from edgeq_device.tflite import Quantization, parse_model, read_model
from edgeq_device.tflite.opcodes import BUILTIN_NAMES, builtin_name
from tests.device.factories import (
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    branching_model,
    build,
    conv_classifier,
    custom_op_model,
    dense_model,
    float_dense_model,
    quantize_model,
    sparse_model,
)


def with_constant(constant: TensorDef) -> bytes:
    """A model that adds nothing: its output is a constant."""
    graph = GraphDef(
        tensors=(TensorDef("x", (1,), "float32"), constant),
        operators=(),
        inputs=(0,),
        outputs=(1,),
    )
    return build(ModelDef((graph,)))


class TestView:
    def test_a_classifier(self) -> None:
        model = parse_model(conv_classifier(), "c.tflite")

        assert [operator.op for operator in model.main.operators] == [
            "QUANTIZE",
            "CONV_2D",
            "MEAN",
            "FULLY_CONNECTED",
            "SOFTMAX",
            "QUANTIZE",
        ]
        assert model.version == 3
        assert model.description == "edgeq test model"
        assert model.name == "c.tflite"
        assert model.main.name == "main"
        assert model.input_specs() == (
            TensorSpec("pixels", (1, 16, 16, 3), "uint8", float(np.float32(1 / 255)), 0),
        )
        assert model.output_specs() == (TensorSpec("scores", (1, 5), "uint8", 1 / 256, 0),)
        assert not model.is_compiled
        assert model.dynamic_tensors == ()
        assert model.external_buffers == ()

    def test_operands_options_and_versions(self) -> None:
        conv, _, dense = parse_model(conv_classifier(), "c.tflite").main.operators[1:4]

        assert (conv.inputs, conv.outputs, conv.version) == ((1, 2, 3), (4,), 3)
        assert conv.builtin_options_type == 1
        assert conv.options is not None
        stride, dilation = conv.options.scalar(1, "i"), conv.options.scalar(4, "i", 1)
        assert (stride, dilation) == (2, 1)
        assert dense.inputs == (6, 7, -1)

    def test_per_channel_quantization(self) -> None:
        kernel = parse_model(conv_classifier(), "c.tflite").main.tensors[2]

        assert kernel.quantization.is_per_channel
        assert kernel.quantization.scales == tuple(
            np.linspace(0.002, 0.004, 8).astype(np.float32).tolist()
        )
        assert kernel.quantization.zero_points == (0,) * 8
        assert kernel.quantization.axis == 0

    def test_float_tensors_have_no_quantization(self) -> None:
        model = parse_model(float_dense_model(), "f.tflite")

        assert model.main.tensors[0].quantization == Quantization()
        assert model.input_specs() == (TensorSpec("x", (1, 3), "float32", 0.0, 0),)

    def test_subgraphs_signature_metadata_and_dynamic_batch(self) -> None:
        model = parse_model(branching_model(), "b.tflite")

        assert [graph.name for graph in model.subgraphs] == ["main", "add", "mul"]
        assert [graph.index for graph in model.subgraphs] == [0, 1, 2]
        (signature,) = model.signatures
        assert signature.key == "serve"
        assert signature.inputs == (("which", 0), ("x", 1))
        assert signature.outputs == (("y", 2),)
        assert bytes(model.metadata["min_runtime_version"]) == b"2.3.0"
        assert [tensor.name for tensor in model.dynamic_tensors] == ["x", "y"]
        assert model.main.tensors[1].shape == (1, 2)
        assert model.main.tensors[1].shape_signature == (-1, 2)

    def test_a_compiled_model(self) -> None:
        model = parse_model(custom_op_model(), "x_edgetpu.tflite")
        (operator,) = model.main.operators

        assert model.is_compiled
        assert (operator.op, operator.custom_code) == ("CUSTOM", "edgetpu-custom-op")
        assert operator.label == "edgetpu-custom-op"
        assert bytes(operator.custom_options) == bytes(range(64))

    def test_other_custom_operators_are_not_compiled(self) -> None:
        model = parse_model(custom_op_model("Decoder"), "d.tflite")

        assert not model.is_compiled
        assert model.main.operators[0].label == "Decoder"

    def test_it_is_frozen(self) -> None:
        model = parse_model(quantize_model(), "q.tflite")

        with pytest.raises(FrozenInstanceError):
            model.name = "other"  # type: ignore[misc]


class TestConstants:
    def test_views_of_the_file(self) -> None:
        data = dense_model(weights=np.arange(12).reshape(3, 4), bias=[1, -2, 300_000])
        model = parse_model(data, "d.tflite")
        weights = model.constant(2)
        bias = model.constant(model.main.tensors[3])

        assert weights is not None
        assert weights.tolist() == np.arange(12).reshape(3, 4).tolist()
        assert weights.dtype == np.int8
        assert np.shares_memory(weights, np.frombuffer(data, np.uint8))
        assert bias is not None
        assert bias.tolist() == [1, -2, 300_000]
        with pytest.raises(ValueError, match="read-only"):
            weights[0] = 1

    def test_tensors_without_contents(self) -> None:
        model = parse_model(dense_model(), "d.tflite")

        assert model.constant(0) is None
        assert not model.is_constant(model.main.tensors[0])
        assert model.is_constant(model.main.tensors[2])

    def test_of_another_subgraph(self) -> None:
        constant = parse_model(branching_model(), "b.tflite").constant(1, subgraph=2)

        assert constant is not None
        assert constant.tolist() == [2.0]

    @pytest.mark.parametrize(
        "dtype",
        ["float32", "float16", "float64", "int8", "uint8", "int16", "uint16", "int32", "uint32"]
        + ["int64", "uint64", "bool", "complex64"],
    )
    def test_every_type_of_numpy(self, dtype: str) -> None:
        values = np.array([[0, 1], [1, 0], [1, 1]], dtype)
        model = parse_model(with_constant(TensorDef("c", (3, 2), dtype, data=values)), "m.tflite")
        constant = model.constant(1)

        assert constant is not None
        assert constant.dtype == np.dtype(dtype)
        assert constant.tolist() == values.tolist()

    def test_a_scalar(self) -> None:
        data = with_constant(TensorDef("c", (), "float32", data=np.float32(2.5)))
        constant = parse_model(data, "m.tflite").constant(1)

        assert constant is not None
        assert constant.shape == ()
        assert constant == 2.5

    def test_int4_is_unpacked(self) -> None:
        packed = bytes([0x21, 0xF8, 0x07])
        data = with_constant(TensorDef("c", (5,), "int4", data=packed))
        constant = parse_model(data, "m.tflite").constant(1)

        assert constant is not None
        assert constant.dtype == np.int8
        assert constant.tolist() == [1, 2, -8, -1, 7]

    def test_strings(self) -> None:
        texts = [b"cat", b"", b"d\xc3\xb6g"]
        ends = np.cumsum([0, *map(len, texts)]) + 4 * (len(texts) + 2)
        packed = np.array([len(texts), *ends], "<i4").tobytes() + b"".join(texts)
        data = with_constant(TensorDef("labels", (3,), "string", data=packed))
        constant = parse_model(data, "m.tflite").constant(1)

        assert constant is not None
        assert constant.tolist() == texts

    def test_external_buffers(self) -> None:
        values = np.array([1.0, 2.0, 3.0], np.float32)
        data = with_constant(TensorDef("c", (3,), "float32", data=values, external=True))
        model = parse_model(data, "m.tflite")
        constant = model.constant(1)

        assert data.endswith(values.tobytes())
        assert model.external_buffers == (1,)
        assert constant is not None
        assert constant.tolist() == [1.0, 2.0, 3.0]

    def test_sparse_tensors_are_told_apart(self) -> None:
        model = parse_model(sparse_model(), "s.tflite")

        assert [tensor.is_sparse for tensor in model.main.tensors] == [False, True, False]
        assert model.main.tensors[1].stored == 7
        with pytest.raises(ModelError) as caught:
            model.constant(1)
        assert caught.value.sentence == (
            's.tflite: stores the constant "weights" as a sparse tensor'
        )
        assert caught.value.hint == "convert the model again without sparsity"

    def test_types_that_numpy_lacks(self) -> None:
        data = with_constant(TensorDef("c", (2,), "bfloat16", data=bytes(4)))
        with pytest.raises(ModelError) as caught:
            parse_model(data, "m.tflite").constant(1)

        assert caught.value.problem == (
            'has the constant "c" of type bfloat16, which numpy cannot hold'
        )


class TestOperatorNames:
    def test_known_codes(self) -> None:
        assert len(BUILTIN_NAMES) == 210
        known = {0: "ADD", 3: "CONV_2D", 32: "CUSTOM", 114: "QUANTIZE", 126: "BATCH_MATMUL"}
        assert {code: builtin_name(code) for code in known} == known

    def test_codes_from_the_future(self) -> None:
        assert builtin_name(300) == "BUILTIN_300"

    def test_codes_over_127_stand_in_the_newer_field(self) -> None:
        graph = GraphDef(
            tensors=(TensorDef("x", (1,), "float32"), TensorDef("y", (1,), "float32")),
            operators=(OpDef("GELU", (0,), (1,)),),
            inputs=(0,),
            outputs=(1,),
        )
        model = parse_model(build(ModelDef((graph,))), "g.tflite")

        assert model.main.operators[0].op == "GELU"
        assert model.operator_codes[0].code == 150


class TestFiles:
    def test_a_file_is_mapped(self, tmp_path: Path) -> None:
        path = tmp_path / "model.tflite"
        path.write_bytes(dense_model())
        model = read_model(path)

        assert model.name == str(path)
        assert bytes(model.data) == dense_model()
        assert model.constant(2) is not None

    def refused(self, path: Path) -> InputError:
        with pytest.raises(InputError) as caught:
            read_model(path)
        return caught.value

    def test_missing(self, tmp_path: Path) -> None:
        error = self.refused(tmp_path / "no.tflite")
        assert error.sentence == f"{tmp_path / 'no.tflite'}: does not exist"
        assert error.hint == "check the path"

    def test_empty(self, tmp_path: Path) -> None:
        path = tmp_path / "empty.tflite"
        path.touch()
        assert self.refused(path).problem == "is empty"

    def test_a_folder(self, tmp_path: Path) -> None:
        error = self.refused(tmp_path)
        assert (error.problem, error.hint) == ("is a folder", "give the .tflite file itself")

    def test_a_device(self) -> None:
        assert self.refused(Path("/dev/null")).problem == "is not a regular file"

    def test_a_path_that_cannot_be(self, tmp_path: Path) -> None:
        assert "cannot be read" in self.refused(tmp_path / ("x" * 5000)).problem
