"""Models in an interpreter: exact results, and refusals that name the operator."""

from __future__ import annotations

import os

import numpy as np
import pytest

from edgeq_device.errors import InputError, MissingTool, ModelError
from edgeq_device.runtime import (
    LoadOptions,
    find_runtime,
    load,
)
from edgeq_device.runtime.trouble import UnresolvedCustomOp, explain
from tests.device.factories import (
    GraphDef,
    ModelDef,
    OpDef,
    TensorDef,
    build,
    conv_classifier,
    custom_op_model,
    dense_model,
    float_dense_model,
    quantize_model,
)
from tests.device.installed import each_runtime, needs_litert, needs_tflite


class TestLoadedModel:
    @each_runtime
    def test_dense_layer_gives_the_exact_integers(self, runtime: str) -> None:
        weights = np.zeros((4, 8), np.int8)
        weights[np.arange(4), np.arange(4)] = [16, 32, 64, 127]
        model = load(
            dense_model(weights), name="dense.tflite", options=LoadOptions(runtime=runtime)
        )
        pixels = np.array([[255, 255, 255, 255, 9, 9, 9, 9]], np.uint8)
        (scores,) = model.run(pixels)
        # 255 is 1.0; weights are in 64ths, outputs in 16ths above 128.
        assert scores.tolist() == [[132, 136, 144, 160]]
        assert scores.dtype == np.uint8

    @each_runtime
    def test_specs(self, runtime: str) -> None:
        model = load(conv_classifier(), name="c", options=LoadOptions(runtime=runtime))
        (pixels,) = model.inputs
        (scores,) = model.outputs
        assert (pixels.name, pixels.shape, pixels.dtype) == ("pixels", (1, 16, 16, 3), "uint8")
        assert pixels.scale == pytest.approx(1 / 255, rel=1e-6)
        assert pixels.zero_point == 0
        assert (scores.name, scores.shape, scores.scale) == ("scores", (1, 5), 1 / 256)
        assert model.runtime.name == runtime

    @each_runtime
    def test_float_model(self, runtime: str) -> None:
        model = load(float_dense_model(), name="f", options=LoadOptions(runtime=runtime))
        assert model.inputs[0].scale == 0.0
        (out,) = model.run(np.array([[1.5, -2.0, 0.25]], np.float32))
        assert out.tolist() == [[1.5, -2.0, 0.25]]

    @each_runtime
    def test_results_are_copies(self, runtime: str) -> None:
        model = load(quantize_model(1.0, 0, 1.0, 0), name="q", options=LoadOptions(runtime=runtime))
        (first,) = model.run(np.array([[1, 2, 3, 4]], np.uint8))
        (second,) = model.run(np.array([[5, 6, 7, 8]], np.uint8))
        assert first.tolist() == [[1, 2, 3, 4]]
        assert second.tolist() == [[5, 6, 7, 8]]

    @each_runtime
    def test_array_that_is_not_contiguous(self, runtime: str) -> None:
        model = load(quantize_model(1.0, 0, 1.0, 0), name="q", options=LoadOptions(runtime=runtime))
        every_other = np.arange(8, dtype=np.uint8)[None, ::2]
        assert model.run(every_other)[0].tolist() == [[0, 2, 4, 6]]

    @pytest.mark.parametrize(
        ("array", "problem"),
        [
            (np.zeros((1, 4), np.float32), "got float32 [1, 4]"),
            (np.zeros((1, 5), np.uint8), "got uint8 [1, 5]"),
            (np.zeros(4, np.uint8), "got uint8 [4]"),
        ],
    )
    def test_wrong_array(self, array: np.ndarray, problem: str) -> None:
        model = load(quantize_model(), name="q.tflite")
        with pytest.raises(InputError) as caught:
            model.run(array)
        assert str(caught.value) == f"q.tflite: input 'pixels' takes uint8 [1, 4], {problem}"

    def test_wrong_count(self) -> None:
        model = load(quantize_model(), name="q.tflite")
        array = np.zeros((1, 4), np.uint8)
        with pytest.raises(InputError, match=r"q\.tflite: takes 1 input array\(s\), got 2"):
            model.run(array, array)

    def test_threads(self) -> None:
        usable = len(os.sched_getaffinity(0))
        assert load(quantize_model(), name="q").threads == usable
        assert load(quantize_model(), name="q", options=LoadOptions(threads=1)).threads == 1

    @each_runtime
    def test_every_tensor_can_be_kept(self, runtime: str) -> None:
        options = LoadOptions(runtime=runtime, preserve_all=True)
        model = load(dense_model(), name="d", options=options)
        model.run(np.full((1, 8), 200, np.uint8))
        assert model.tensor(1).tolist() == [[72] * 8]  # uint8 200 as int8

    @needs_litert
    def test_profile_runs_each_operator_for_itself(self) -> None:
        plain = load(conv_classifier(), name="c", options=LoadOptions(runtime="ai-edge-litert"))
        options = LoadOptions(runtime="ai-edge-litert", profile=True)
        single = load(conv_classifier(), name="c", options=options)
        picture = np.random.RandomState(3).randint(0, 256, (1, 16, 16, 3)).astype(np.uint8)
        difference = plain.run(picture)[0].astype(int) - single.run(picture)[0]
        assert np.abs(difference).max() <= 1
        delegates = [
            [op["op_name"] for op in model.interpreter._get_ops_details()].count("DELEGATE")
            for model in (plain, single)
        ]
        assert delegates[0] == 1
        assert delegates[1] > 1

    @needs_tflite
    def test_profile_needs_ai_edge_litert(self) -> None:
        options = LoadOptions(runtime="tflite-runtime", profile=True)
        with pytest.raises(MissingTool, match="ai-edge-litert: observing each operator needs it"):
            load(quantize_model(), name="q", options=options)


