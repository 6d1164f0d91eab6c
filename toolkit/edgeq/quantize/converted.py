"""Preprocessing with TensorFlow's converter, which has its own mind about where it goes.

The converter is given ``x * scale + offset`` before the model. Where it can it takes that into
the first layer; else a MUL and an ADD stay in the model and round. Its calibrator knows samples
alone: a sample with the pixels 0 and 255 makes it leave room for every pixel.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeq.quantize import plan as plans
from edgeq.quantize.plan import InputPlan
from edgeq.quantize.samples import GraphSamples
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.tflite import Model, Operator, Tensor
from edgeq_device.transforms import Preprocessing

EVERY_PIXEL = np.arange(256, dtype=np.uint8)


def for_converter(plan: InputPlan, declared: Preprocessing | None) -> InputPlan:
    """The plan that serves this engine best.

    An ADD of half a step rounds half a step away again: where padding keeps it from the first
    layer, the rounded zero point gives the same without an operator.
    """
    if plan.kind != "first-layer" or plan.error == 0.0 or declared is None:
        return plan
    return plans.rounded_scale(declared) or plan


def with_extremes(samples: GraphSamples) -> list[Array]:
    """All samples, an array for each input, and one more that holds the pixels 0 and 255.

    Without an input of pixels there is no such sample.
    """
    arrays = [np.concatenate(parts) for parts in zip(*samples, strict=True)]
    if not any(plan.pixels_go_in for plan in samples.plans):
        return arrays
    return [
        np.concatenate([array, _extreme(array[:1], plan)]) if plan.pixels_go_in else _more(array)
        for array, plan in zip(arrays, samples.plans, strict=True)
    ]


def _extreme(sample: Array, plan: InputPlan) -> Array:
    """A copy of one sample whose first two places hold the least and the greatest pixel."""
    changed = sample.copy()
    places = changed.reshape(-1, changed.shape[-1])
    if len(places) < 2:
        places = changed.reshape(-1, 1)
    for place, value in zip(places, plan.from_pixels(EVERY_PIXEL[[0, -1]]), strict=False):
        place[...] = value
    return changed


def _more(array: Array) -> Array:
    return np.concatenate([array, array[:1]])


def as_converted(
    plan: InputPlan, declared: Preprocessing | None, model: Model, number: int
) -> InputPlan:
    """The plan of input ``number`` as the converter carried it out, with the error that it has."""
    if declared is None or not plan.is_edited:
        return plan
    chain = _chain(model, model.main.inputs[number])
    if not chain:
        return plan
    channels = max(len(plan.gain), len(plan.offset))
    values = np.repeat(plan.from_pixels(EVERY_PIXEL)[:, None], channels, axis=1)
    for operator, result in chain:
        values = _computed(model, operator, result, values)
    wanted = declared.apply(np.repeat(EVERY_PIXEL[:, None], channels, axis=1))
    error = float(np.abs(values - wanted).max())
    names = " and ".join(operator.op for operator, _ in chain if operator.op != "QUANTIZE")
    return replace(
        plan,
        kind="inserted",
        error=error,
        sentence=f"left before the first layer by TensorFlow's converter ({names}): values are "
        f"off by {error:.4g} at most",
    )


def _chain(model: Model, index: int) -> list[tuple[Operator, Tensor]]:
    """The QUANTIZE, MUL and ADD by constants that the input goes through first, and results."""
    found: list[tuple[Operator, Tensor]] = []
    while True:
        readers = [op for op in model.main.operators if index in op.inputs]
        if len(readers) != 1 or not _is_affine(model, readers[0]):
            break
        index = readers[0].outputs[0]
        found.append((readers[0], model.main.tensors[index]))
    return found if any(operator.op != "QUANTIZE" for operator, _ in found) else []


def _is_affine(model: Model, operator: Operator) -> bool:
    if operator.op == "QUANTIZE":
        return True
    return operator.op in ("MUL", "ADD") and any(
        model.is_constant(model.main.tensors[index]) for index in operator.inputs
    )


def _computed(model: Model, operator: Operator, result: Tensor, values: Array) -> Array:
    """``values`` through one operator, rounded and cut off as its result is."""
    for index in operator.inputs if operator.op != "QUANTIZE" else ():
        tensor = model.main.tensors[index]
        stored = model.constant(tensor)
        if stored is not None:
            term = tensor.spec().dequantize(stored).reshape(-1)
            values = values * term if operator.op == "MUL" else values + term
    spec: TensorSpec = result.spec()
    return spec.dequantize(spec.quantize(values))
