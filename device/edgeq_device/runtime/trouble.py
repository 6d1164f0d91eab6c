"""Turns what an interpreter says into one sentence that names the operator."""

from __future__ import annotations

import re

from edgeq_device.errors import ModelError
from edgeq_device.runtime.find import Runtime

_CUSTOM = re.compile(r"Encountered unresolved custom op: (?P<op>.+?)\.\s")
_FLEX = "Select TensorFlow op(s), included in the given model"
_VERSION = re.compile(r"Didn't find op for builtin opcode '(?P<op>\w+)' version '(?P<version>\d+)'")
_CODE = re.compile(r"Op builtin_code out of range: (?P<code>\d+)")
_NODE = re.compile(r"Node number (?P<index>\d+) \((?P<op>.+?)\) failed to (?P<step>prepare|invoke)")
_SOURCE_LINE = re.compile(r"\S+\.(cc|h):\d+ ")
_OTHER_RUNTIME = "use a newer runtime, or convert the model for an older one"


class UnresolvedCustomOp(ModelError):
    """The model has a custom operator that the interpreter does not have; ``op`` is its name."""

    def __init__(self, path: str, op: str, runtime: Runtime) -> None:
        if op == "edgetpu-custom-op":
            problem = "compiled for the Edge TPU; it runs only through libedgetpu on one"
        else:
            problem = f"the custom operator {op} cannot run on a CPU: {runtime} does not have it"
        super().__init__(path, problem, hint="run it where that operator is known")
        self.op = op


def explain(name: str, runtime: Runtime, error: Exception) -> ModelError:
    """The ModelError for ``error``, raised by the interpreter of ``runtime`` on model ``name``."""
    text = _SOURCE_LINE.sub("", str(error)).strip()
    if isinstance(error, MemoryError):
        hint = "close other programs, or use a smaller model"
        return ModelError(name, "it needs more memory than there is", hint=hint)
    if custom := _CUSTOM.search(text):
        return UnresolvedCustomOp(name, custom["op"], runtime)
    if newer := _VERSION.search(text):
        what = f"operator {newer['op']} version {newer['version']}"
        return ModelError(name, f"{what} is not in {runtime}", hint=_OTHER_RUNTIME)
    if unknown := _CODE.search(text):
        what = f"operator code {unknown['code']}"
        return ModelError(name, f"{what} is not in {runtime}", hint=_OTHER_RUNTIME)
    if _FLEX in text:
        return ModelError(
            name,
            f"it has TensorFlow operators, which {runtime} does not have",
            hint="convert the model with TFLite's own operators only",
        )
    if node := _NODE.search(text):
        doing = "prepare" if node["step"] == "prepare" else "run"
        cause = text[: node.start()].strip().splitlines()
        why = f": {cause[-1]}" if cause else ""
        what = f"operator {node['index']} ({node['op']})"
        return ModelError(name, f"{runtime} cannot {doing} {what}{why}")
    first = text.splitlines()[0] if text else type(error).__name__
    hint = "the file may be damaged: copy or export it again"
    return ModelError(name, f"{runtime} cannot load it: {first}", hint=hint)
