"""The arithmetic around a model: declared preprocessing, and activations still to apply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq_device.errors import ConfigError
from edgeq_device.tensors import Array

RESIZES = ("stretch", "letterbox", "crop")
RESAMPLES = ("lanczos", "bicubic", "bilinear", "hamming", "box", "nearest")
COLORS = ("rgb", "bgr", "gray")
ACTIVATIONS = ("none", "softmax", "sigmoid")

IMAGENET_MEAN = (123.675, 116.28, 103.53)
IMAGENET_STD = (58.395, 57.12, 57.375)
"""The means and deviations of ImageNet's RGB pixels, times 255, as torchvision declares them:
https://pytorch.org/vision/stable/models.html"""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes what the float model was trained on: ``(pixel - mean) / std``.

    ``mean`` and ``std`` are in pixel units (0 to 255), one number for all channels or one per
    channel, in the order in which the model takes its channels. The resize is of the picture's
    whole area ("stretch"), of the whole picture with gray bars ("letterbox"), or of its center
    ("crop").
    """

    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    resize: str = "stretch"
    resample: str = "lanczos"
    color: str = "rgb"

    def __post_init__(self) -> None:
        for key, value, allowed in (
            ("resize", self.resize, RESIZES),
            ("resample", self.resample, RESAMPLES),
            ("color", self.color, COLORS),
        ):
            if value not in allowed:
                raise ConfigError(f"preprocess {key}", value, "one of " + ", ".join(allowed))
        if not self.mean or not self.std:
            raise ConfigError("preprocess mean and std", (self.mean, self.std), "numbers")
        if not all(np.isfinite(self.mean)) or not all(np.isfinite(self.std)) or 0 in self.std:
            raise ConfigError("preprocess mean and std", (self.mean, self.std), "finite, std not 0")
        if len({len(self.mean), len(self.std)} - {1}) > 1:
            raise ConfigError(
                "preprocess mean and std",
                (self.mean, self.std),
                "as many means as stds, or one of either",
            )

    @property
    def is_identity(self) -> bool:
        """True where pixels go into the model as they are."""
        return set(self.mean) == {0.0} and set(self.std) == {1.0}

    @property
    def is_affine_for_all(self) -> bool:
        """True where one mean and one deviation serve all channels."""
        return len(set(self.mean)) == 1 and len(set(self.std)) == 1

    @property
    def value_range(self) -> tuple[float, float]:
        """The least and the greatest model value that a pixel of 0 to 255 can give."""
        ends = [
            (pixel - m) / s for m, s in np.broadcast(self.mean, self.std) for pixel in (0.0, 255.0)
        ]
        return (float(min(ends)), float(max(ends)))

    def apply(self, pixels: Array) -> Array:
        """uint8 pixels [..., C] -> float32 model values of the same shape."""
        mean = np.asarray(self.mean, np.float32)
        std = np.asarray(self.std, np.float32)
        return np.asarray((np.asarray(pixels, np.float32) - mean) / std, np.float32)

    def as_dict(self) -> dict[str, Any]:
        """The plain form that the manifest holds."""
        return {
            "mean": list(self.mean),
            "std": list(self.std),
            "resize": self.resize,
            "resample": self.resample,
            "color": self.color,
        }


def softmax(logits: Array) -> Array:
    """Softmax over the last axis, float32; sums to 1 there."""
    values = np.asarray(logits, np.float32)
    powers = np.exp(values - np.maximum.reduce(values, axis=-1, keepdims=True))
    return np.asarray(powers / np.add.reduce(powers, axis=-1, keepdims=True))


def sigmoid(logits: Array) -> Array:
    """The logistic function, elementwise, float32."""
    half = np.asarray(logits, np.float32) * np.float32(0.5)
    return np.asarray(np.float32(0.5) * (np.tanh(half) + np.float32(1.0)), np.float32)


def activate(values: Array, activation: str) -> Array:
    """Apply the activation that the model leaves to its user: "none", "softmax" or "sigmoid"."""
    if activation == "softmax":
        return softmax(values)
    if activation == "sigmoid":
        return sigmoid(values)
    return values
