"""Finds the operator that the compiler stumbles on, where it does not say so itself.

First the longest beginning of the model that compiles, by halving (the compiler's ``-i`` ends the
Edge TPU's part), then the smallest part that ends with the culprit and still fails, cut out as a
model of its own. Halving takes for granted that a longer part of a failing one fails too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from edgeq import model as editable
from edgeq.compiler.options import CompileOptions
from edgeq.compiler.run import compile_models
from edgeq_device.errors import CompileError
from edgeq_device.files import write_file
from edgeq_device.progress import Progress, silent
from edgeq_device.tflite import Model, Subgraph, parse_model

Compiles = Callable[[int, int], bool]
"""Whether the part of the operators from a first to before a last one compiles."""


@dataclass(frozen=True)
class Stumble:
    """Where the compiler fails; operators are counted as in the model's first subgraph."""

    operator: int
    """The last operator of the smallest part that fails."""
    op: str
    tensor: str
    """What it makes."""
    first: int
    """The first operator of the smallest part that fails; with ``operator`` where it is alone."""
    compiled_operators: int
    """How many operators from the beginning compile."""
    intermediate_tensors: tuple[str, ...]
    """What ends that beginning, for --intermediate-tensors; () where nothing compiles."""
    attempts: int
    finished: bool
    """False where the budget ended first: then the culprit lies between the two counts."""

    @property
    def sentence(self) -> str:
        """For people."""
        place = f"operator {self.operator} ({self.op}, which makes {self.tensor})"
        if not self.finished:
            return (
                f"it stumbles between operator {self.compiled_operators} and {place}; "
                "more time finds the place: --search-budget"
            )
        if self.first == self.operator:
            return f"it stumbles on {place}, which fails alone"
        count = self.operator - self.first + 1
        return f"it stumbles on {place}, together with the {count - 1} operators before it"


@dataclass
class _Budget:
    ends: float
    attempts: int = 0

    @property
    def left(self) -> float:
        return self.ends - time.monotonic()


def find_stumble(
    model: Path, options: CompileOptions, seconds: float, *, progress: Progress = silent
) -> Stumble:
    """Search for at most ``seconds`` in a model that failed as a whole.

    MissingTool where the compiler is gone meanwhile.
    """
    parsed = parse_model(model.read_bytes(), str(model))
    graph = parsed.subgraphs[0]
    budget = _Budget(time.monotonic() + seconds)
    with TemporaryDirectory(prefix="edgeq-search-") as folder:

        def compiles(first: int, last: int) -> bool:
            progress("search", budget.attempts, 0)
            budget.attempts += 1
            limit = max(1, min(options.timeout, int(budget.left)))
            plain = replace(options, timeout=limit, search_delegate=False, intermediate_tensors=())
            try:
                if first == 0:
                    ends = boundary(parsed, 0, last)
                    compile_models((model,), replace(plain, intermediate_tensors=(ends,)))
                else:
                    part = Path(folder) / "part.tflite"
                    write_file(part, cut_out(model, parsed, first, last))
                    compile_models((part,), plain)
            except CompileError:
                return False
            return True

        return _search(parsed, graph, compiles, budget)


def _search(parsed: Model, graph: Subgraph, compiles: Compiles, budget: _Budget) -> Stumble:
    good, bad = 0, len(graph.operators)
    while bad - good > 1 and budget.left > 0:
        middle = (good + bad) // 2
        if compiles(0, middle):
            good = middle
        else:
            bad = middle
    finished = bad - good <= 1
    fails, works = 0, bad
    while finished and works - fails > 1 and budget.left > 0:
        middle = (fails + works) // 2
        if compiles(middle, bad):
            works = middle
        else:
            fails = middle
    culprit = graph.operators[bad - 1]
    made = [index for index in culprit.outputs if index >= 0]
    return Stumble(
        operator=bad - 1,
        op=culprit.label,
        tensor=graph.tensors[made[0]].name if made else "nothing",
        first=fails,
        compiled_operators=good,
        intermediate_tensors=boundary(parsed, 0, good) if good else (),
        attempts=budget.attempts,
        finished=finished and works - fails <= 1,
    )


def boundary(parsed: Model, first: int, last: int) -> tuple[str, ...]:
    """The names of the tensors that a part makes for the rest of the model or its outputs."""
    graph = parsed.subgraphs[0]
    return tuple(graph.tensors[index].name for index in _made(graph, first, last))


def _made(graph: Subgraph, first: int, last: int) -> list[int]:
    outside = {*graph.outputs}
    for operator in graph.operators[last:]:
        outside.update(operator.inputs)
    inside = [index for operator in graph.operators[first:last] for index in operator.outputs]
    return [index for index in dict.fromkeys(inside) if index in outside]


def cut_out(path: Path, parsed: Model, first: int, last: int) -> bytes:
    """The operators from ``first`` to before ``last`` as a model of their own."""
    graph = parsed.subgraphs[0]
    part = graph.operators[first:last]
    made = {index for operator in part for index in operator.outputs}
    needed = dict.fromkeys(
        index
        for operator in part
        for index in operator.inputs
        if index >= 0 and index not in made and not _is_constant(parsed, graph, index)
    )
    edited = editable.read(path.read_bytes(), str(path))
    target = edited.subgraphs[0]
    target.operators = target.operators[first:last]
    target.inputs = np.array([*needed], np.int32)
    target.outputs = np.array(_made(graph, first, last), np.int32)
    edited.signatureDefs = None
    editable.drop_dead_parts(edited)
    return editable.write(edited)


def _is_constant(parsed: Model, graph: Subgraph, index: int) -> bool:
    return parsed.constant(graph.tensors[index]) is not None
