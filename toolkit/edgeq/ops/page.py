"""The page about supported operators, written from the rules themselves."""

from __future__ import annotations

from collections.abc import Iterator

from edgeq.ops import cut
from edgeq.ops.edgetpu import EDGE_TPU_OPERATORS
from edgeq.ops.kinds import ALSO_MAPPED, REMEDIES
from edgeq.ops.rules import all_rules

_HEAD = """# Operators that run on the Edge TPU

Written from the rules in `toolkit/edgeq/ops/rules` by `scripts/write-supported-ops`; do not edit
it by hand. `edgeq analyze MODEL` applies these rules to a model and names, for each operator, the
rule that decided. The limits come from Google's documentation, from what users met, and from models
compiled by `edgetpu_compiler`; where a limit is known from both sides only, its file says so.

## For every operator
"""


def supported_ops_page() -> str:
    """The text of docs/supported-ops.md."""
    lines = [_HEAD.rstrip("\n"), ""]
    lines += [f"- `{rule.name}`: {rule.sentence}" for rule in all_rules() if not rule.operators]
    lines += [f"- `{cut.NAME}`: {cut.SENTENCE}", "", "## By operator", ""]
    lines += ["| operator | Edge TPU runtime | what must hold besides |", "|---|---|---|"]
    lines += list(_rows())
    lines += ["", "`-`: nothing besides. LSTM layers are UNIDIRECTIONAL_SEQUENCE_LSTM.", ""]
    lines += ["## Operators that it does not have", ""]
    lines += ["Every other operator runs on the CPU. What helps:", ""]
    lines += ["| operator | way out |", "|---|---|"]
    lines += [f"| {op} | {remedy} |" for op, remedy in sorted(REMEDIES.items())]
    return "\n".join(lines) + "\n"


def _rows() -> Iterator[str]:
    for op in sorted({*EDGE_TPU_OPERATORS, *ALSO_MAPPED}):
        row = EDGE_TPU_OPERATORS.get(op)
        since = "seen mapped, not documented" if row is None else f"{row.since or 'all'}"
        own = [f"{rule.sentence} (`{rule.name}`)" for rule in all_rules() if op in rule.operators]
        yield f"| {op} | {since} | {' '.join(own) or '-'} |"
