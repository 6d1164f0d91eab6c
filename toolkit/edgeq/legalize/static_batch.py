"""The batch at 1, and what only shapes decide computed ahead."""

from __future__ import annotations

from edgeq.legalize.draft import Draft, Rewrite, Touched, opened
from edgeq.model import operator_name
from edgeq.static import make_static


def _apply(draft: Draft) -> tuple[Touched, ...]:
    static = make_static(draft.data, draft.spec.name)
    if static == draft.data:
        return ()
    before = draft.model
    draft.model = opened(static, draft.spec.name)
    gone = [
        operator
        for operator in before.subgraphs[0].operators
        if operator_name(before, operator) in ("SHAPE", "RANK", "PACK", "STRIDED_SLICE")
    ]
    old = Draft(before, draft.data, draft.spec)
    return tuple(map(old.touched, gone)) or (Touched("input", "batch"),)


STATIC_BATCH = Rewrite(
    "static-batch",
    "an open batch becomes 1, and chains of SHAPE, STRIDED_SLICE and PACK become constants",
    _apply,
)
