"""MobileNetV2, 224 px, as Keras ships it, without its trained weights: for speed and memory.

Keras' untrained network gives 0.001 for each of its 1000 classes, whatever the picture, so
nothing could be compared. Here the batch normalization takes its statistics from real photos and
the last layer looks at what differs between them, so that the outputs change with the picture as
a trained network's do. The classes still mean nothing.

Input: float32 (1, 224, 224, 3), RGB pixels as ``pixel / 127.5 - 1``. Output: 1000 probabilities.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np

from benchmarks.networks.photos import KINDS, crops, media_folder

INPUT_SIDE = 224
INPUT_MEAN = 127.5
INPUT_STD = 127.5

PHOTOS = 48
DIRECTIONS = 4  # of the 1280 that the features have
LOGIT_SPREAD = 3.0  # standard deviation over the classes


def build() -> Any:
    """The Keras model, the same each time; imports Keras, and so TensorFlow."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.applications.MobileNetV2(
        input_shape=(INPUT_SIDE, INPUT_SIDE, 3), weights=None, classes=1000
    )
    photos = _photos()
    _normalize(model, photos)
    _spread(keras.Model(model.input, model.layers[-1].input), model.layers[-1], photos)
    return model


def _photos() -> Any:
    """Calibration crops as float32 (PHOTOS, 224, 224, 3), -1..1."""
    some = islice(crops(KINDS["calibration"], media_folder()), PHOTOS)
    pixels = [np.asarray(crop, np.float32) for _, crop in some]
    return np.stack(pixels) / np.float32(INPUT_STD) - np.float32(1)


def _normalize(model: Any, photos: Any) -> None:
    """Gives each batch normalization the mean and variance that it sees on ``photos``."""
    norms = [layer for layer in model.layers if hasattr(layer, "moving_variance")]
    momenta = [layer.momentum for layer in norms]
    for layer in norms:
        layer.momentum = 0.0
    model(photos, training=True)
    for layer, momentum in zip(norms, momenta, strict=True):
        layer.momentum = momentum


def _spread(features_of: Any, dense: Any, photos: Any) -> None:
    """Lets the last layer see only what differs most between ``photos``.

    Their logits are centered and scaled to LOGIT_SPREAD. All other directions of the features
    hold little but the noise of quantization, which a trained layer ignores as well.
    """
    features = np.asarray(features_of(photos, training=False))
    center = features.mean(0)
    _, _, directions = np.linalg.svd(features - center, full_matrices=False)
    kept = directions[:DIRECTIONS]
    kernel = kept.T @ (kept @ dense.get_weights()[0])
    kernel *= LOGIT_SPREAD / ((features - center) @ kernel).std()
    dense.set_weights([kernel, -center @ kernel])
