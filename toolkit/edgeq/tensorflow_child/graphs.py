"""Finished graphs (SavedModel signatures, concrete functions) brought to batch 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from edgeq.tensorflow_child.loading import (
    Loaded,
    Port,
    assemble,
    fixed_shape,
    numeric_dtype,
    trace,
)
from edgeq_device.errors import ModelError

Named = Sequence[tuple[str, Any]]
"""Names with their tensors, or with tensor specs."""


def freeze(concrete: Any) -> Any:
    """Variables become constants and function calls are inlined; loops stay loops."""
    return convert_variables_to_constants_v2(concrete, lower_control_flow=False)


def from_graph(
    source: str,
    concrete: Any,
    inputs: Named,
    outputs: Named,
) -> Loaded:
    """A concrete function with named input and output tensors -> a model with batch 1.

    The frozen graph is imported again with its placeholders at batch 1, so that every shape
    behind them is known; calling the function with batch 1 would leave them open.
    """
    batch = true_batch(source, concrete, inputs, outputs)
    frozen = freeze(concrete)
    ports = []
    for name, spec in inputs:
        what = f"input {name!r}"
        shape = fixed_shape(source, what, at_batch_one(spec.shape, batch))
        ports.append(Port(name, shape, numeric_dtype(source, what, spec.dtype)))
    call = _imported(source, frozen, ports, inputs, _order(concrete, frozen, outputs))
    return assemble(source, call, ports, [name for name, _ in outputs])


def true_batch(source: str, concrete: Any, inputs: Named, outputs: Named) -> int | None:
    """The batch above 1 that all inputs and outputs share; None where there is none.

    A picture without a batch dimension may look the same, so the rows are tried: in a batch,
    a change in one row leaves the answers of all others alone.
    """
    shapes = [tf.TensorShape(spec.shape) for _, spec in (*inputs, *outputs)]
    if not all(shape.rank and shape.rank > 1 and shape.is_fully_defined() for shape in shapes):
        return None
    firsts = {int(shape[0]) for shape in shapes}
    if len(firsts) != 1 or max(firsts) < 2:
        return None
    ports = [
        Port(name, tuple(spec.shape), numeric_dtype(source, f"input {name!r}", spec.dtype))
        for name, spec in inputs
    ]
    frozen = freeze(concrete)
    call = _imported(source, frozen, ports, inputs, _order(concrete, frozen, outputs))
    return firsts.pop() if _rows_are_apart(trace(call, ports), ports) else None


def _rows_are_apart(traced: Any, ports: Sequence[Port]) -> bool:
    random = np.random.default_rng(0)
    values = [
        (
            random.normal(size=port.shape)
            if "float" in port.dtype
            else random.integers(0, 2, port.shape)
        )
        for port in ports
    ]
    rolled = [np.roll(value, 1, axis=0) for value in values]
    changed = [np.concatenate([other[:1], value[1:]]) for value, other in zip(values, rolled)]
    answers, after_roll, after_change = (
        [out.numpy() for out in traced(*(tf.cast(v, p.dtype) for v, p in zip(given, ports)))]
        for given in (values, rolled, changed)
    )
    return all(
        np.allclose(np.roll(one, 1, axis=0), two, rtol=1e-4, atol=1e-5)
        and np.allclose(one[1:], three[1:], rtol=1e-4, atol=1e-5)
        for one, two, three in zip(answers, after_roll, after_change)
    )


def at_batch_one(shape: Any, batch: int | None) -> Any:
    """The shape with its batch as 1: an open first size, or one that is ``batch``."""
    shape = tf.TensorShape(shape)
    if shape.rank is None or shape.rank == 0:
        return shape
    sizes = shape.as_list()
    if sizes[0] is None or sizes[0] == batch:
        sizes[0] = 1
    return tf.TensorShape(sizes)


def _by_name(tensors: Sequence[Any], specs: Sequence[Any], source: str) -> list[Any]:
    """The graph's input tensors in the order of the specs."""
    plain = [tensor for tensor in tensors if tensor.dtype != tf.resource]
    named = {tensor.name.split(":")[0]: tensor for tensor in plain}
    try:
        return [named[spec.name.split(":")[0]] for spec in specs]
    except (KeyError, AttributeError):
        if len(plain) == len(specs):
            return plain
        raise ModelError(
            source,
            f"its graph has {len(plain)} inputs where its signature names {len(specs)}",
            hint="give package.module:function that returns a tf.function with input_signature",
        ) from None


def _order(concrete: Any, frozen: Any, outputs: Named) -> list[Any]:
    """The frozen graph's output tensors in the order of the named outputs."""
    position = {tensor.name: number for number, tensor in enumerate(concrete.outputs)}
    return [frozen.outputs[position[tensor.name]] for _, tensor in outputs]


def _imported(
    source: str, frozen: Any, ports: Sequence[Port], inputs: Named, fetches: Sequence[Any]
) -> Any:
    feeds = _by_name(frozen.inputs, [spec for _, spec in inputs], source)
    definition = frozen.graph.as_graph_def()
    shapes = {feed.op.name: port.shape for feed, port in zip(feeds, ports)}
    for node in definition.node:
        if node.name in shapes:
            node.attr["shape"].shape.CopyFrom(tf.TensorShape(shapes[node.name]).as_proto())
        node.attr.pop("_output_shapes", None)
    names = [tensor.name for tensor in fetches]
    keys = [feed.name for feed in feeds]

    def call(tensors: Sequence[Any]) -> list[Any]:
        return list(
            tf.graph_util.import_graph_def(
                definition,
                input_map=dict(zip(keys, tensors)),
                return_elements=names,
                name="model",
            )
        )

    return call
