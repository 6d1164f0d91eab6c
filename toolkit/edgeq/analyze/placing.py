"""Where each operator runs, with the rule that decided and what would change it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from edgeq.analyze.costs import macs
from edgeq.analyze.partition import Part, mapped_operators
from edgeq.analyze.results import CPU, EDGETPU, Placement
from edgeq.ops import cut
from edgeq.ops.case import Case, Refusal, Rule
from edgeq.ops.rules import judge

Verdict = Optional[tuple[Rule, Refusal]]
"""None for an operator that the Edge TPU can run."""

_MAPS = ("all_rules_hold", "The Edge TPU has the operator, and all its rules hold.")
_AHEAD = ("computed_ahead", "The result is constant: quantizing computes it once.")


def verdict(case: Case) -> Verdict:
    """What the rules say about an operator by itself."""
    return None if _is_ahead(case) else judge(case)


def place(
    cases: Sequence[Case], verdicts: Sequence[Verdict], parts: tuple[Part, ...]
) -> tuple[Placement, ...]:
    """Each operator's place, in order."""
    mapped = mapped_operators(parts)
    causes = _causes(cases, verdicts, parts)
    return tuple(
        _on_edgetpu(case)
        if case.operator.index in mapped
        else _on_cpu(case, verdicts, causes.get(case.operator.index))
        for case in cases
    )


def _is_ahead(case: Case) -> bool:
    return case.is_float and case.is_computed_ahead


def _on_edgetpu(case: Case) -> Placement:
    rule, reason = _AHEAD if _is_ahead(case) else _MAPS
    operator = case.operator
    return Placement(operator.index, operator.label, EDGETPU, rule, reason, "", macs(case))


def _on_cpu(case: Case, verdicts: Sequence[Verdict], cause: int | None) -> Placement:
    operator = case.operator
    found = verdicts[operator.index]
    if found is not None:
        rule, refusal = found
        sentence, name, detail = rule.sentence, rule.name, refusal.detail
        remedy = refusal.remedy
    else:
        sentence, name, detail, remedy = cut.SENTENCE, cut.NAME, "it waits for itself", ""
        if cause is not None:
            first = case.surroundings.model.main.operators[cause]
            why = verdicts[cause]
            detail = cut.one_part_only(first)
            remedy = f"change operator {cause} {first.label}: {why[1].remedy if why else ''}"
    reason = f"{sentence.rstrip('.')}: {detail}."
    return Placement(operator.index, operator.label, CPU, name, reason, remedy, macs(case))


def _causes(
    cases: Sequence[Case], verdicts: Sequence[Verdict], parts: tuple[Part, ...]
) -> dict[int, int]:
    """For each operator behind the mapped part: the first one there that cannot be mapped."""
    start = next((number for number, part in enumerate(parts) if part.supported), len(parts))
    made_by: dict[int, int] = {}
    for part in parts[start + 1 :]:
        for index in part.operators:
            operator = cases[index].operator
            behind = {made_by[read] for read in operator.inputs if read in made_by}
            if verdicts[index] is not None:
                behind.add(index)
            if behind:
                made_by.update(dict.fromkeys(operator.outputs, min(behind)))
    return {
        index: made_by[output]
        for part in parts[start + 1 :]
        for index in part.operators
        for output in cases[index].operator.outputs[:1]
        if output in made_by
    }
