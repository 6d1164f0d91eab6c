"""SavedModel folders: which signature is the model, and its named inputs and outputs."""

from __future__ import annotations

import re
from typing import Any

import tensorflow as tf

from edgeq.tensorflow_child.graphs import Named, from_graph
from edgeq.tensorflow_child.loading import Loaded, flatten_named, last_line
from edgeq_device.errors import ModelError


def load_saved_model(source: str, path: str) -> Loaded:
    """The signature serving_default, else the only one, else ``__call__``."""
    try:
        model = tf.saved_model.load(path)
    except Exception as error:
        raise ModelError(
            source,
            f"TensorFlow cannot read this SavedModel: {last_line(error)}",
            hint="export it again: model.export('folder')",
        ) from error
    signatures = dict(model.signatures)
    if "serving_default" in signatures:
        return from_signature(source, signatures["serving_default"])
    if len(signatures) == 1:
        return from_signature(source, next(iter(signatures.values())))
    functions = getattr(vars(model).get("__call__"), "concrete_functions", None)
    if functions:
        return from_concrete(source, functions[0])
    found = ", ".join(sorted(signatures)) or "none"
    raise ModelError(
        source,
        f"has no signature serving_default (it has: {found})",
        hint="save it with tf.saved_model.save(model, folder, signatures=function)",
    )


def from_signature(source: str, concrete: Any) -> Loaded:
    """A signature: inputs and outputs by name, in natural order, as the file keeps no other."""
    arguments = concrete.structured_input_signature[1]
    inputs = [(name, arguments[name]) for name in sorted(arguments, key=_natural)]
    results = concrete.structured_outputs
    tensors = _output_tensors(concrete)
    outputs = [(name, tensors[name]) for name in sorted(results, key=_natural)]
    return from_graph(source, concrete, inputs, outputs)


def from_concrete(source: str, concrete: Any) -> Loaded:
    """A concrete function: inputs by argument name, outputs by key or position."""
    return from_graph(source, concrete, *named_ends(concrete))


def named_ends(concrete: Any) -> tuple[Named, Named]:
    """A concrete function's input specs and output tensors, with their names."""
    arguments, keywords = concrete.structured_input_signature
    inputs = [
        (getattr(spec, "name", None) or name, spec)
        for name, spec in flatten_named([*arguments, keywords], "input")
        if isinstance(spec, tf.TensorSpec)
    ]
    named = flatten_named(concrete.structured_outputs, "output")
    flat = tf.nest.flatten(concrete.structured_outputs)
    tensors = {id(leaf): tensor for leaf, tensor in zip(flat, concrete.outputs)}
    return inputs, [(name, tensors[id(leaf)]) for name, leaf in named]


def _output_tensors(concrete: Any) -> dict[str, Any]:
    """A signature's output tensors by name; the graph holds them in sorted order."""
    return dict(zip(sorted(concrete.structured_outputs), concrete.outputs))


def _natural(name: str) -> list[Any]:
    """A sort key that puts output_2 before output_10."""
    return [
        (0, int(part), "") if part.isdigit() else (1, 0, part) for part in re.split(r"(\d+)", name)
    ]
