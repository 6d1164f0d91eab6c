"""Tries a model that is not trusted, in a child process that may crash."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeq_device.errors import InputError, ModelError
from edgeq_device.runtime import child
from edgeq_device.runtime.find import find_runtime
from edgeq_device.runtime.loaded import LoadOptions, load
from edgeq_device.runtime.trouble import UnresolvedCustomOp


@dataclass(frozen=True)
class Probe:
    """Whether a model runs on this CPU; ``reason`` says why not (a custom operator)."""

    runs: bool
    reason: str = ""


def probe(
    model: Path | bytes,
    *,
    name: str = "",
    runtime: str | None = None,
    timeout: float = 60.0,
    started: child.Started | None = None,
) -> Probe:
    """Load the model, allocate and run it once on zeros in a child process.

    ``name`` stands for the model in errors (default: its path); ``started`` is told the process,
    to end it early. A custom operator that no CPU has is an answer, not an error. ModelError
    where the interpreter refuses the model, crashes or does not end within ``timeout`` seconds;
    MissingTool without a runtime.
    """
    found = find_runtime(runtime)
    if isinstance(model, Path):
        name = name or str(model)
        try:
            model = model.read_bytes()
        except OSError as error:
            raise InputError(name, f"cannot be read: {error.strerror}") from error
    ending = child.call(
        "edgeq_device.runtime.probing:try_once",
        {"name": name, "runtime": found.name},
        given=model,
        timeout=timeout,
        started=started,
    )
    if ending.problem:
        raise ModelError(
            name,
            f"the interpreter ({found}) {ending.problem} on this model",
            hint="the file is damaged, or made to do harm: get it again from its source",
        )
    if "error" in ending.answer:
        raise ModelError(name, ending.answer["error"], hint=ending.answer["hint"])
    return Probe(ending.answer["runs"], ending.answer["reason"])


def try_once(name: str, runtime: str) -> dict[str, Any]:
    """The child's side of ``probe``: the model comes from stdin."""
    try:
        model = load(
            sys.stdin.buffer.read(), name=name, options=LoadOptions(threads=1, runtime=runtime)
        )
        model.run(*(np.zeros(spec.shape, spec.dtype) for spec in model.inputs))
    except UnresolvedCustomOp as error:
        return {"runs": False, "reason": error.problem}
    except ModelError as error:
        return {"error": error.problem, "hint": error.hint or "copy or export the file again"}
    return {"runs": True, "reason": ""}
