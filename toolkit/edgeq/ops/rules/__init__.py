"""The rules of the Edge TPU, one family a file: a new file here is found by itself."""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from functools import lru_cache
from importlib import import_module

from edgeq.ops.case import Case, Refusal, Rule


@lru_cache(maxsize=1)
def all_rules() -> tuple[Rule, ...]:
    """Every file's ``RULES``: those for all operators first, then by file."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    found = [rule for name in names for rule in import_module(f"{__name__}.{name}").RULES]
    return tuple(sorted(found, key=lambda rule: bool(rule.operators)))


def rules_of(op: str) -> Iterator[Rule]:
    """The rules that an operator must follow, in the order in which they are asked."""
    return (rule for rule in all_rules() if not rule.operators or op in rule.operators)


def judge(case: Case) -> tuple[Rule, Refusal] | None:
    """The first rule that keeps the operator off the Edge TPU, and why; None where all hold."""
    for rule in rules_of(case.operator.op):
        refusal = rule.check(case)
        if refusal is not None:
            return rule, refusal
    return None
