"""Take the declared preprocessing into the model, so that raw pixels go straight in.

Four places, tried in this order: the input's scale and zero point (one affine map whose zero
point is whole); the first layer's weights and bias; a 1x1 depthwise convolution before it; the
device. Padding is what makes the second inexact: a padded tap stands for the input value 0,
which the folded input may not have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq.quantize import plan as plans
from edgeq.quantize.plan import InputPlan
from edgeq_device.tensors import Array
from edgeq_device.transforms import Preprocessing

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class FirstLayer:
    """A layer that the input reaches unchanged but for reshapes and zero padding."""

    operator: Any
    name: str
    padded: bool
    reshaped: bool


def fold_inputs(
    data: bytes, preprocessing: tuple[Preprocessing | None, ...]
) -> tuple[bytes, tuple[InputPlan, ...]]:
    """Fold each input's preprocessing into a float .tflite.

    Returns the model (the same bytes where no graph edit was needed) and a plan per input, in
    the order of the model's inputs. An input without declared preprocessing is calibrated.
    """
    model = editable.read(data)
    subgraph = model.subgraphs[0]
    chosen = tuple(
        plans.calibrated() if declared is None else fold(model, int(index), declared)
        for index, declared in zip(subgraph.inputs, preprocessing, strict=True)
    )
    edited = any(plan.is_edited for plan in chosen)
    return (editable.write(model) if edited else data), chosen


def fold(model: Any, input_index: int, preprocessing: Preprocessing) -> InputPlan:
    """Choose the place for one input's preprocessing and edit ``model`` where it needs it."""
    direct = plans.in_scale(preprocessing)
    if direct is not None:
        return direct
    subgraph = model.subgraphs[0]
    shape = tuple(int(size) for size in subgraph.tensors[input_index].shape)
    channels = len(preprocessing.mean + preprocessing.std) > 2
    if channels and shape[-1] != max(len(preprocessing.mean), len(preprocessing.std)):
        return plans.on_device(preprocessing, f"the input's last dimension is {shape[-1]}")
    split = plans.split_affine(preprocessing)
    layers = first_layers(model, input_index)
    if layers and can_take_up(split, layers, preprocessing):
        take_up(model, split, layers)
        return describe_first_layer(split, layers)
    rounded = plans.rounded_scale(preprocessing)
    if rounded is not None:
        return rounded
    if len(shape) == 4 and input_index not in set(map(int, subgraph.outputs)):
        insert(model, input_index, split)
        low, high = preprocessing.value_range
        error = (high - low) / 255 / 2
        return replace(
            split,
            error=error,
            sentence="inserted as a 1x1 depthwise convolution before the first layer: "
            f"values are rounded to steps of {(high - low) / 255:.4g}",
        )
    return plans.on_device(preprocessing, "there is no layer that could take it up")


def can_take_up(
    split: InputPlan, layers: tuple[FirstLayer, ...], preprocessing: Preprocessing
) -> bool:
    """True where the first layers give the same result, but for half a step on padded taps."""
    single = preprocessing.is_affine_for_all
    mixes_channels = any(layer.reshaped or layer.name == "FULLY_CONNECTED" for layer in layers)
    if mixes_channels and not single:
        return False
    small = max(abs(value) for value in split.offset) <= 0.5001 * split.scale
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


def first_layers(
    model: Any, tensor_index: int, *, padded: bool = False, reshaped: bool = False
) -> tuple[FirstLayer, ...]:
    """All layers that the tensor reaches; empty where one of its readers is anything else."""
    subgraph = model.subgraphs[0]
    if tensor_index in set(map(int, subgraph.outputs)):
        return ()
    found: list[FirstLayer] = []
    for operator in subgraph.operators:
        if tensor_index not in set(map(int, operator.inputs)):
            continue
        name = editable.operator_name(model, operator)
        if name in ("RESHAPE", "PAD"):
            beyond = first_layers(
                model,
                int(operator.outputs[0]),
                padded=padded or name == "PAD",
                reshaped=reshaped or name == "RESHAPE",
            )
            if not beyond:
                return ()
            found += beyond
        elif name in LAYERS and has_constant_weights(model, operator, tensor_index):
            at_border = padded or pads(model, operator, name)
            found.append(FirstLayer(operator, name, at_border, reshaped))
        else:
            return ()
    return tuple(found)


def has_constant_weights(model: Any, operator: Any, data_index: int) -> bool:
    """True where weights and bias are float32 constants and the data is the first operand."""
    tensors = model.subgraphs[0].tensors
    operands = [int(index) for index in operator.inputs]
    if operands[0] != data_index or data_index in operands[1:]:
        return False
    for index in operands[1:]:
        if index < 0:
            continue
        if editable.tensor_dtype(tensors[index]) != np.float32:
            return False
        if editable.constant(model, tensors[index]) is None:
            return False
    return True


