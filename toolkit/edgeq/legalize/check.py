"""Run a model before and after a rewrite on the CPU: how many steps are the answers apart?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgeq.static import trial_values
from edgeq_device.errors import ModelError
from edgeq_device.runtime import LoadedModel, LoadOptions, load
from edgeq_device.tensors import Array, TensorSpec

Sample = tuple[Array, ...]

FLOAT_STEPS = 256.0
"""A step of a float output: this part of its largest value, as 8 bits would have."""
FLOAT_ROUNDING = 1e-3
"""Float answers that are this many steps apart differ by the order of their sums alone."""


def apart(before: bytes, after: bytes, samples: Sequence[Sample], name: str) -> float:
    """The largest difference of any output, in steps; 0.0 where all are equal, bit for bit.

    A step is the output's scale. ModelError where one of the two cannot run, or the outputs
    have other shapes. ``samples`` are for the model before; without any, seeded ones.
    """
    options = LoadOptions(threads=1)
    old, new = load(before, name=name, options=options), load(after, name=name, options=options)
    worst = 0.0
    for sample in samples or (tuple(trial_values(old.inputs)),):
        ours, theirs = _both(old, new, sample)
        answers = zip(old.outputs, new.outputs, old.run(*ours), new.run(*theirs), strict=True)
        for one, other, wanted, got in answers:
            if wanted.shape != got.shape:
                raise ModelError(name, f"output {one.name!r} has another shape than before")
            worst = max(worst, _steps(one, other, wanted, got))
    return worst


def _both(old: LoadedModel, new: LoadedModel, sample: Sample) -> tuple[list[Array], list[Array]]:
    """The sample for each of the models, the same real numbers where an input's type changed."""
    ours, theirs = [], []
    for one, other, value in zip(old.inputs, new.inputs, sample, strict=True):
        if value.shape != one.shape:
            value = np.broadcast_to(value[:1], one.shape).astype(value.dtype)
        given = value.reshape(other.shape)
        if one.dtype != other.dtype:
            real = one.dequantize(value) if one.is_quantized else value
            given = other.quantize(real).reshape(other.shape)
            value = other.dequantize(given).reshape(one.shape)
            value = one.quantize(value) if one.is_quantized else value.astype(one.dtype)
        ours.append(value)
        theirs.append(given)
    return ours, theirs


def _steps(one: TensorSpec, other: TensorSpec, wanted: Array, got: Array) -> float:
    """How far two arrays of one output are apart."""
    if wanted.dtype == got.dtype and wanted.tobytes() == got.tobytes():
        return 0.0
    if one.is_quantized and other.is_quantized:
        left = (wanted.astype(np.int64) - one.zero_point) * one.scale
        right = (got.astype(np.int64) - other.zero_point) * other.scale
    else:
        left, right = (
            spec.dequantize(values) if spec.is_quantized else values
            for spec, values in ((one, wanted), (other, got))
        )
    apart = np.abs(np.asarray(left, np.float64) - np.asarray(right, np.float64))
    step = one.scale if one.is_quantized else other.scale if other.is_quantized else 0.0
    if not step:
        step = float(np.abs(np.asarray(left, np.float64)).max(initial=0.0)) / FLOAT_STEPS or 1.0
    largest = float(apart.max(initial=0.0))
    return largest / step if np.isfinite(largest) else float("inf")
