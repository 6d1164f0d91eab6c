"""The layers that an input reaches first, and taking an affine map up into their weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq import model as editable
from edgeq.quantize.plan import InputPlan
from edgeq_device.tensors import Array

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass(frozen=True)
class FirstLayer:
    """A layer that the input reaches unchanged but for reshapes and zero padding."""

    operator: Any
    name: str
    padded: bool
    """True where it reads zeros beyond the picture's border."""
    mixed: bool
    """True where its weights do not know which channel of the input they are for."""


def first_layers(
    model: Any, tensor_index: int, *, padded: bool = False, mixed: bool = False
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
            result = int(operator.outputs[0])
            beyond = first_layers(
                model,
                result,
                padded=padded or name == "PAD",
                mixed=mixed or name == "RESHAPE" or _channels(model, result, tensor_index),
            )
            if not beyond:
                return ()
            found += beyond
        elif name in LAYERS and _has_constant_weights(model, operator, tensor_index):
            at_border = padded or _pads(model, operator, name)
            blind = mixed or name == "FULLY_CONNECTED" or _is_grouped(model, operator, name)
            found.append(FirstLayer(operator, name, at_border, blind))
        else:
            return ()
    return tuple(found)


def take_up(model: Any, split: InputPlan, layers: tuple[FirstLayer, ...]) -> None:
    """Scale the layers' weights by the gain and add the offset's share to their bias.

    Each gets weights and a bias of its own, so that another layer with the same ones stays.
    """
    subgraph = model.subgraphs[0]
    for layer in layers:
        source, kernel, *rest = (int(index) for index in layer.operator.inputs)
        weights = editable.constant(model, subgraph.tensors[kernel])
        assert weights is not None
        gain, share = weight_terms(layer, weights, split)
        bias: Array = np.zeros(share.shape, np.float32)
        if rest and rest[0] >= 0:
            stored = editable.constant(model, subgraph.tensors[rest[0]])
            assert stored is not None
            bias = stored
        name = editable.tensor_name(subgraph.tensors[kernel])
        scaled = np.asarray(weights * gain, np.float32)
        moved = np.asarray(bias + share, np.float32)
        operands = [
            source,
            editable.add_tensor(model, subgraph, name + "/preprocessing", scaled),
            editable.add_tensor(model, subgraph, name + "/preprocessing/bias", moved),
        ]
        layer.operator.inputs = np.asarray(operands, np.int32)


def weight_terms(layer: FirstLayer, weights: Array, split: InputPlan) -> tuple[Array, Array]:
    """The factor for the weights, and what each output channel's bias gains, in float64."""
    gain, offset = np.asarray(split.gain), np.asarray(split.offset)
    exact = weights.astype(np.float64)
    if layer.name == "DEPTHWISE_CONV_2D":
        if gain.size > 1:
            # Output channel c * multiplier + m comes from input channel c.
            repeat = weights.shape[-1] // gain.size
            gain, offset = np.repeat(gain, repeat), np.repeat(offset, repeat)
        return gain, (exact * offset).sum(axis=(0, 1, 2))
    return gain, (exact * offset).reshape(weights.shape[0], -1).sum(axis=1)


def _has_constant_weights(model: Any, operator: Any, data_index: int) -> bool:
    """True where weights and bias are plain float32 constants and the data is the first operand."""
    tensors = model.subgraphs[0].tensors
    operands = [int(index) for index in operator.inputs]
    if operands[0] != data_index or data_index in operands[1:]:
        return False
    for index in operands[1:]:
        if index < 0:
            continue
        tensor = tensors[index]
        if tensor.sparsity is not None or editable.tensor_dtype(tensor) != np.float32:
            return False
        if editable.constant(model, tensor) is None:
            return False
    return True


def _pads(model: Any, operator: Any, name: str) -> bool:
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


def _channels(model: Any, result: int, source: int) -> bool:
    """True where padding added channels."""
    tensors = model.subgraphs[0].tensors
    return int(tensors[result].shape[-1]) != int(tensors[source].shape[-1])


def _is_grouped(model: Any, operator: Any, name: str) -> bool:
    """True for a convolution each of whose filters sees a part of the channels."""
    data, weights = (model.subgraphs[0].tensors[int(index)] for index in operator.inputs[:2])
    return name == "CONV_2D" and int(data.shape[-1]) != int(weights.shape[-1])
