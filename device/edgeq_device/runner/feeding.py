"""From what a caller has (pixels, model values) to the numbers that the input takes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgeq_device.bundle import InputInfo
from edgeq_device.errors import InputError
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.transforms import Preprocessing

Convert = Callable[[Array], Array]


def feeder(info: InputInfo) -> Convert:
    """A function from one sample to the input's own dtype and shape, as `converter` has it.

    The batch of 1 may be left out. InputError for another shape.
    """
    spec = info.spec
    convert = converter(info)

    def feed(array: Array) -> Array:
        ready = convert(array)
        return ready if ready.shape == spec.shape else _shaped(spec, ready)

    return feed


def converter(info: InputInfo) -> Convert:
    """A function from an array of any number of samples to the input's own dtype.

    uint8 are raw pixels: they go in as they are, unless the device has to apply the declared
    preprocessing. Floats are model values, quantized with the input's scale and zero point.
    Other numbers of the input's own dtype are left alone. InputError for any other dtype.
    """
    spec = info.spec
    own = np.dtype(spec.dtype)
    pixels = _pixels_in(info)
    values = _values_in(info)

    def convert(array: Array) -> Array:
        if array.dtype == np.uint8:
            return pixels(array)
        if array.dtype.kind == "f":
            return values(array)
        if array.dtype == own:
            return array
        raise _wrong_type(spec, array)

    return convert


def _pixels_in(info: InputInfo) -> Convert:
    spec, preprocessing = info.spec, info.preprocessing
    if info.applied == "device" and preprocessing is not None:
        apply = preprocessing.apply
        return lambda pixels: spec.quantize(apply(pixels))
    return lambda pixels: _as_pixels(pixels, spec)


def _as_pixels(pixels: Array, spec: TensorSpec) -> Array:
    """Pixels 0..255 in the input's dtype; int8 counts them from -128, as its zero point does."""
    if spec.dtype == "uint8":
        return pixels
    if spec.dtype == "int8" and spec.is_quantized:
        return np.asarray((pixels ^ 0x80).view(np.int8))
    return pixels.astype(spec.dtype)


def _values_in(info: InputInfo) -> Convert:
    spec, preprocessing = info.spec, info.preprocessing
    if info.applied != "model" or preprocessing is None:
        return spec.quantize
    if preprocessing.is_identity or _is_folded(spec, preprocessing):
        return spec.quantize
    mean = np.asarray(preprocessing.mean, np.float32)
    std = np.asarray(preprocessing.std, np.float32)

    def through_pixels(values: Array) -> Array:
        pixels = np.asarray(values, np.float32) * std + mean
        if spec.dtype == "float32":
            return pixels
        return _as_pixels(np.clip(np.rint(pixels), 0, 255).astype(np.uint8), spec)

    return through_pixels


def _is_folded(spec: TensorSpec, preprocessing: Preprocessing) -> bool:
    """Whether scale and zero point do exactly what the preprocessing says."""
    if not spec.is_quantized or not preprocessing.is_affine_for_all:
        return False
    zero_point = spec.zero_point + (128 if spec.dtype == "int8" else 0)
    same_scale = abs(spec.scale * preprocessing.std[0] - 1.0) < 1e-3
    return same_scale and abs(zero_point - preprocessing.mean[0]) < 1e-2


def _shaped(spec: TensorSpec, array: Array) -> Array:
    if spec.shape[:1] == (1,) and array.shape == spec.shape[1:]:
        return array.reshape(spec.shape)
    problem = f"takes the shape {list(spec.shape)}, got {list(array.shape)}"
    raise InputError(f"input {spec.name!r}", problem, hint="give one sample of that shape")


def _wrong_type(spec: TensorSpec, array: Array) -> InputError:
    return InputError(
        f"input {spec.name!r}",
        f"takes {spec.dtype}, got {array.dtype}",
        hint="give raw pixels as uint8, model values as float32",
    )
