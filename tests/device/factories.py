"""Ready tiny .tflite models, for tests on any Python.

    quantize_model()      uint8 -> QUANTIZE -> uint8: changes scale and zero point only
    dense_model()         uint8 -> QUANTIZE -> FULLY_CONNECTED -> QUANTIZE -> uint8
    float_dense_model()   float32 -> FULLY_CONNECTED -> float32
    conv_classifier()     uint8 picture -> conv, pool, dense, softmax -> uint8 scores
    branching_model()     IF with two subgraphs, a signature, metadata, a batch of any size
    sparse_model()        float32 dense layer whose weights are stored sparse
    custom_op_model()     one custom operator, as in a compiled model

All but the last run in tflite-runtime 2.14 and in ai-edge-litert. Other models are written
with `build` (see `builder`), whose parts this module hands on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.device.builder import (
    FULLY_CONNECTED_OPTIONS,
    NO_OPTIONS,
    QUANTIZE_OPTIONS,
    RELU,
    RESHAPE_OPTIONS,
    SAME,
    SOFTMAX_OPTIONS,
    VALID,
    GraphDef,
    ModelDef,
    OpDef,
    SignatureDef,
    TensorDef,
    build,
    conv_options,
)

__all__ = [
    "FULLY_CONNECTED_OPTIONS",
    "NO_OPTIONS",
    "QUANTIZE_OPTIONS",
    "RELU",
    "RESHAPE_OPTIONS",
    "SAME",
    "SOFTMAX_OPTIONS",
    "VALID",
    "GraphDef",
    "ModelDef",
    "OpDef",
    "SignatureDef",
    "TensorDef",
    "branching_model",
    "build",
    "conv_classifier",
    "conv_options",
    "custom_op_model",
    "dense_model",
    "float_dense_model",
    "quantize_model",
    "sparse_model",
]


def quantize_model(
    input_scale: float = 1 / 255,
    input_zero_point: int = 0,
    output_scale: float = 1 / 128,
    output_zero_point: int = 0,
    shape: tuple[int, ...] = (1, 4),
) -> bytes:
    """One QUANTIZE from uint8 "pixels" to uint8 "scores"."""
    graph = GraphDef(
        tensors=(
            TensorDef("pixels", shape, "uint8", input_scale, input_zero_point),
            TensorDef("scores", shape, "uint8", output_scale, output_zero_point),
        ),
        operators=(OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),),
        inputs=(0,),
        outputs=(1,),
    )
    return build(ModelDef((graph,)))


def dense_model(
    weights: Any = None,
    bias: Any = None,
    input_scale: float = 1 / 255,
    weight_scale: float | tuple[float, ...] = 1 / 64,
    output_scale: float = 1 / 16,
    output_zero_point: int = 128,
) -> bytes:
    """One dense layer on uint8 "pixels" (1, n), uint8 "scores" (1, m).

    ``weights`` is int8 (m, n), by default the first four unit rows plus noise of (4, 8);
    ``bias`` is int32 (m) in units of input_scale * weight_scale. The input's zero point is 0.
    """
    if weights is None:
        weights = 64 * np.eye(4, 8, dtype=np.int8) + _noise((4, 8), 3)
    weights = np.asarray(weights, np.int8)
    outputs, inputs = weights.shape
    bias = np.zeros(outputs, np.int32) if bias is None else np.asarray(bias, np.int32)
    bias_scale = np.float32(input_scale) * np.atleast_1d(np.asarray(weight_scale, np.float32))
    graph = GraphDef(
        tensors=(
            TensorDef("pixels", (1, inputs), "uint8", input_scale, 0),
            TensorDef("x", (1, inputs), "int8", input_scale, -128),
            TensorDef("weights", weights.shape, "int8", weight_scale, 0, data=weights),
            TensorDef("bias", bias.shape, "int32", tuple(bias_scale.tolist()), 0, data=bias),
            TensorDef("y", (1, outputs), "int8", output_scale, output_zero_point - 128),
            TensorDef("scores", (1, outputs), "uint8", output_scale, output_zero_point),
        ),
        operators=(
            OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),
            OpDef("FULLY_CONNECTED", (1, 2, 3), (4,), FULLY_CONNECTED_OPTIONS, version=4),
            OpDef("QUANTIZE", (4,), (5,), QUANTIZE_OPTIONS),
        ),
        inputs=(0,),
        outputs=(5,),
    )
    return build(ModelDef((graph,)))


def float_dense_model(weights: Any = None, bias: Any = None) -> bytes:
    """One float32 dense layer: "x" (1, n) -> "y" (1, m); by default the 3x3 identity."""
    weights = np.eye(3, dtype=np.float32) if weights is None else np.asarray(weights, np.float32)
    outputs, inputs = weights.shape
    bias = np.zeros(outputs, np.float32) if bias is None else np.asarray(bias, np.float32)
    graph = GraphDef(
        tensors=(
            TensorDef("x", (1, inputs), "float32"),
            TensorDef("weights", weights.shape, "float32", data=weights),
            TensorDef("bias", bias.shape, "float32", data=bias),
            TensorDef("y", (1, outputs), "float32"),
        ),
        operators=(OpDef("FULLY_CONNECTED", (0, 1, 2), (3,), FULLY_CONNECTED_OPTIONS),),
        inputs=(0,),
        outputs=(3,),
    )
    return build(ModelDef((graph,)))


def conv_classifier(size: int = 16, classes: int = 5, channels: int = 3, filters: int = 8) -> bytes:
    """A picture classifier with fixed random weights: uint8 (1, size, size, channels) "pixels".

    Per-channel conv with stride 2 and relu, mean over the picture, dense, softmax: uint8
    "scores" (1, classes) with scale 1/256, so that 256 is a probability of 1.
    """
    kernel = _noise((filters, 3, 3, channels), 100)
    dense = _noise((classes, filters), 100)
    kernel_scales = tuple(np.linspace(0.002, 0.004, filters).tolist())
    input_scale, conv_scale, logit_scale, dense_scale = 1 / 255, 1 / 64, 1 / 8, 0.02
    small = (size + 1) // 2
    graph = GraphDef(
        tensors=(
            TensorDef("pixels", (1, size, size, channels), "uint8", input_scale, 0),
            TensorDef("x", (1, size, size, channels), "int8", input_scale, -128),
            TensorDef("kernel", kernel.shape, "int8", kernel_scales, 0, data=kernel),
            TensorDef(
                "kernel_bias",
                (filters,),
                "int32",
                tuple(scale * input_scale for scale in kernel_scales),
                data=np.arange(filters, dtype=np.int32) * 100,
            ),
            TensorDef("features", (1, small, small, filters), "int8", conv_scale, -128),
            TensorDef("axes", (2,), "int32", data=np.array([1, 2], np.int32)),
            TensorDef("pooled", (1, filters), "int8", conv_scale, -128),
            TensorDef("dense", dense.shape, "int8", dense_scale, 0, data=dense),
            TensorDef("logits", (1, classes), "int8", logit_scale, 0),
            TensorDef("probabilities", (1, classes), "int8", 1 / 256, -128),
            TensorDef("scores", (1, classes), "uint8", 1 / 256, 0),
        ),
        operators=(
            OpDef("QUANTIZE", (0,), (1,), QUANTIZE_OPTIONS),
            OpDef("CONV_2D", (1, 2, 3), (4,), conv_options(2, SAME, RELU), version=3),
            OpDef("MEAN", (4, 5), (6,), (27, {}), version=2),
            OpDef("FULLY_CONNECTED", (6, 7, -1), (8,), FULLY_CONNECTED_OPTIONS, version=4),
            OpDef("SOFTMAX", (8,), (9,), SOFTMAX_OPTIONS, version=2),
            OpDef("QUANTIZE", (9,), (10,), QUANTIZE_OPTIONS),
        ),
        inputs=(0,),
        outputs=(10,),
    )
    return build(ModelDef((graph,)))


def branching_model() -> bytes:
    """ "x" > 0 ? x + 1 : x * 2 for float32 (1, 2) "x", decided by its bool "which" (1)."""

    def branch(op: str, kind: int, number: float) -> GraphDef:
        return GraphDef(
            tensors=(
                TensorDef("a", (1, 2), "float32"),
                TensorDef("b", (1,), "float32", data=np.array([number], np.float32)),
                TensorDef("c", (1, 2), "float32"),
            ),
            operators=(OpDef(op, (0, 1), (2,), (kind, {0: ("b", 0)})),),
            inputs=(0,),
            outputs=(2,),
            name=op.lower(),
        )

    main = GraphDef(
        tensors=(
            TensorDef("which", (1,), "bool"),
            TensorDef("x", (1, 2), "float32", shape_signature=(-1, 2)),
            TensorDef("y", (1, 2), "float32", shape_signature=(-1, 2)),
        ),
        operators=(OpDef("IF", (0, 1), (2,), (92, {0: ("i", 1), 1: ("i", 2)})),),
        inputs=(0, 1),
        outputs=(2,),
    )
    return build(
        ModelDef(
            graphs=(main, branch("ADD", 11, 1.0), branch("MUL", 21, 2.0)),
            metadata={"min_runtime_version": b"2.3.0"},
            signatures=(SignatureDef("serve", {"which": 0, "x": 1}, {"y": 2}),),
        )
    )


def sparse_model() -> bytes:
    """A float32 dense layer "x" (1, 8) -> "y" (1, 4); of its weights every fourth is not 0."""
    weights = np.arange(32, dtype=np.float32).reshape(4, 8)
    weights[weights % 4 > 0] = 0
    graph = GraphDef(
        tensors=(
            TensorDef("x", (1, 8), "float32"),
            TensorDef("weights", (4, 8), "float32", data=weights, sparse=True),
            TensorDef("y", (1, 4), "float32"),
        ),
        operators=(OpDef("FULLY_CONNECTED", (0, 1, -1), (2,), FULLY_CONNECTED_OPTIONS, version=8),),
        inputs=(0,),
        outputs=(2,),
    )
    return build(ModelDef((graph,)))


def custom_op_model(op: str = "edgetpu-custom-op") -> bytes:
    """One custom operator, by default an Edge TPU program, on uint8 "x" (1, 4) -> "y" (1, 4)."""
    graph = GraphDef(
        tensors=(
            TensorDef("x", (1, 4), "uint8", 1.0, 0),
            TensorDef("y", (1, 4), "uint8", 1.0, 0),
        ),
        operators=(OpDef(op, (0,), (1,), custom=True, custom_options=bytes(range(64))),),
        inputs=(0,),
        outputs=(1,),
    )
    return build(ModelDef((graph,)))


def _noise(shape: tuple[int, ...], limit: int) -> Any:
    random = np.random.RandomState(7)
    return random.randint(-limit, limit + 1, shape).astype(np.int8)
