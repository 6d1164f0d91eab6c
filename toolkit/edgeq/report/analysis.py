"""An analysis as a document for machines and as lines for people."""

from __future__ import annotations

import textwrap
from typing import Any

from edgeq.analyze import CPU, EDGETPU, Analysis, Placement
from edgeq.ops import cut
from edgeq.report.sizes import size

_FITS = {
    "fits": "fit into the Edge TPU's memory",
    "streams": "are more than the Edge TPU's memory holds: the rest is sent at every inference",
    "unknown": "may or may not fit into the Edge TPU's memory",
}
_WIDTH = 100


def analysis_json(analysis: Analysis) -> dict[str, Any]:
    """The document of ``edgeq analyze --json``; keys are a contract, more may be added."""
    return {"schema": "edgeq.analysis/1", "model": analysis.name, **placement_json(analysis)}


def placement_json(analysis: Analysis) -> dict[str, Any]:
    """The same without the document's head, as a part of other documents."""
    blocker = analysis.blocker
    return {
        "judged_as": "quantized" if analysis.is_float else "is",
        "operators": [
            {
                "index": each.index,
                "op": each.op,
                "placement": each.placement,
                "rule": each.rule,
                "reason": each.reason,
                "remedy": each.remedy,
                "macs": each.macs,
            }
            for each in analysis.operators
        ],
        "operator_count": {
            "edgetpu": analysis.mapped,
            "cpu": len(analysis.operators) - analysis.mapped,
        },
        "parameter_bytes": analysis.parameter_bytes,
        "fit": analysis.fit,
        "macs": {"edgetpu": analysis.macs(EDGETPU), "cpu": analysis.macs(CPU)},
        "blocker": None
        if blocker is None
        else {
            "index": blocker.operator.index,
            "op": blocker.operator.op,
            "rule": blocker.operator.rule,
            "remedy": blocker.operator.remedy,
            "gains": {"operators": blocker.gained_operators, "macs": blocker.gained_macs},
        },
        "summary": analysis.summary,
    }


def analysis_lines(analysis: Analysis) -> tuple[str, ...]:
    """The CPU operators with their reasons, the blocker, the totals and the summary."""
    lines = list(operator_lines(analysis.cpu_operators))
    if lines:
        lines.append("")
    if analysis.blocker is not None:
        lines.append(blocker_line(analysis))
    on_tpu, on_cpu = analysis.macs(EDGETPU), analysis.macs(CPU)
    lines.append(
        f"Multiplications  {millions(on_tpu)} on the Edge TPU, {millions(on_cpu)} on the CPU"
    )
    lines.append(
        f"Parameters       {size(analysis.parameter_bytes)} as compiled: they {_FITS[analysis.fit]}"
    )
    if analysis.is_float:
        lines.append("A float model: its operators are judged as they will be once quantized")
    return (*lines, analysis.summary)


def operator_lines(operators: tuple[Placement, ...]) -> tuple[str, ...]:
    """A table of index, operator and reason, then the remedy; wrapped, for any terminal."""
    if not operators:
        return ()
    wide = max(len(each.op) for each in operators)
    lines = []
    for each in operators:
        head = f"{each.index:>5}  {each.op:<{wide}}  "
        lines += textwrap.wrap(
            each.reason, _WIDTH, initial_indent=head, subsequent_indent=" " * len(head)
        )
        if each.remedy and each.rule != cut.NAME:  # that reason names the operator to change
            indent = " " * len(head)
            lines += textwrap.wrap(
                f"-> {each.remedy}",
                _WIDTH,
                initial_indent=indent,
                subsequent_indent=indent + "   ",
            )
    return tuple(lines)


def blocker_line(analysis: Analysis) -> str:
    """What the first blocker costs."""
    blocker = analysis.blocker
    if blocker is None:
        return ""
    named = f"operator {blocker.operator.index} {blocker.operator.op}"
    if blocker.gained_operators == 0:
        return f"First blocker    {named}; no other operator would map without it alone"
    more = f"{blocker.gained_operators} more operator" + "s" * (blocker.gained_operators > 1)
    if blocker.gained_macs:
        more += f" and {millions(blocker.gained_macs)} multiplications"
    return f"First blocker    {named}; without it {more} would map"


def millions(count: int) -> str:
    """A number of multiplications in a word."""
    if count < 1_000_000:
        return f"{count:,}"
    return f"{count / 1e6:,.1f} million"
