"""Latency of one model: set inputs, invoke, get outputs, each with its percentiles."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgeq_device.errors import ConfigError
from edgeq_device.progress import Progress, silent
from edgeq_device.runner import Runner
from edgeq_device.runtime import Runtime
from edgeq_device.tensors import Array

PHASES = ("set", "invoke", "get", "total")


@dataclass(frozen=True)
class BenchOptions:
    """How often to run: ``warmup`` runs are not counted."""

    runs: int = 200
    warmup: int = 20

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise ConfigError("--runs", self.runs, "at least 1", hint="left out, it is 200")
        if self.warmup < 0:
            raise ConfigError("--warmup", self.warmup, "0 or more", hint="left out, it is 20")


@dataclass(frozen=True)
class Spread:
    """Milliseconds: the least, the mean, percentiles (nearest rank), the most."""

    least: float
    mean: float
    p50: float
    p90: float
    p99: float
    most: float

    def as_dict(self) -> dict[str, float]:
        """The plain form for JSON, in milliseconds with 4 decimals."""
        names = {"min": self.least, "mean": self.mean, "p50": self.p50}
        names.update({"p90": self.p90, "p99": self.p99, "max": self.most})
        return {name: round(value, 4) for name, value in names.items()}


@dataclass(frozen=True)
class BenchReport:
    """What one model took on one backend; ``phases`` in the order of `PHASES`."""

    model: str
    backend: str
    fallback_reason: str | None
    runtime: Runtime
    threads: int
    runs: int
    warmup: int
    data: str
    """What it ran on: "golden vectors" or "zeros"."""
    phases: tuple[Spread, ...]

    @property
    def per_second(self) -> float:
        """Inferences per second, from the mean of the whole."""
        return 1000.0 / self.phases[-1].mean

    def as_dict(self) -> dict[str, Any]:
        """The plain form for JSON."""
        return {
            "model": self.model,
            "backend": self.backend,
            "fallback_reason": self.fallback_reason,
            "runtime": {"name": self.runtime.name, "version": self.runtime.version},
            "threads": self.threads,
            "runs": self.runs,
            "warmup": self.warmup,
            "data": self.data,
            "milliseconds": {name: spread.as_dict() for name, spread in zip(PHASES, self.phases)},
            "per_second": round(self.per_second, 2),
        }


def benchmark(
    runner: Runner, options: BenchOptions | None = None, *, progress: Progress = silent
) -> BenchReport:
    """Time the runner's model alone: no pictures are read, nothing is decoded.

    The inputs are the bundle's golden vectors in turn, or zeros where there are none.
    """
    options = options or BenchOptions()
    samples, data = _samples(runner)
    for index in range(options.warmup):
        runner.run(*samples[index % len(samples)])
    times = np.empty((options.runs, 3), np.int64)
    step = _stepper(runner)
    for index in range(options.runs):
        times[index] = step(samples[index % len(samples)])
        if index % 16 == 0:
            progress("benchmark", index, options.runs)
    progress("benchmark", options.runs, options.runs)
    total = times.sum(axis=1, keepdims=True)
    milliseconds = np.concatenate([times, total], axis=1) / 1e6
    return BenchReport(
        model=runner.deployment.name,
        backend=runner.backend,
        fallback_reason=runner.fallback_reason,
        runtime=runner.runtime,
        threads=runner.model.threads,
        runs=options.runs,
        warmup=options.warmup,
        data=data,
        phases=tuple(spread(milliseconds[:, phase]) for phase in range(len(PHASES))),
    )


def spread(milliseconds: Array) -> Spread:
    """A one-dimensional array of times -> its spread."""
    ordered = np.sort(milliseconds)

    def rank(percent: float) -> float:
        return float(ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)])

    mean = float(ordered.mean())
    return Spread(float(ordered[0]), mean, rank(50), rank(90), rank(99), float(ordered[-1]))


def _samples(runner: Runner) -> tuple[Sequence[tuple[Array, ...]], str]:
    bundle = runner.deployment.bundle
    golden = bundle.golden() if bundle else None
    if golden is not None:
        rows = zip(*golden.inputs)
        return [tuple(np.ascontiguousarray(each) for each in row) for row in rows], "golden vectors"
    zeros = tuple(np.zeros(spec.shape, spec.dtype) for spec in runner.model.inputs)
    return [zeros], "zeros"


def _stepper(runner: Runner) -> Any:
    """A function: one inference -> nanoseconds of set, invoke and get."""
    interpreter = runner.model.interpreter
    inputs = [detail["index"] for detail in interpreter.get_input_details()]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    clock = time.perf_counter_ns

    def step(arrays: tuple[Array, ...]) -> tuple[int, int, int]:
        start = clock()
        for index, array in zip(inputs, arrays):
            interpreter.set_tensor(index, array)
        fed = clock()
        interpreter.invoke()
        ran = clock()
        for index in outputs:
            interpreter.get_tensor(index)
        return fed - start, ran - fed, clock() - ran

    return step
