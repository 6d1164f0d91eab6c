"""Finished graphs (SavedModel signatures, concrete functions) brought to batch 1."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

from edgeq.tensorflow_child.loading import Loaded, Port, assemble, fixed_shape, numeric_dtype
from edgeq_device.errors import ModelError


def freeze(concrete: Any) -> Any:
    """Variables become constants and function calls are inlined; loops stay loops."""
    return convert_variables_to_constants_v2(concrete, lower_control_flow=False)


def from_graph(
    source: str,
    concrete: Any,
    inputs: Sequence[tuple[str, Any]],
    outputs: Sequence[tuple[str, Any]],
) -> Loaded:
    """A concrete function with named input and output tensors -> a model with batch 1.

    The frozen graph is imported again with its placeholders at batch 1, so that every shape
    behind them is known; calling the function with batch 1 would leave them open.
    """
    frozen = freeze(concrete)
    batch = common_batch([spec.shape for _, spec in inputs], [spec.shape for _, spec in outputs])
    ports = []
    for name, spec in inputs:
        what = f"input {name!r}"
        shape = fixed_shape(source, what, at_batch_one(spec.shape, batch))
        ports.append(Port(name, shape, numeric_dtype(source, what, spec.dtype)))
    feeds = _by_name(frozen.inputs, [spec for _, spec in inputs], source)
    call = _imported(frozen, feeds, ports, _order(concrete, frozen, outputs))
    return assemble(source, call, ports, [name for name, _ in outputs])


def common_batch(inputs: Sequence[Any], outputs: Sequence[Any]) -> int | None:
    """The batch size that inputs and outputs share, None where there is none but an open one.

    A first size above 1 is a batch only where all inputs and outputs have it: a model of
    one waveform of 15,600 samples has none.
    """
    firsts = {_first(shape) for shape in (*inputs, *outputs)}
    sizes = firsts - {None}
    return sizes.pop() if len(sizes) == 1 else None


def at_batch_one(shape: Any, batch: int | None) -> Any:
    """The shape with its batch as 1."""
    shape = tf.TensorShape(shape)
    if shape.rank is None or shape.rank == 0:
        return shape
    sizes = shape.as_list()
    if sizes[0] is None or sizes[0] == batch:
        sizes[0] = 1
    return tf.TensorShape(sizes)


def _first(shape: Any) -> int | None:
    shape = tf.TensorShape(shape)
    return shape.as_list()[0] if shape.rank else None


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


def _order(concrete: Any, frozen: Any, outputs: Sequence[tuple[str, Any]]) -> list[Any]:
    """The frozen graph's output tensors in the order of the named outputs."""
    position = {tensor.name: number for number, tensor in enumerate(concrete.outputs)}
    return [frozen.outputs[position[tensor.name]] for _, tensor in outputs]


def _imported(
    frozen: Any, feeds: Sequence[Any], ports: Sequence[Port], fetches: Sequence[Any]
) -> Any:
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
