"""Take the declared preprocessing into the model, so that raw pixels go straight in.

Four places, tried in this order: the input's scale and zero point (one affine map whose zero
point is whole); the first layer's weights and bias; a 1x1 depthwise convolution before it; the
device. Padding is what makes the second inexact: a padded tap stands for the input value 0,
which the folded input may not have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq.quantize import plan as plans
from edgeq.quantize.first_layer import FirstLayer, first_layers, take_up
from edgeq.quantize.plan import InputPlan
from edgeq.quantize.tidy import tidy
from edgeq_device.errors import ConfigError
from edgeq_device.transforms import Preprocessing

HALF_STEP = 0.5001
"""Half a pixel step, and float's rounding."""


def fold_inputs(
    data: bytes, preprocessing: tuple[Preprocessing | None, ...], name: str = "model"
) -> tuple[bytes, tuple[InputPlan, ...]]:
    """Fold each input's preprocessing into a float .tflite.

    Returns the model (the same bytes where no graph edit was needed) and a plan per input, in
    the order of the model's inputs. An input without declared preprocessing is calibrated.
    ConfigError where there are means or deviations for more channels than an input has.
    """
    model = editable.read(data, name)
    tidied = tidy(model)
    subgraph = model.subgraphs[0]
    chosen = tuple(
        plans.calibrated() if declared is None else fold(model, int(index), declared)
        for index, declared in zip(subgraph.inputs, preprocessing, strict=True)
    )
    edited = any(plan.is_edited for plan in chosen)
    if edited:
        editable.drop_dead_parts(model)
    return (editable.write(model) if edited or tidied else data), chosen


def fold(model: Any, input_index: int, preprocessing: Preprocessing) -> InputPlan:
    """Choose the place for one input's preprocessing and edit ``model`` where it needs it."""
    subgraph = model.subgraphs[0]
    _check_channels(subgraph.tensors[input_index], preprocessing)
    direct = plans.in_scale(preprocessing)
    if direct is not None:
        return direct
    split = plans.split_affine(preprocessing)
    layers = first_layers(model, input_index)
    if layers and can_take_up(split, layers, preprocessing):
        take_up(model, split, layers)
        return describe_first_layer(split, layers)
    rounded = plans.rounded_scale(preprocessing)
    if rounded is not None:
        return rounded
    if input_index in set(map(int, subgraph.outputs)):
        return plans.on_device(preprocessing, "the input is an output of the model too")
    if len(subgraph.tensors[input_index].shape) != 4:
        return plans.on_device(preprocessing, "the input is no picture, and no layer takes it up")
    name = insert(model, input_index, split)
    return describe_inserted(split, name, preprocessing)


def _check_channels(tensor: Any, preprocessing: Preprocessing) -> None:
    shape = () if tensor.shape is None else tuple(int(size) for size in tensor.shape)
    channels = shape[-1] if shape else 1
    numbers = max(len(preprocessing.mean), len(preprocessing.std))
    if numbers not in (1, channels):
        name = editable.tensor_name(tensor)
        raise ConfigError(
            "--preprocess",
            f"{numbers} means or stds",
            f"one number, or one for each channel of input {name!r}, whose shape is {list(shape)}",
            hint="declare one mean and one std, or the right INPUT:...",
        )


def can_take_up(
    split: InputPlan, layers: tuple[FirstLayer, ...], preprocessing: Preprocessing
) -> bool:
    """True where the first layers give the same result, but for half a step on padded taps."""
    if any(layer.mixed for layer in layers) and not preprocessing.is_affine_for_all:
        return False
    small = max(abs(value) for value in split.offset) <= HALF_STEP * split.scale
    return small or not any(layer.padded for layer in layers)


def describe_first_layer(split: InputPlan, layers: tuple[FirstLayer, ...]) -> InputPlan:
    """The plan with its error and its sentence."""
    padded = any(layer.padded for layer in layers)
    error = max(abs(value) for value in split.offset) if padded else 0.0
    rest = f"off by {error:.4g} on the padded border only" if padded else "exact"
    sentence = (
        f"folded into the input (scale {split.scale:.6g}, zero point {split.zero_point}) and into "
        f"the first layer's weights and bias ({layers[0].name}), {rest}"
    )
    return replace(split, kind="first-layer", error=error, sentence=sentence)


def describe_inserted(split: InputPlan, name: str, preprocessing: Preprocessing) -> InputPlan:
    """The plan with its error, its sentence, and the range that makes the error a bound.

    The convolution's result is rounded to its own steps; its bias, and the sum before the last
    shift, to steps of a 127th of a pixel's.
    """
    low, high = plans.with_zero(preprocessing.value_range)
    step = (high - low) / 255
    pixel = max(abs(1 / std) for std in preprocessing.std)
    return replace(
        split,
        error=step / 2 + pixel / 127,
        value_range=(low, high),
        inserted=name,
        sentence="inserted as a 1x1 depthwise convolution before the first layer: "
        f"values are rounded to steps of {step:.4g}",
    )


def insert(model: Any, input_index: int, split: InputPlan) -> str:
    """Put a 1x1 depthwise convolution with gain and offset between the input and its readers.

    Returns the name of the tensor that it writes.
    """
    tables, subgraph = editable.schema(), model.subgraphs[0]
    source = subgraph.tensors[input_index]
    channels = int(source.shape[-1])
    name = _free_name(subgraph, f"{editable.tensor_name(source)}/preprocessed")
    result = tables.TensorT()
    result.name, result.type, result.buffer = name, source.type, 0
    result.shape = np.asarray(source.shape, np.int32)
    subgraph.tensors.append(result)
    result_index = len(subgraph.tensors) - 1
    for operator in subgraph.operators:
        operands = np.array(operator.inputs, np.int32)
        operands[operands == input_index] = result_index
        operator.inputs = operands
    gain = np.broadcast_to(np.asarray(split.gain, np.float32), (1, 1, 1, channels))
    offset = np.broadcast_to(np.asarray(split.offset, np.float32), (channels,))
    weights = editable.add_tensor(model, subgraph, name + "/gain", gain)
    bias = editable.add_tensor(model, subgraph, name + "/offset", offset)
    layer = _depthwise(model, [input_index, weights, bias], result_index)
    subgraph.operators.insert(0, layer)
    return name


def _depthwise(model: Any, operands: list[int], result: int) -> Any:
    tables = editable.schema()
    options = tables.DepthwiseConv2DOptionsT()
    options.padding = tables.Padding.VALID
    options.strideH = options.strideW = options.depthMultiplier = 1
    options.dilationHFactor = options.dilationWFactor = 1
    layer = tables.OperatorT()
    layer.opcodeIndex = editable.operator_code(model, "DEPTHWISE_CONV_2D", 1)
    layer.builtinOptionsType = tables.BuiltinOptions.DepthwiseConv2DOptions
    layer.builtinOptions = options
    layer.inputs = np.asarray(operands, np.int32)
    layer.outputs = np.asarray([result], np.int32)
    return layer


def _free_name(subgraph: Any, wanted: str) -> str:
    taken = {editable.tensor_name(tensor) for tensor in subgraph.tensors}
    name, number = wanted, 1
    while name in taken:
        number += 1
        name = f"{wanted}_{number}"
    return name
