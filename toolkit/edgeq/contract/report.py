"""What the judge says: violations and allowances, as values."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from inspect import getdoc

from edgeq.contract.flow import Flow
from edgeq_device.errors import ModelError, PathText
from edgeq_device.tflite import Operator, Tensor


@dataclass(frozen=True)
class Violation:
    """One place in the model that breaks a rule."""

    rule: str
    """The rule's short name, such as "dense-weights-have-one-scale"."""
    operator: str
    """"operator 3 CONV_2D", or "" where none is concerned."""
    tensor: str
    """The tensor's name, or "" where none is concerned."""
    sentence: str
    """What the rule asks for."""
    remedy: str
    """What to do about it."""
    seen: str
    """What is there instead."""

    @property
    def place(self) -> str:
        """The operator and the tensor in one phrase."""
        tensor = f'tensor "{self.tensor}"' if self.tensor else ""
        return ", ".join(part for part in (self.operator, tensor) if part) or "the model"

    def __str__(self) -> str:
        """The whole finding as one phrase: where, what is seen, what the rule asks for."""
        rule = self.sentence.rstrip(".")
        if not rule[:2].isupper():
            rule = rule[0].lower() + rule[1:]
        return f"{self.place}: {self.seen}, but {rule}"


@dataclass(frozen=True)
class Allowance:
    """Something that is not integer, or not for the Edge TPU, and is let through by name."""

    name: str
    """"cpu-head", "cpu-tail", "float-output", "lstm-intermediates", "int8-ends" or
    "variable-batch"."""
    operators: tuple[str, ...]
    """"operator 71 ARG_MAX", ...: those concerned, in execution order."""
    tensors: tuple[str, ...]
    """The names of the tensors concerned."""
    sentence: str


@dataclass(frozen=True)
class ContractReport:
    """The verdict on one model: whole where there is no violation."""

    mode: str
    violations: tuple[Violation, ...]
    allowances: tuple[Allowance, ...]

    @property
    def is_kept(self) -> bool:
        """True where the model keeps the contract."""
        return not self.violations

    def raise_if_broken(self, path: PathText) -> None:
        """ModelError that names the first operator and tensor, and how many more there are."""
        if not self.violations:
            return
        first, more = self.violations[0], len(self.violations) - 1
        rest = f" ({more} more problem{'s' if more > 1 else ''})" if more else ""
        kind = "is not fully integer" if self.mode == "integer" else "cannot be used"
        raise ModelError(path, f"{kind}: {first}{rest}", hint=first.remedy)


@dataclass(frozen=True)
class Finding:
    """What a rule reports; ``apply`` turns it into a Violation."""

    seen: str
    remedy: str
    operator: Operator | str | None = None
    tensor: Tensor | None = None


Rule = Callable[[Flow], Iterator[Finding]]
"""A rule's docstring is the sentence that users see; its name is the violation's rule."""


def apply(rule: Rule, flow: Flow) -> Iterator[Violation]:
    """All violations of one rule, in the model's order."""
    sentence = " ".join((getdoc(rule) or "").split())
    for found in rule(flow):
        yield Violation(
            rule=rule.__name__.replace("_", "-"),
            operator=operator_text(found.operator),
            tensor=tensor_text(found.tensor),
            sentence=sentence,
            remedy=found.remedy,
            seen=found.seen,
        )


def operator_text(operator: Operator | str | None) -> str:
    """How reports name an operator."""
    if operator is None or isinstance(operator, str):
        return operator or ""
    return f"operator {operator.index} {operator.label}"


def tensor_text(tensor: Tensor | None) -> str:
    """How reports name a tensor: its name, or its number where it has none."""
    return "" if tensor is None else tensor.name or f"#{tensor.index}"
