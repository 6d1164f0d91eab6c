"""What nothing uses: operators, tensors, constants, and operator codes that cannot be read."""

from __future__ import annotations

from typing import Any

from edgeq.legalize.draft import Draft, Rewrite, Touched
from edgeq.model import code_name, drop_dead_parts, tensor_name
from edgeq.ops import version_is_known

LARGE = 1024
"""Bytes of a constant that are worth writing a model again for."""


def _apply(draft: Draft) -> tuple[Touched, ...]:
    graph, model = draft.graph, draft.model
    labels = {id(operator): draft.touched(operator) for operator in draft.operators}
    before = [*draft.operators, *graph.tensors, *model.operatorCodes, *model.buffers]
    names = {id(one): Touched("tensor", tensor_name(one)) for one in graph.tensors} | labels
    names |= {id(one): Touched("buffer", "") for one in model.buffers if _holds_data(one)}
    names |= {id(one): Touched("operator code", "") for one in _unreadable(draft)}
    drop_dead_parts(model)
    after = (*draft.operators, *graph.tensors, *model.operatorCodes, *model.buffers)
    kept = set(map(id, after))
    return tuple(names[id(one)] for one in before if id(one) not in kept and id(one) in names)


def _holds_data(buffer: Any) -> bool:
    return buffer.data is not None and len(buffer.data) >= LARGE


def _unreadable(draft: Draft) -> list[Any]:
    """Codes that make the compiler refuse the whole file, used or not."""
    used = {int(operator.opcodeIndex) for operator in draft.operators}
    return [
        code
        for index, code in enumerate(draft.model.operatorCodes)
        if index not in used and _is_unreadable(code)
    ]


def _is_unreadable(code: Any) -> bool:
    name = code_name(code)
    return name != "CUSTOM" and not version_is_known(name, code.version)


UNUSED = Rewrite(
    "unused",
    "operators, tensors and constants that nothing uses go, and operator codes that would make "
    "the compiler refuse the file",
    _apply,
)
