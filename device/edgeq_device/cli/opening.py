"""Opening what a command was given, and saying where it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from edgeq_device import console

if TYPE_CHECKING:
    from edgeq_device.runner import Runner, RunnerOptions


@contextmanager
def opened(path: Path, options: RunnerOptions, *, quiet: bool = False) -> Iterator[Runner]:
    """A runner for the bundle or .tflite at ``path``; says once which backend runs, and why."""
    from edgeq_device.runner import Runner, open_deployment

    deployment = open_deployment(path, runtime=options.runtime)
    with deployment, Runner(deployment, options) as runner:
        if not quiet:
            console.say(backend_sentence(runner))
        yield runner


def backend_sentence(runner: Runner) -> str:
    """Which backend runs the model, through what, and why not the Edge TPU where that is so."""
    if runner.backend == "edgetpu":
        return f"backend: Edge TPU ({runner.runtime})"
    threads = runner.model.threads
    place = f"backend: CPU ({runner.runtime}, {threads} thread{'s' * (threads != 1)})"
    return f"{place}: {runner.fallback_reason}" if runner.fallback_reason else place
