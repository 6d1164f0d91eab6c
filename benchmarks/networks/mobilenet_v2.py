"""MobileNetV2, 224 px, as Keras ships it; random weights of a fixed seed, for speed and memory."""

from __future__ import annotations

from typing import Any

INPUT_SIDE = 224
INPUT_MEAN = 127.5
INPUT_STD = 127.5


def build() -> Any:
    """The Keras model; imports Keras, and so TensorFlow."""
    import keras

    keras.utils.set_random_seed(0)
    return keras.applications.MobileNetV2(
        input_shape=(INPUT_SIDE, INPUT_SIDE, 3), weights=None, classes=1000
    )
