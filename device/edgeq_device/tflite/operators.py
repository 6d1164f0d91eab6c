"""The structural check of one operator: operands, options, subgraphs it calls."""

from __future__ import annotations

from typing import NoReturn

from edgeq_device.errors import ModelError
from edgeq_device.flatfile import DAMAGED_HINT, Table
from edgeq_device.tflite.model import ABSENT, Model, Operator, Subgraph
from edgeq_device.tflite.rules import DILATIONS, LISTS, SECOND_LISTS, SECOND_SUBGRAPHS, Rule, rule


def check_operator(model: Model, graph: Subgraph, operator: Operator) -> None:
    """Raise `ModelError` where the operator's kernel would read what is not there."""
    needs = rule(operator.op)
    _check_operands(model, graph, operator, needs)
    _check_options(model, graph, operator, needs)
    _check_calls(model, graph, operator)


def called_subgraphs(operator: Operator) -> tuple[int, ...]:
    """Indices of the subgraphs that an operator runs (IF, WHILE, CALL_ONCE...)."""
    called: list[int] = []
    if operator.options is not None:
        called += [operator.options.scalar(f, "i") for f in rule(operator.op).subgraphs]
    if operator.options_2 is not None:
        fields = SECOND_SUBGRAPHS.get(operator.builtin_options_2_type, ())
        called += [operator.options_2.scalar(f, "i") for f in fields]
    return tuple(called)


def label(graph: Subgraph, operator: Operator) -> str:
    """How a message names an operator: "operator 3 CONV_2D"."""
    where = f" of subgraph {graph.index}" if graph.index else ""
    return f"operator {operator.index} {operator.label}{where}"


def refuse(model: Model, problem: str) -> NoReturn:
    """Raise the error of the structural check."""
    raise ModelError(model.name, f"is damaged: {problem}", hint=DAMAGED_HINT)


def _check_operands(model: Model, graph: Subgraph, operator: Operator, needs: Rule) -> None:
    name = label(graph, operator)
    if len(operator.inputs) < needs.inputs:
        refuse(model, f"{name} has {len(operator.inputs)} inputs and needs {needs.inputs}")
    if len(operator.outputs) < needs.outputs:
        refuse(model, f"{name} has {len(operator.outputs)} outputs and needs {needs.outputs}")
    for place, index in enumerate(operator.inputs):
        optional = needs.optional is not None and place >= needs.optional
        if index == ABSENT and not optional:
            refuse(model, f"{name} lacks its input {place}")


def _check_options(model: Model, graph: Subgraph, operator: Operator, needs: Rule) -> None:
    name = label(graph, operator)
    options, kind = operator.options, operator.builtin_options_type
    if options is None or kind == 0:
        if needs.needs_options:
            refuse(model, f"{name} has no options")
        return
    if needs.options is not None and kind != needs.options:
        refuse(model, f"{name} has the options of another operator (type {kind})")
    _follow_lists(options, LISTS.get(kind, {}))
    for field in needs.positive:
        # Only dilations have a default (1): a stride, size or count that is not stored is 0.
        value = options.scalar(field, "i", 1 if field in DILATIONS.get(kind, ()) else 0)
        if value < 1:
            refuse(model, f"{name} has {value} where a stride, size or count must stand")


def _check_calls(model: Model, graph: Subgraph, operator: Operator) -> None:
    if operator.options_2 is not None:
        _follow_lists(operator.options_2, SECOND_LISTS.get(operator.builtin_options_2_type, {}))
    for index in called_subgraphs(operator):
        if not 0 <= index < len(model.subgraphs):
            count = len(model.subgraphs)
            refuse(model, f"{label(graph, operator)} calls subgraph {index} of {count}")


def _follow_lists(options: Table, lists: dict[int, str]) -> None:
    """Follow every offset in the options once: a broken one raises."""
    for field, kind in lists.items():
        if kind == "text":
            options.text(field)
        else:
            options.vector(field, kind)
