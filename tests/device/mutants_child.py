"""Runs damaged models that pass the check, each in a fork of its own, and counts the endings.

    python -m tests.device.mutants_child RUNTIME COUNT SEED

Prints JSON: {"refused": by our check, "ran": ..., "raised": a Python error, "died": ...}.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from typing import NoReturn

import numpy as np

from edgeq_device.errors import ModelError
from edgeq_device.runtime import LoadOptions, find_runtime, load
from edgeq_device.tflite import parse_model
from tests.device.mutations import mutants

SECONDS = 10
BYTES = 4 * 2**30


def main() -> None:
    """Run the mutants one after the other."""
    runtime, count, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    find_runtime(runtime).module()  # once, before the forks
    endings = dict.fromkeys(("refused", "ran", "raised", "died"), 0)
    for data in mutants(count, seed):
        endings[ending(data, runtime)] += 1
    print(json.dumps(endings))


def ending(data: bytes, runtime: str) -> str:
    """What becomes of one mutant."""
    try:
        parse_model(data, "mutant.tflite")
    except ModelError:
        return "refused"
    process = os.fork()
    if process == 0:
        run(data, runtime)
    status = os.waitpid(process, 0)[1]
    if os.WIFSIGNALED(status):
        return "died"
    return "ran" if os.WEXITSTATUS(status) == 0 else "raised"


def run(data: bytes, runtime: str) -> NoReturn:
    """In the fork: build, run on zeros, and end without any cleaning up."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (BYTES, BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    signal.alarm(2 * SECONDS)
    try:
        model = load(data, name="mutant.tflite", options=LoadOptions(threads=1, runtime=runtime))
        model.run(*(np.zeros(spec.shape, spec.dtype) for spec in model.inputs))
    except Exception:
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
