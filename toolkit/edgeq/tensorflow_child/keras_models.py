"""Keras models: files in either format, and model objects that a function returned."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import tensorflow as tf

from edgeq.tensorflow_child.legacy_keras import forgiving_layers
from edgeq.tensorflow_child.loading import (
    Loaded,
    Port,
    assemble,
    fixed_shape,
    flatten_named,
    numeric_dtype,
    unique,
)
from edgeq.tensorflow_child.unreadable import unreadable
from edgeq_device.errors import ModelError

_LONGEST_UNROLLED = 512


def load_keras_file(source: str, path: str) -> Loaded:
    """A .keras or .h5 file; nothing of it is executed but Keras' own layers."""
    try:
        old = None if zipfile.is_zipfile(path) else forgiving_layers()
        model = tf.keras.models.load_model(path, custom_objects=old, compile=False)
    except Exception as error:
        raise unreadable(source, path, error) from error
    return from_keras(source, model)


def from_keras(source: str, model: Any) -> Loaded:
    """A Keras model object; its inputs and outputs keep their layers' names."""
    tensors, pack = _declared_inputs(source, model)
    names = unique([name for name, _ in tensors])
    inputs = [_port(source, name, tensor) for name, (_, tensor) in zip(names, tensors)]
    output_names = _output_names(model)
    notes = (*_compute_in_float32(model), *_unroll(model))
    _plain_scopes(model)

    def call(values: Sequence[Any]) -> list[Any]:
        result = model(pack(list(values)), training=False)
        return [tensor for _, tensor in flatten_named(result, "output")]

    return assemble(source, call, inputs, output_names, notes)


def _port(source: str, name: str, tensor: Any) -> Port:
    what = f"input {name!r}"
    sizes = [None, *tensor.shape[1:]] if tensor.shape is not None else None
    shape = fixed_shape(source, what, sizes)
    return Port(name, shape, numeric_dtype(source, what, tensor.dtype))


def _declared_inputs(source: str, model: Any) -> tuple[list[tuple[str, Any]], Any]:
    """Named input tensors in order, and what packs values into the structure to call with."""
    declared = None
    with suppress(AttributeError):  # a Sequential that was never built
        declared = model.inputs
    if declared:
        # A Sequential has one input and no ``input``
        structure = declared[0] if len(declared) == 1 else model.input
        return (
            [(tensor.name, tensor) for tensor in declared],
            lambda values: tf.keras.tree.pack_sequence_as(structure, values),
        )
    signature = _called_with(model)
    if signature is None:
        raise ModelError(
            source,
            "the Keras model does not know the shape of its input",
            hint="begin it with keras.Input(shape), or call it once on an example",
        )
    named = flatten_named(signature, "input")
    single = len(named) == 1
    return named, lambda values: values[0] if single else values


def _called_with(model: Any) -> Any:
    """The input signature of a subclassed model that was called before, else None."""
    try:
        from keras.src.export.export_utils import get_input_signature

        return get_input_signature(model) if model.built else None
    except Exception:
        return None


def _output_names(model: Any) -> list[str]:
    """The names of the output layers, or the keys of a dict; none for a subclassed model."""
    declared = getattr(model, "outputs", None)
    if not declared:
        return []
    if len(declared) > 1 and isinstance(model.output, dict):
        return [name for name, _ in flatten_named(model.output, "output")]
    return [tensor._keras_history.operation.name for tensor in declared]


def _plain_scopes(model: Any) -> None:
    """Layer names become TensorFlow scopes, which take no blanks and no leading underscore."""
    for layer in [*_layers(model), model]:
        layer.name = re.sub(r"^(?=[^A-Za-z0-9.])|[^A-Za-z0-9_.]", "s", layer.name)


def _unroll(model: Any) -> list[str]:
    """Unroll recurrent layers: a loop is a subgraph of its own, which an Edge TPU cannot take.

    TensorFlow 2.20 and 2.21 also abort when they quantize such a loop.
    """
    names = []
    for layer in _layers(model):
        steps = _steps(layer)
        if getattr(layer, "unroll", None) is False and steps is not None:
            layer.unroll = True
            names.append(f"{layer.name} ({steps} steps)")
    return [f"unrolled recurrent layers: {', '.join(names)}"] if names else []


def _steps(layer: Any) -> int | None:
    """How many time steps the recurrent layer runs, None where unknown or too many to unroll."""
    try:
        steps = layer.input.shape[1]
    except (AttributeError, ValueError, IndexError, TypeError):
        shapes = getattr(layer, "_build_shapes_dict", None) or {}
        shape = next(iter(shapes.values()), None)
        steps = shape[1] if shape is not None and len(shape) > 2 else None
    return int(steps) if steps is not None and steps <= _LONGEST_UNROLLED else None


def _compute_in_float32(model: Any) -> list[str]:
    """Run mixed-precision models in float32, which is what their weights are stored in."""
    changed = []
    for layer in [*_layers(model), model]:
        policy = getattr(layer, "dtype_policy", None)
        if policy is not None and policy.compute_dtype in ("float16", "bfloat16"):
            layer.dtype_policy = tf.keras.DTypePolicy("float32")
            changed.append(layer.name)
    return ["computes in float32 instead of mixed precision"] if changed else []


def _layers(model: Any) -> list[Any]:
    return list(model._flatten_layers(include_self=False))
