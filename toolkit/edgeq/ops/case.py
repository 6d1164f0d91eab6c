"""What a rule is asked about: one operator in its graph."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from edgeq_device.tensors import Array
from edgeq_device.tflite import Model, Operator, Tensor

_LOOKUPS = ("GATHER", "EMBEDDING_LOOKUP")


@dataclass(frozen=True, eq=False)
class Surroundings:
    """What all operators of a model share."""

    model: Model

    @cached_property
    def is_float(self) -> bool:
        """True where nothing computes with integers yet: operators are judged as quantized."""
        graph, constant = self.model.main, self._constant_without(())
        results = (
            graph.tensors[index]
            for operator in graph.operators
            if operator.op not in _LOOKUPS  # in tables of integers, which float models may hold
            for index in operator.outputs
        )
        return not any(
            each.dtype in ("int8", "uint8", "int16")
            and each.quantization.scales
            and each.index not in constant
            for each in results
        )

    @cached_property
    def fixed(self) -> frozenset[int]:
        """Tensors whose values do not depend on the input: constants and what is made of them.

        In a float model shapes too: its batch is made 1 before it is quantized.
        """
        return self._constant_without(("SHAPE", "RANK") if self.is_float else ())

    def _constant_without(self, known: tuple[str, ...]) -> frozenset[int]:
        """The constants and all that is made of them and of the results of ``known``."""
        graph = self.model.main
        found = {each.index for each in graph.tensors if self.model.is_constant(each)}
        for operator in graph.operators:
            operands = [index for index in operator.inputs if index >= 0]
            if operator.op in known or (operands and found.issuperset(operands)):
                found.update(operator.outputs)
        return frozenset(found)


@dataclass(frozen=True, eq=False)
class Case:
    """One operator of the first subgraph, with its tensors at hand."""

    surroundings: Surroundings
    operator: Operator

    @property
    def is_float(self) -> bool:
        """True where the operator is judged as it will be once the model is quantized."""
        return self.surroundings.is_float

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """What it writes."""
        return tuple(self._tensor(index) for index in self.operator.outputs)

    @property
    def result(self) -> Tensor:
        """The first tensor that it writes."""
        return self._tensor(self.operator.outputs[0])

    @property
    def activations(self) -> tuple[Tensor, ...]:
        """The tensors it reads that depend on the model's input; not states, not constants."""
        fixed = self.surroundings.fixed
        read = [index for index in self.operator.inputs if index >= 0 and index not in fixed]
        return tuple(each for each in map(self._tensor, read) if not each.is_variable)

    @property
    def is_computed_ahead(self) -> bool:
        """True where the result does not depend on the input, so that quantizing removes it."""
        return self.surroundings.fixed.issuperset(self.operator.outputs)

    def operand(self, number: int) -> Tensor | None:
        """The operand in this place; None where it is absent."""
        inputs = self.operator.inputs
        present = number < len(inputs) and inputs[number] >= 0
        return self._tensor(inputs[number]) if present else None

    def constant(self, number: int) -> Array | None:
        """The contents of an operand; None where it is absent or no constant of the file."""
        tensor = self.operand(number)
        if tensor is None or tensor.is_sparse:
            return None
        return self.surroundings.model.constant(tensor)

    def integers(self, number: int) -> tuple[int, ...]:
        """The contents of an operand as integers, such as axes; () where they are not known."""
        values = self.constant(number)
        return () if values is None else tuple(int(value) for value in values.ravel())

    def is_fixed(self, number: int) -> bool:
        """True where the operand is absent or does not depend on the model's input."""
        tensor = self.operand(number)
        return tensor is None or tensor.index in self.surroundings.fixed

    def option(self, field: int, code: str = "i", default: Any = 0) -> Any:
        """A field of the operator's options by its number in TFLite's schema."""
        options = self.operator.options
        return default if options is None else options.scalar(field, code, default)

    def _tensor(self, index: int) -> Tensor:
        return self.surroundings.model.main.tensors[index]


@dataclass(frozen=True)
class Refusal:
    """Why a rule keeps an operator off the Edge TPU: sentence parts without a full stop."""

    detail: str
    """What was seen, such as "the stride is 2"."""
    remedy: str
    """The edit that would change it."""


Check = Callable[[Case], "Refusal | None"]


@dataclass(frozen=True)
class Rule:
    """A condition for the Edge TPU; the docstring of ``check`` is the sentence users read."""

    check: Check
    operators: tuple[str, ...] = ()
    """Which operators it is about; () for all."""

    @property
    def name(self) -> str:
        """How reports name it."""
        return self.check.__name__

    @property
    def sentence(self) -> str:
        """What must hold."""
        return " ".join((self.check.__doc__ or "").split())


def shape_text(shape: tuple[int, ...]) -> str:
    """A shape in a phrase: "1x33x33x256"; "a scalar" for none."""
    return "x".join(map(str, shape)) if shape else "a scalar"
