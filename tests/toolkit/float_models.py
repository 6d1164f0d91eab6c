"""Tiny float .tflite models, each with a difficulty of its own. Weights are random but fixed."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.toolkit.networks import RELU, SAME, VALID, Network

SIDE = 8
"""Pictures here are 8 x 8, with three channels."""


SHAPE = (1, SIDE, SIDE, 3)


def picture(net: Network, name: str = "x") -> int:
    return net.input(name, SHAPE)


def conv_same() -> bytes:
    net = Network()
    return net.build(net.conv(picture(net), 4, "out", padding=SAME))


def conv_valid() -> bytes:
    net = Network()
    return net.build(net.conv(picture(net), 4, "out", padding=VALID, activation=RELU))


def conv_behind_pad() -> bytes:
    net = Network()
    return net.build(net.conv(net.pad(picture(net)), 4, "out", padding=VALID))


def depthwise_valid() -> bytes:
    net = Network()
    return net.build(net.depthwise(picture(net), 2, "out"))


def dense_behind_reshape() -> bytes:
    net = Network()
    return net.build(net.dense(net.reshape(picture(net), (1, SIDE * SIDE * 3)), 5, "out"))


def dense_without_bias() -> bytes:
    net = Network()
    flat = net.reshape(picture(net), (1, SIDE * SIDE * 3))
    return net.build(net.dense(flat, 5, "out", bias=False))


def added_input() -> bytes:
    """The input goes into a convolution and, around it, into an ADD."""
    net = Network()
    x = picture(net)
    return net.build(net.op("ADD", [net.conv(x, 3), x], ("out", (1, SIDE, SIDE, 3))))


def two_readers() -> bytes:
    net = Network()
    x = picture(net)
    left, right = (net.conv(x, 4, name, padding=VALID) for name in ("left", "right"))
    return net.build(net.op("ADD", [left, right], ("out", net.shape(left))))


def residual() -> bytes:
    """A convolution whose result is added to another's: the sum's range is wider than either's."""
    net = Network()
    first = net.conv(picture(net), 4, "first", activation=RELU)
    second = net.conv(first, 4, "second")
    total = net.op("ADD", [second, first], ("sum", net.shape(second)))
    return net.build(net.dense(net.mean(total), 3, "out"))


def two_inputs() -> bytes:
    net = Network()
    left, right = (net.conv(picture(net, name), 4, f"conv_{name}") for name in ("x", "y"))
    return net.build(net.op("ADD", [left, right], ("out", net.shape(left))))


def classifier(classes: int = 10, op: str = "MEAN", end: str = "SOFTMAX") -> bytes:
    """conv, a reduction, dense, and ``end`` ("" for the logits)."""
    net = Network()
    features = net.mean(net.conv(picture(net), 8, "conv", activation=RELU), "reduced", op)
    logits = net.dense(features, classes, "logits")
    if not end:
        return net.build(logits)
    return net.build(net.op(end, [logits], ("out", (1, classes)), beta=1.0))


def prelu() -> bytes:
    net = Network()
    features = net.conv(picture(net), 4)
    slopes = net.constant("slopes", np.full((1, 1, 4), 0.2, np.float32))
    return net.build(net.op("PRELU", [features, slopes], ("out", net.shape(features))))


def between(op: str, **options: Any) -> bytes:
    """conv, an operator of one operand that keeps the shape, conv."""
    net = Network()
    features = net.conv(picture(net), 4)
    return net.build(
        net.conv(net.op(op, [features], ("u", net.shape(features)), **options), 2, "out")
    )


def dead_relu() -> bytes:
    """A ReLU that never lets anything through: its range is exactly 0."""
    net = Network()
    features = net.conv(picture(net), 4)
    zero = net.constant("zero", np.zeros(1, np.float32))
    nothing = net.op("MUL", [features, zero], ("nothing", net.shape(features)))
    dead = net.op("RELU", [nothing], ("dead", net.shape(features)))
    return net.build(net.conv(dead, 2, "out"))


def float16_weights() -> bytes:
    """Weights and bias as float16 behind DEQUANTIZE, as TensorFlow's float16 conversion does."""
    net = Network()
    x = picture(net)
    stored = net.random.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float16)
    kernel = net.op("DEQUANTIZE", [net.constant("w16", stored)], ("weights", (4, 3, 3, 3)))
    small = net.random.normal(0, 0.3, 4).astype(np.float16)
    bias = net.op("DEQUANTIZE", [net.constant("b16", small)], ("bias", (4,)))
    shape = (1, SIDE, SIDE, 4)
    options = {"padding": SAME, "strideH": 1, "strideW": 1}
    return net.build(net.op("CONV_2D", [x, kernel, bias], ("out", shape), **options))


def lstm(steps: int = 5, width: int = 3, cells: int = 4, **options: Any) -> bytes:
    net = Network(7)
    operands = [net.input("x", (1, steps, width))]
    for name, size in (("in", width), ("back", cells)):
        operands += [net.constant(f"{name}{n}", _weights(net, cells, size)) for n in range(4)]
    operands += (
        [-1] * 3 + [net.constant(f"b{n}", _weights(net, cells)) for n in range(4)] + [-1] * 2
    )
    for name in ("hidden", "cell"):
        operands.append(net.tensor(name, (1, cells)))
        net.graph.tensors[-1].isVariable = True
    inner = [net.tensor(f"inner{number}", ()) for number in range(5)]
    out = net.op(
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        operands + [-1] * 4,
        ("out", (1, steps, cells)),
        **{"fusedActivationFunction": 4, **options},
    )
    net.graph.operators[-1].intermediates = np.asarray(inner, np.int32)
    return net.build(out)


def _weights(net: Network, *shape: int) -> Any:
    return net.random.normal(0, 0.8, shape).astype(np.float32)
