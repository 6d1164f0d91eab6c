"""The structural check of one operator: operands, options, subgraphs it calls."""

from __future__ import annotations

from typing import NoReturn

from edgeq_device.errors import ModelError
from edgeq_device.flatfile import DAMAGED_HINT, Table
from edgeq_device.tflite.model import ABSENT, Model, Operator, Subgraph
from edgeq_device.tflite.options import Layout, layout, second_layout
from edgeq_device.tflite.rules import MAKES_HANDLES, rule

MAX_RANK = 8
"""Kernels hold shapes in arrays of up to eight dimensions."""

MAX_SIZE = 2**16 - 1
"""Larger strides and windows overflow the kernels' 32-bit sums."""

_HANDLES = ("string", "resource", "variant")


def check_operator(model: Model, graph: Subgraph, operator: Operator) -> None:
    """Raise `ModelError` where the operator's kernel would read what is not there.

    The indices of its operands are known to be good.
    """
    try:
        _check_operands(operator)
        _check_types(graph, operator)
        _check_shapes(graph, operator)
        _check_permutation(model, graph, operator)
        _check_options(operator)
    except _Unfit as unfit:
        refuse(model, f"{label(graph, operator)} {unfit}")
    for index in called_subgraphs(operator):
        if not 0 <= index < len(model.subgraphs):
            count = len(model.subgraphs)
            refuse(model, f"{label(graph, operator)} calls subgraph {index} of {count}")


def called_subgraphs(operator: Operator) -> tuple[int, ...]:
    """Indices of the subgraphs that an operator runs (IF, WHILE, CALL_ONCE...)."""
    called: list[int] = []
    for options, rules in _unions(operator):
        called += [options.scalar(number, "i") for number in rules.subgraphs]
    return tuple(called)


def label(graph: Subgraph, operator: Operator) -> str:
    """How a message names an operator: "operator 3 CONV_2D"."""
    where = f" of subgraph {graph.index}" if graph.index else ""
    return f"operator {operator.index} {operator.label}{where}"


def refuse(model: Model, problem: str) -> NoReturn:
    """Raise the error of the structural check."""
    raise ModelError(model.name, f"is damaged: {problem}", hint=DAMAGED_HINT)


class _Unfit(Exception):
    """What is wrong with the operator at hand, without its name."""


def _unions(operator: Operator) -> list[tuple[Table, Layout]]:
    found = []
    if operator.options is not None and operator.builtin_options_type:
        found.append((operator.options, layout(operator.builtin_options_type)))
    if operator.options_2 is not None and operator.builtin_options_2_type:
        found.append((operator.options_2, second_layout(operator.builtin_options_2_type)))
    return found


def _check_operands(operator: Operator) -> None:
    needs = rule(operator.op)
    if len(operator.inputs) < needs.inputs:
        raise _Unfit(f"has {len(operator.inputs)} of {needs.inputs} inputs")
    if len(operator.outputs) < needs.outputs:
        raise _Unfit(f"has {len(operator.outputs)} of {needs.outputs} outputs")
    absent = {place for place, index in enumerate(operator.inputs) if index == ABSENT}
    missing = [place for place in absent if place not in needs.optional]
    if not absent.issuperset(needs.together):
        missing += absent.intersection(needs.together)
    if missing:
        raise _Unfit(f"lacks its input {min(missing)}")


def _check_types(graph: Subgraph, operator: Operator) -> None:
    """Kernels write numbers of the declared size into outputs that they take to be numbers."""
    inputs = [graph.tensors[index].dtype for index in operator.inputs if index != ABSENT]
    outputs = [graph.tensors[index].dtype for index in operator.outputs]
    if rule(operator.op).same_type and outputs[0] != inputs[0]:
        raise _Unfit(f"turns {inputs[0]} into {outputs[0]}")
    if operator.op in MAKES_HANDLES or operator.op.startswith("STABLEHLO_"):
        return
    for dtype in outputs:
        if dtype in _HANDLES and dtype not in inputs:
            raise _Unfit(f"turns numbers into {dtype}s")


def _check_shapes(graph: Subgraph, operator: Operator) -> None:
    if operator.op in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        _check_filter(graph, operator)
    for place in rule(operator.op).axes:
        if place < len(operator.inputs):
            axes = graph.tensors[operator.inputs[place]].elements
            if axes > MAX_RANK:
                raise _Unfit(f"has {axes} numbers where one for each dimension must stand")


def _check_filter(graph: Subgraph, operator: Operator) -> None:
    """The channels of a convolution: kernels divide by the filter's and by the groups."""
    source, weights = (graph.tensors[index] for index in operator.inputs[:2])
    if len(source.shape) != 4 or len(weights.shape) != 4:
        raise _Unfit("has an input or filter without four dimensions")
    if 0 in weights.shape:
        raise _Unfit(f"has a filter of the shape {list(weights.shape)}")
    if operator.op == "DEPTHWISE_CONV_2D" or source.is_dynamic:
        return
    groups, rest = divmod(source.shape[3], weights.shape[3])
    if rest or not groups or weights.shape[0] % groups:
        raise _Unfit(
            f"has {source.shape[3]} input channels and a filter of the shape {list(weights.shape)}"
        )


def _check_permutation(model: Model, graph: Subgraph, operator: Operator) -> None:
    """TRANSPOSE writes outside its output where a dimension is named twice."""
    if operator.op != "TRANSPOSE":
        return
    order = model.constant(graph.tensors[operator.inputs[1]])
    if order is not None and sorted(order.ravel().tolist()) != list(range(order.size)):
        raise _Unfit(f"has the order of dimensions {order.ravel().tolist()}")


def _check_options(operator: Operator) -> None:
    needs, kind = rule(operator.op), operator.builtin_options_type
    if needs.needs_options and (operator.options is None or not kind):
        raise _Unfit("has no options")
    if kind and needs.options not in (None, kind):
        raise _Unfit(f"has the options of another operator (type {kind})")
    for options, rules in _unions(operator):
        _follow_lists(options, rules)
        _check_fields(operator, options, rules)


def _check_fields(operator: Operator, options: Table, rules: Layout) -> None:
    for number in rules.positive:
        value = options.scalar(number, "i", 1 if number in rules.ones else 0)
        if not 1 <= value <= MAX_SIZE:
            raise _Unfit(f"has {value} where a stride, size or count must stand")
    for number in rules.least_zero:
        if options.scalar(number, "i") < 0:
            raise _Unfit("has a size below 0")
    for number, highest in rules.highest.items():
        value = options.scalar(number, "b")
        if not 0 <= value <= highest:
            raise _Unfit(f"has the option {value} of {highest + 1}")
    counts = [(number, len(operator.inputs)) for number in rules.inputs]
    counts += [(number, len(operator.outputs)) for number in rules.outputs]
    for number, count in counts:
        if options.scalar(number, "i") != count:
            raise _Unfit(f"says {options.scalar(number, 'i')} operands and has {count}")


def _follow_lists(options: Table, rules: Layout) -> None:
    """Follow every offset in the options once: a broken one raises."""
    for number, kind in rules.lists.items():
        if kind == "text":
            options.text(number)
        else:
            options.vector(number, kind)
