"""Which arrays a model's input takes: shape, type, finite numbers, the declared range."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

import numpy as np

from edgeq_device.errors import InputError
from edgeq_device.sources.arrays import StoredArray
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.transforms import Preprocessing

T = TypeVar("T")

RANGE_SLACK = 0.1
"""How far outside the declared range values may lie, in parts of it: filters overshoot."""


def sample_shape(spec: TensorSpec) -> tuple[int, ...]:
    """One sample's shape: the input's without its leading batch of 1."""
    return spec.shape[1:] if spec.shape[:1] == (1,) else spec.shape


def count_samples(shape: tuple[int, ...], spec: TensorSpec) -> int | None:
    """How many samples an array of ``shape`` holds for ``spec``; None where it does not fit.

    A batch [N, ...], a stack [N, 1, ...] and a single sample fit, each with or without a last
    axis of size 1 (the channel of gray pictures).
    """
    sample = sample_shape(spec)
    for seen, needed in ((shape, sample), (_no_channel(shape), _no_channel(sample))):
        if seen == needed:
            return 1
        if seen and seen[1:] in (needed, (1, *needed)):
            return seen[0]
    return None


def as_samples(stored: StoredArray, spec: TensorSpec) -> StoredArray:
    """The stored array as [N, *sample_shape]; InputError where shape or type do not fit."""
    count = count_samples(stored.shape, spec)
    if count is None:
        needed = ", ".join(["N", *map(str, sample_shape(spec))])
        raise InputError(
            stored.file,
            f"an array of shape {list(stored.shape)}, but the model's input {spec.name!r} "
            f"takes [{needed}]",
            hint="give one array with the samples along its first axis",
        )
    if not count:
        raise InputError(stored.file, "holds no samples", hint="save at least one sample")
    if not _takes(stored.dtype, spec):
        raise InputError(
            stored.file,
            f"{stored.dtype.name} numbers, which the model's input {spec.name!r} does not take",
            hint=f"save it as {spec.dtype}"
            if _is_plain(spec)
            else "save raw pixels as uint8, model values as float32",
        )
    return stored.reshaped((count, *sample_shape(spec)))


def admit(
    values: Array,
    spec: TensorSpec,
    source: str,
    *,
    preprocessing: Preprocessing | None = None,
    rows: Sequence[int] = (),
) -> Array:
    """Checked samples [N, ...] in the type that goes on; ``rows`` are their numbers in errors.

    uint8 stays: raw pixels, still to be preprocessed. Floats become float32 model values, and
    integers and booleans that the input takes as such become its own type. InputError for NaN,
    infinity, integers too large, and floats that the preprocessing, where it is declared,
    cannot have given.
    """
    if _is_plain(spec):
        return _own_type(values, spec, source, rows)
    if values.dtype.kind != "f":
        return values
    with np.errstate(over="ignore"):  # what is too large becomes infinite, and is reported
        numbers = values.astype(np.float32, copy=False)
    finite = np.isfinite(numbers).reshape(len(numbers), -1).all(axis=1)
    if not finite.all():
        bad = int(np.argmin(finite))
        what = "NaN" if np.isnan(numbers[bad]).any() else "an infinite number"
        hint = "repair that sample, or leave it out"
        raise InputError(source, f"sample {rows[bad] if rows else bad} holds {what}", hint=hint)
    if preprocessing is not None and numbers.size:
        _check_range((float(numbers.min()), float(numbers.max())), preprocessing, source)
    return numbers


def match_inputs(
    arrays: Mapping[str, T], inputs: tuple[TensorSpec, ...], source: str
) -> tuple[T, ...]:
    """The array of each input, by the input's name, or "x" (or "", a .npy) for a single input.

    Names count as equal without TensorFlow's decorations (``serving_default_``, ``:0``).
    InputError names what is there and what is needed.
    """
    plain = {plain_name(name): array for name, array in arrays.items()}
    if len(inputs) == 1:
        lone = plain_name(inputs[0].name)
        for name in (lone, "x", ""):
            if name in plain:
                return (plain[name],)
    found = []
    for spec in inputs:
        array = arrays.get(spec.name, plain.get(plain_name(spec.name)))
        if array is None:
            raise _missing(source, list(arrays), inputs, spec)
        found.append(array)
    return tuple(found)


def plain_name(name: str) -> str:
    """A tensor's name without the decorations that TensorFlow's converters add."""
    return re.sub(r"^serving_default_|:\d+$", "", name)


def _is_plain(spec: TensorSpec) -> bool:
    """Integers or booleans that stand for themselves: token numbers, masks."""
    return not spec.is_quantized and spec.dtype.startswith(("int", "uint", "bool"))


def _takes(dtype: np.dtype[np.generic], spec: TensorSpec) -> bool:
    if not _is_plain(spec):
        return dtype == np.uint8 or dtype.kind == "f" or dtype == spec.dtype
    return dtype == spec.dtype or (dtype.kind in "iu" and spec.dtype != "bool")


def _own_type(values: Array, spec: TensorSpec, source: str, rows: Sequence[int]) -> Array:
    converted = values.astype(spec.dtype, copy=False)
    changed = (converted != values).reshape(len(values), -1).any(axis=1)
    if changed.any():
        bad = int(np.argmax(changed))
        number = rows[bad] if rows else bad
        problem = f"sample {number} holds numbers too large for {spec.dtype}"
        raise InputError(source, problem, hint=f"save it as {spec.dtype}")
    return converted


def _check_range(seen: tuple[float, float], preprocessing: Preprocessing, source: str) -> None:
    low, high = preprocessing.value_range
    slack = RANGE_SLACK * (high - low)
    # The identity is what stands where nothing was declared, so that it forbids nothing.
    if preprocessing.is_identity or (low - slack <= seen[0] and seen[1] <= high + slack):
        return
    hint = "save raw pixels as uint8, or declare the preprocessing that made these values"
    if seen[0] >= 0 and high < seen[1] <= 255:
        divide = (low, high) == (0, 1)
        hint = f"save them as uint8, or {'divide by 255' if divide else 'apply it first'}"
    raise InputError(
        source,
        f"values go from {seen[0]:g} to {seen[1]:g}, but the declared preprocessing "
        f"[{low:g},{high:g}] gives {low:g} to {high:g}",
        hint=hint,
    )


def _missing(
    source: str, present: list[str], inputs: tuple[TensorSpec, ...], missing: TensorSpec
) -> InputError:
    needed = ", ".join(repr(plain_name(spec.name)) for spec in inputs)
    if present == [""]:
        problem = f"one array, but the model has {len(inputs)} inputs: {needed}"
        return InputError(source, problem, hint="save them under these names in a .npz file")
    there = ", ".join(map(repr, present)) or "none"
    return InputError(
        source,
        f"no array for the model's input {plain_name(missing.name)!r} (arrays there: {there})",
        hint=f"save the arrays under the names {needed}" + (" or 'x'" if len(inputs) == 1 else ""),
    )


def _no_channel(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if shape[-1:] == (1,) else shape
