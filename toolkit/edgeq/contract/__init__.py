"""The judge: is this model fully integer, in the sense of the frozen Edge TPU compiler?

``check`` reads one model and lists what breaks the contract, each with its operator and tensor,
and what is let through all the same, by name. The rules are in ``structure`` (any model) and
``integer`` (models that go to the compiler); a rule's docstring is the sentence that users see.
"""

from __future__ import annotations

from edgeq.contract import allowances, integer, structure
from edgeq.contract.flow import Flow
from edgeq.contract.report import Allowance, ContractReport, Rule, Violation, apply
from edgeq_device.errors import ConfigError
from edgeq_device.tflite import Model

MODES = ("integer", "float-fallback", "dynamic", "float")

__all__ = ["MODES", "Allowance", "ContractReport", "Violation", "check"]


def check(model: Model, *, mode: str, int8_ends: bool = True) -> ContractReport:
    """Judge ``model`` for one of ``MODES``; only "integer" asks for more than a sound structure.

    ``int8_ends=False`` refuses int8 inputs and outputs too: a model that edgeq itself quantized
    must have uint8 ones, while a given integer model may keep what it has.
    """
    if mode not in MODES:
        raise ConfigError("mode", mode, "one of " + ", ".join(MODES))
    flow = Flow(model)
    rules: tuple[Rule, ...] = structure.RULES
    allowed = allowances.structural(flow)
    if mode == "integer":
        rules = (*integer.FIRST_RULES, *structure.RULES, *integer.RULES)
        allowed += allowances.integer(flow, int8_ends=int8_ends)
        if not int8_ends:
            rules += (integer.own_ends_are_uint8,)
    violations = tuple(found for rule in rules for found in apply(rule, flow))
    return ContractReport(mode, violations, allowed)
