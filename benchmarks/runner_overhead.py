"""What the runner adds to an inference: microseconds on top of the interpreter's own calls.

``python -m benchmarks.runner_overhead digits.edgeq [--json OUT]``

One process, one interpreter with one thread. Blocks of inferences alternate between the bare
calls (``set_tensor``, ``invoke``, ``get_tensor``) and the runner's, so that a machine that slows
down slows both; the medians of the blocks are compared. The input is the bundle's first golden
one, or zeros.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import numpy as np

from edgeq_device.runner import Runner, RunnerOptions, open_deployment
from edgeq_device.tensors import Array

BLOCK = 500
"""Inferences in a block."""


@dataclass(frozen=True)
class Overhead:
    """Microseconds per inference: the interpreter's three calls, and what is added to them.

    ``runner`` adds `Runner.prepare` and `Runner.run`, ``with_decoding`` also `Runner.decode`,
    which makes probabilities and labels of the output.
    """

    bare: float
    runner: float
    with_decoding: float


def measure(runner: Runner, inputs: tuple[Array, ...], blocks: int) -> Overhead:
    """Compare ``blocks`` blocks of each kind, after one of each to warm up."""
    kinds = (bare_calls(runner, inputs), runner_calls(runner, inputs), whole(runner, inputs))
    times: list[list[float]] = [[] for _ in kinds]
    for block in range(blocks + 1):
        for kind, found in zip(kinds, times):
            seconds = _seconds(kind)
            if block:
                found.append(1e6 * seconds / BLOCK)
    bare, with_runner, with_decoding = map(median, times)
    return Overhead(bare, with_runner - bare, with_decoding - bare)


def bare_calls(runner: Runner, inputs: tuple[Array, ...]) -> Callable[[], object]:
    """The calls that a plain script makes, its indices looked up beforehand."""
    interpreter = runner.model.interpreter
    indices = [detail["index"] for detail in interpreter.get_input_details()]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    pairs = list(zip(indices, runner.prepare(*inputs)))

    def call() -> object:
        for index, array in pairs:
            interpreter.set_tensor(index, array)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in outputs]

    return call


def runner_calls(runner: Runner, inputs: tuple[Array, ...]) -> Callable[[], object]:
    """The same through the runner, from raw inputs to raw outputs."""
    return lambda: runner.run(*runner.prepare(*inputs))


def whole(runner: Runner, inputs: tuple[Array, ...]) -> Callable[[], object]:
    """The same down to the result."""
    return lambda: runner.decode(runner.run(*runner.prepare(*inputs)))


def _seconds(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    for _ in range(BLOCK):
        call()
    return time.perf_counter() - started


def first_inputs(runner: Runner) -> tuple[Array, ...]:
    """The first golden inputs of the runner's bundle, else zeros."""
    bundle = runner.deployment.bundle
    golden = bundle.golden() if bundle else None
    if golden is not None:
        return tuple(np.array(array[0]) for array in golden.inputs)
    return tuple(np.zeros(spec.shape, spec.dtype) for spec in runner.model.inputs)


def main() -> None:
    """Measures the bundle of the command line and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("bundle", type=Path, help="a bundle, or a .tflite")
    parser.add_argument("--blocks", type=int, default=41)
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args()
    with open_deployment(options.bundle) as deployment:
        runner = Runner(deployment, RunnerOptions(backend="cpu", threads=1))
        found = measure(runner, first_inputs(runner), options.blocks)
    print("| | microseconds per inference |\n|---|---|")
    print(f"| set_tensor, invoke, get_tensor | {found.bare:.1f} |")
    print(f"| the runner adds | {found.runner:.1f} |")
    print(f"| the runner and its decoding add | {found.with_decoding:.1f} |")
    if options.json:
        options.json.write_text(json.dumps(asdict(found), indent=2) + "\n")


if __name__ == "__main__":
    main()
