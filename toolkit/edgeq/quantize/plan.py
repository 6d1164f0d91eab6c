"""How raw uint8 pixels of one input become what the float model was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeq_device.tensors import Array
from edgeq_device.transforms import Preprocessing

WHOLE = 1e-4
"""A zero point this close to a whole number (in pixel steps) counts as whole."""


@dataclass(frozen=True)
class Affine:
    """``x * scale + offset``, a number per channel or one for all."""

    scale: tuple[float, ...]
    offset: tuple[float, ...]


@dataclass(frozen=True)
class InputPlan:
    """Where the declared preprocessing of one input is done, and how large the error is.

    The quantized input holds the pixel itself and stands for ``value = scale * (pixel -
    zero_point)``; the float graph, edited where needed, goes on with ``gain * value + offset``,
    which is what the float model was trained on.
    """

    kind: str
    """"given": the model is integer already; "calibrated": no preprocessing declared, the range
    comes from the samples;
    "scale": in the input's scale and zero point; "first-layer": the rest in the first layer's
    weights and bias; "inserted": the rest in a 1x1 depthwise convolution before the first layer;
    "device": the device computes it."""
    scale: float = 0.0
    zero_point: int = 0
    gain: tuple[float, ...] = (1.0,)
    offset: tuple[float, ...] = (0.0,)
    error: float = 0.0
    """The largest difference that remains, in the float model's input values."""
    sentence: str = ""
    value_range: tuple[float, float] | None = None
    """"inserted" and "device": the least and the greatest preprocessed value, 0 included."""
    inserted: str = ""
    """"inserted": the tensor that holds the preprocessed values."""

    @property
    def pixels_go_in(self) -> bool:
        """True where the device gives raw pixels and computes nothing."""
        return self.kind in ("scale", "first-layer", "inserted")

    @property
    def fixed_range(self) -> tuple[float, float] | None:
        """The range that gives the input exactly this scale and zero point, None if calibrated."""
        if self.kind == "device":
            return self.value_range
        if not self.pixels_go_in:
            return None
        return (-self.zero_point * self.scale, (255 - self.zero_point) * self.scale)

    def from_pixels(self, pixels: Array) -> Array:
        """uint8 pixels -> float32 values for the edited float graph, same shape."""
        centered = np.asarray(pixels, np.float32) - np.float32(self.zero_point)
        return np.asarray(centered * np.float32(self.scale), np.float32)

    def from_values(self, values: Array) -> Array:
        """The float model's own input values -> float32 values for the edited float graph."""
        if not self.pixels_go_in or (self.gain == (1.0,) and self.offset == (0.0,)):
            return np.asarray(values, np.float32)
        gain, offset = np.asarray(self.gain, np.float32), np.asarray(self.offset, np.float32)
        return np.asarray((np.asarray(values, np.float32) - offset) / gain, np.float32)

    @property
    def is_edited(self) -> bool:
        """True where the graph has to be changed for this plan."""
        return self.kind in ("first-layer", "inserted")


def calibrated() -> InputPlan:
    """The plan of an input whose preprocessing nobody declared."""
    return InputPlan(
        "calibrated", sentence="no preprocessing declared: the range comes from the samples"
    )


def floats(declared: Preprocessing | None) -> InputPlan:
    """The plan of an input that stays float32: values go in, what is declared comes before."""
    sentence = "takes floats as they are"
    if declared is not None and not declared.is_identity:
        sentence = "takes floats: the device computes (pixel - mean) / std"
    return InputPlan("calibrated", sentence=sentence)


def given() -> InputPlan:
    """The plan of an input that the model already has in integers."""
    return InputPlan("given", sentence="as the model was given")


def on_device(preprocessing: Preprocessing, why: str) -> InputPlan:
    """The plan of an input whose preprocessing only the device can apply."""
    low, high = with_zero(preprocessing.value_range)
    return InputPlan(
        "device",
        error=(high - low) / 255 / 2,
        value_range=(low, high),
        sentence=f"the device computes (pixel - mean) / std: {why}",
    )


def with_zero(values: tuple[float, float]) -> tuple[float, float]:
    """The range as a quantizer takes it: 0 always has an integer of its own."""
    return (min(values[0], 0.0), max(values[1], 0.0))


def in_scale(preprocessing: Preprocessing) -> InputPlan | None:
    """The plan that needs no arithmetic at all, where one affine map has a whole zero point."""
    mean, std = preprocessing.mean[0], preprocessing.std[0]
    zero_point = round(mean)
    if not preprocessing.is_affine_for_all or std < 0 or not 0 <= zero_point <= 255:
        return None
    if abs(mean - zero_point) > WHOLE:
        return None
    return InputPlan(
        "scale",
        scale=1 / std,
        zero_point=zero_point,
        error=abs(mean - zero_point) / std,
        sentence="pixels 0 to 255 go in as they are"
        if preprocessing.is_identity
        else f"folded into the input: scale {1 / std:.6g}, zero point {zero_point}",
    )


def rounded_scale(preprocessing: Preprocessing) -> InputPlan | None:
    """The plan that drops less than a step: one affine map, zero point rounded to a whole."""
    split = split_affine(preprocessing)
    if not preprocessing.is_affine_for_all or preprocessing.std[0] < 0:
        return None
    dropped = abs(split.offset[0])
    if dropped > 0.5001 * split.scale:
        return None
    return InputPlan(
        "scale",
        scale=split.scale,
        zero_point=split.zero_point,
        error=dropped,
        sentence=f"folded into the input: zero point rounded to {split.zero_point}, "
        f"every value off by {dropped:.4g} ({dropped / split.scale:.2g} steps)",
    )


def split_affine(preprocessing: Preprocessing) -> InputPlan:
    """Split the map into a uint8 input with one scale and a rest (gain, offset) for the graph."""
    mean, std = np.broadcast_arrays(preprocessing.mean, preprocessing.std)
    scale = 1 / float(np.abs(std).mean())
    zero_point = int(np.clip(round(float(mean.mean())), 0, 255))
    gain = 1 / (std * scale)
    offset = (zero_point - mean) / std
    return InputPlan(
        "inserted",
        scale=scale,
        zero_point=zero_point,
        gain=tuple(float(value) for value in gain),
        offset=tuple(float(value) for value in offset),
    )