class TestRefusals:
    @each_runtime
    def test_custom_operator(self, runtime: str) -> None:
        with pytest.raises(UnresolvedCustomOp) as caught:
            load(
                custom_op_model("PosenetDecoderOp"),
                name="pose.tflite",
                options=LoadOptions(runtime=runtime),
            )
        assert str(caught.value) == (
            "pose.tflite: the custom operator PosenetDecoderOp cannot run on a CPU: "
            f"{find_runtime(runtime)} does not have it"
        )
        assert caught.value.op == "PosenetDecoderOp"

    @each_runtime
    def test_newer_operator(self, runtime: str) -> None:
        graph = GraphDef(
            tensors=(
                TensorDef("x", (1, 4), "uint8", 1.0, 0),
                TensorDef("y", (1, 4), "uint8", 1.0, 0),
            ),
            operators=(OpDef("QUANTIZE", (0,), (1,), (89, {}), version=99),),
            inputs=(0,),
            outputs=(1,),
        )
        with pytest.raises(ModelError) as caught:
            load(build(ModelDef((graph,))), name="n", options=LoadOptions(runtime=runtime))
        assert str(caught.value) == (
            f"n: operator QUANTIZE version 99 is not in {find_runtime(runtime)}"
        )
        assert caught.value.hint == "use a newer runtime, or convert the model for an older one"

    @each_runtime
    def test_operator_that_cannot_be_prepared_is_named(self, runtime: str) -> None:
        graph = GraphDef(
            tensors=(
                TensorDef("x", (1, 4), "uint8", 1.0, 0),
                TensorDef("y", (1, 4), "uint8", 1.0, 0),
            ),
            operators=(OpDef("QUANTIZE", (0, 0), (1,), (89, {})),),
            inputs=(0,),
            outputs=(1,),
        )
        with pytest.raises(ModelError) as caught:
            load(build(ModelDef((graph,))), name="m", options=LoadOptions(runtime=runtime))
        assert str(caught.value) == (
            f"m: {find_runtime(runtime)} cannot prepare operator 0 (QUANTIZE): "
            "NumInputs(node) != 1 (2 != 1)"
        )

    @each_runtime
    def test_too_much_memory(self, runtime: str) -> None:
        error = explain("m", find_runtime(runtime), MemoryError("std::bad_alloc"))
        assert str(error) == "m: it needs more memory than there is"

    @each_runtime
    def test_flex_operators(self, runtime: str) -> None:
        text = "Select TensorFlow op(s), included in the given model, is(are) not supported"
        error = explain("m", find_runtime(runtime), RuntimeError(text))
        assert error.problem == (
            f"it has TensorFlow operators, which {find_runtime(runtime)} does not have"
        )