def pads(model: Any, operator: Any, name: str) -> bool:
    """True where a SAME convolution really reads beyond the picture's border."""
    options = operator.builtinOptions
    if name == "FULLY_CONNECTED" or options.padding != editable.schema().Padding.SAME:
        return False
    tensors = model.subgraphs[0].tensors
    height, width = (int(size) for size in tensors[int(operator.inputs[0])].shape[1:3])
    rows, columns = (int(size) for size in tensors[int(operator.inputs[1])].shape[1:3])
    return any(
        (-(-size // stride) - 1) * stride + (kernel - 1) * dilation + 1 > size
        for size, kernel, stride, dilation in (
            (height, rows, options.strideH, options.dilationHFactor),
            (width, columns, options.strideW, options.dilationWFactor),
        )
    )


def take_up(model: Any, split: InputPlan, layers: tuple[FirstLayer, ...]) -> None:
    """Scale the layers' weights by the gain and add the offset's share to their bias."""
    subgraph = model.subgraphs[0]
    for layer in layers:
        operands = [int(index) for index in layer.operator.inputs]
        weights = editable.constant(model, subgraph.tensors[operands[1]])
        assert weights is not None
        gain, share = weight_terms(layer, weights, split)
        bias = np.zeros(share.shape, np.float32)
        if len(operands) > 2 and operands[2] >= 0:
            stored = editable.constant(model, subgraph.tensors[operands[2]])
            assert stored is not None
            bias = stored
        names = [editable.tensor_name(subgraph.tensors[operands[1]]), "preprocessing/bias"]
        scaled = np.asarray(weights * gain, np.float32)
        moved = np.asarray(bias + share, np.float32)
        layer.operator.inputs = np.asarray(
            [
                operands[0],
                editable.add_tensor(model, subgraph, names[0] + "/preprocessing", scaled),
                editable.add_tensor(model, subgraph, names[0] + "/" + names[1], moved),
            ],
            np.int32,
        )


def weight_terms(layer: FirstLayer, weights: Array, split: InputPlan) -> tuple[Array, Array]:
    """The factor for the weights, and what each output channel's bias gains, in float64."""
    gain, offset = np.asarray(split.gain), np.asarray(split.offset)
    exact = weights.astype(np.float64)
    if layer.name == "DEPTHWISE_CONV_2D":
        if gain.size > 1:
            repeat = weights.shape[-1] // gain.size
            gain, offset = np.repeat(gain, repeat), np.repeat(offset, repeat)
        return gain, (exact * offset).sum(axis=(0, 1, 2))
    return gain, (exact * offset).reshape(weights.shape[0], -1).sum(axis=1)


def insert(model: Any, input_index: int, split: InputPlan) -> None:
    """Put a 1x1 depthwise convolution with gain and offset between the input and its readers."""
    tables, subgraph = editable.schema(), model.subgraphs[0]
    source = subgraph.tensors[input_index]
    channels = int(source.shape[-1])
    gain = np.broadcast_to(np.asarray(split.gain, np.float32), (channels,))
    offset = np.broadcast_to(np.asarray(split.offset, np.float32), (channels,))
    result = tables.TensorT()
    result.name, result.type, result.buffer = "preprocessing/value", source.type, 0
    result.shape = np.asarray(source.shape, np.int32)
    subgraph.tensors.append(result)
    result_index = len(subgraph.tensors) - 1
    for operator in subgraph.operators:
        operands = np.array(operator.inputs, np.int32)
        operands[operands == input_index] = result_index
        operator.inputs = operands
    options = tables.DepthwiseConv2DOptionsT()
    options.padding = tables.Padding.VALID
    options.strideH = options.strideW = options.depthMultiplier = 1
    options.dilationHFactor = options.dilationWFactor = 1
    layer = tables.OperatorT()
    layer.opcodeIndex = editable.operator_code(model, "DEPTHWISE_CONV_2D", 1)
    layer.builtinOptionsType = tables.BuiltinOptions.DepthwiseConv2DOptions
    layer.builtinOptions = options
    layer.inputs = np.asarray(
        [
            input_index,
            editable.add_tensor(
                model, subgraph, "preprocessing/gain", gain.reshape(1, 1, 1, channels)
            ),
            editable.add_tensor(model, subgraph, "preprocessing/offset", offset),
        ],
        np.int32,
    )
    layer.outputs = np.asarray([result_index], np.int32)
    subgraph.operators.insert(0, layer)
