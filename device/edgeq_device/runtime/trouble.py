"""Turns what an interpreter says into one sentence that names the operator."""

from __future__ import annotations

import re

from edgeq_device.errors import ModelError
from edgeq_device.runtime.find import Runtime

_CUSTOM = re.compile(r"Encountered unresolved custom op: (?P<op>.+?)\.\s")
_FLEX = re.compile(r"Select TensorFlow op\(s\), included in the given model")
_VERSION = re.compile(r"Didn't find op for builtin opcode '(?P<op>\w+)' version '(?P<version>\d+)'")
_RANGE = re.compile(r"Op builtin_code out of range: (?P<code>\d+)")
_NODE = re.compile(r"Node number (?P<index>\d+) \((?P<op>.+?)\) failed to (?P<step>prepare|invoke)")


class UnresolvedCustomOp(ModelError):
    """The model has a custom operator that the interpreter does not have; ``op`` is its name."""

    def __init__(self, path: str, op: str, runtime: Runtime) -> None:
        if op == "edgetpu-custom-op":
            problem = "compiled for the Edge TPU; it runs only through libedgetpu on one"
        else:
            problem = f"the custom operator {op} cannot run on a CPU: {runtime} does not have it"
        super().__init__(path, problem)
        self.op = op


def explain(name: str, runtime: Runtime, error: Exception) -> ModelError:
    """The ModelError for ``error``, raised by the interpreter of ``runtime`` on model ``name``."""
    text = str(error).strip()
    custom = _CUSTOM.search(text)
    if custom:
        return UnresolvedCustomOp(name, custom["op"], runtime)
    version = _VERSION.search(text)
    if version:
        return ModelError(
            name,
            f"operator {version['op']} version {version['version']} is not in {runtime}",
            hint="use a newer runtime, or convert the model for an older one",
        )
    unknown = _RANGE.search(text)
    if unknown:
        return ModelError(
            name,
            f"operator code {unknown['code']} is not in {runtime}",
            hint="use a newer runtime, or convert the model for an older one",
        )
    if _FLEX.search(text):
        return ModelError(
            name,
            f"it has TensorFlow operators, which {runtime} does not have",
            hint="convert the model with TFLite's own operators only",
        )
    node = _NODE.search(text)
    first = text.splitlines()[0] if text else type(error).__name__
    if node:
        doing = "prepare" if node["step"] == "prepare" else "run"
        cause = text[: node.start()].strip().splitlines()
        why = f": {cause[-1]}" if cause else ""
        return ModelError(
            name, f"{runtime} cannot {doing} operator {node['index']} ({node['op']}){why}"
        )
    return ModelError(name, f"{runtime} cannot load it: {first}")
