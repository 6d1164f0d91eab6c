"""The rules for every model, integer or not: what the frozen compiler's reader must find."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from edgeq.contract.flow import Flow
from edgeq.contract.report import Finding, Rule
from edgeq.ops import SHAPE_OPERANDS, SIZED_BY_DATA
from edgeq_device.tflite import ABSENT, Operator, Tensor

_FIX_BATCH = (
    "build the model with a fixed size, such as tf.keras.Input(shape, batch_size=1), "
    "and convert it again, or give edgeq the float model"
)


def one_subgraph(flow: Flow) -> Iterator[Finding]:
    """A model must be exactly one subgraph."""
    graphs = flow.model.subgraphs
    if len(graphs) > 1:
        names = ", ".join(f'"{graph.name}"' for graph in graphs[1:3])
        calls = (op for op in flow.graph.operators if op.op in ("IF", "WHILE", "CALL_ONCE"))
        yield Finding(
            f"there are {len(graphs)} subgraphs (besides the main one: {names})",
            "write loops and conditions without control flow, such as unroll=True for an RNN",
            next(calls, None),
        )


def sizes_are_fixed(flow: Flow) -> Iterator[Finding]:
    """All tensor sizes must be fixed when the model is compiled."""
    computed = tuple(computed_sizes(flow))
    yield from computed
    for tensor in flow.inputs():
        if tensor.is_dynamic and (computed or not has_variable_batch_only(tensor)):
            yield Finding(
                f"the input's shape is {list(tensor.shape_signature)}",
                _FIX_BATCH,
                flow.readers.get(tensor.index),
                tensor,
            )


def has_variable_batch_only(tensor: Tensor) -> bool:
    """True where only the batch is written as variable, and the stored batch is 1.

    Interpreters go by the stored shape: such a model is static where no size is computed.
    """
    return (
        tensor.is_dynamic
        and tensor.shape[0] == 1
        and all(size >= 0 for size in tensor.shape_signature[1:])
    )


def computed_sizes(flow: Flow) -> Iterator[Finding]:
    """Operators whose result has a size that is known only at run time."""
    for operator in flow.graph.operators:
        operand = _first_computed(flow, operator)
        if operand is not None:
            by = flow.producers.get(operand.index)
            source = f" by operator {by.index} {by.label}" if by else ""
            yield Finding(
                f"the size of the result is computed at run time{source}",
                _FIX_BATCH,
                operator,
                operand,
            )
        elif operator.op in SIZED_BY_DATA:
            yield Finding(
                "the size of the result depends on the data",
                "do this step outside the model",
                operator,
                next(flow.results(operator), None),
            )


def _first_computed(flow: Flow, operator: Operator) -> Tensor | None:
    for place in SHAPE_OPERANDS.get(operator.op, ()):
        if place < len(operator.inputs) and operator.inputs[place] != ABSENT:
            tensor = flow.graph.tensors[operator.inputs[place]]
            if not flow.model.is_constant(tensor) and tensor.elements > 0:
                return tensor
    return None


def constants_are_inside(flow: Flow) -> Iterator[Finding]:
    """Constants must lie inside the model: the frozen compiler's reader sees others as empty."""
    external = set(flow.model.external_buffers)
    named = False
    for tensor in flow.graph.tensors:
        if tensor.buffer in external or tensor.external_buffer:
            named = True
            yield Finding(
                "the contents lie behind the model or in another file",
                "write the model again with its buffers inline; edgeq does so where it quantizes",
                flow.readers.get(tensor.index),
                tensor,
            )
    if external and not named:
        yield Finding(
            f"buffer {min(external)} lies behind the model",
            "write the model again with its buffers inline; edgeq does so where it quantizes",
        )


def scales_are_positive(flow: Flow) -> Iterator[Finding]:
    """Every scale must be a positive, finite number."""
    for graph in flow.model.subgraphs:
        for tensor in graph.tensors:
            wrong = [s for s in tensor.quantization.scales if not (isfinite(s) and s > 0)]
            if wrong:
                main = graph is flow.graph
                user = flow.producers.get(tensor.index) or flow.readers.get(tensor.index)
                yield Finding(
                    f"a scale is {wrong[0]:g}",
                    "the tensor never changed during calibration: calibrate with more varied "
                    "samples, or remove the dead layer",
                    user if main else None,
                    tensor,
                )


RULES: tuple[Rule, ...] = (
    one_subgraph,
    sizes_are_fixed,
    constants_are_inside,
    scales_are_positive,
)
