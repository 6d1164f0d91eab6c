"""Run models in an old TensorFlow Lite and compare: a program for that old Python.

``python scripts/old_runtime_check.py MODEL.tflite CASES.npz [MODEL.tflite CASES.npz ...]``

CASES holds ``input_0``, ``input_1``, ... and ``output_0``, ...: one entry per sample in front of
the tensor's own shape; the outputs are those of today's runtime. "-" for CASES only loads the
model. Prints one JSON document with
one entry per model: does it load, would a delegate that takes only static tensors be accepted
(the frozen compiler's is one), how many steps the answers are apart at most and on average, and
in how many of them the largest value is another one.
"""

from __future__ import annotations

import ctypes
import json
import os
import sys
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

PREPARE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


class TfLiteDelegate(ctypes.Structure):
    """The C struct of a delegate, as in tensorflow/lite/c/common.h of 2.5; flags 0: static only."""

    _fields_ = [
        ("data", ctypes.c_void_p),
        ("prepare", PREPARE),
        ("copy_from_buffer_handle", ctypes.c_void_p),
        ("copy_to_buffer_handle", ctypes.c_void_p),
        ("free_buffer_handle", ctypes.c_void_p),
        ("flags", ctypes.c_int64),
    ]


class StaticDelegate:
    """A delegate that takes no operator, but makes the interpreter insist on static tensors."""

    def __init__(self) -> None:
        self._prepare = PREPARE(lambda context, delegate: 0)
        self._struct = TfLiteDelegate(prepare=self._prepare)

    def _get_native_delegate_pointer(self) -> int:
        return ctypes.addressof(self._struct)


def check(model: str, cases: str) -> dict[str, Any]:
    """Load, allocate and run one model; what went wrong is an entry, not an error."""
    found: dict[str, Any] = {"model": model, "loads": False, "static": False, "error": None}
    try:
        interpreter = tf.lite.Interpreter(model_path=model)
        interpreter.allocate_tensors()
        found["loads"] = True
    except (RuntimeError, ValueError) as error:
        found["error"] = str(error)
        return found
    delegate = StaticDelegate()
    try:
        tf.lite.Interpreter(model_path=model, experimental_delegates=[delegate])
        found["static"] = True
    except (RuntimeError, ValueError) as error:
        found["error"] = str(error)
    if cases != "-":
        with np.load(cases) as arrays:
            found.update(compare(interpreter, arrays))
    return found


def compare(interpreter: Any, cases: Any) -> dict[str, Any]:
    """Run every sample; how far the answers are apart, and how often the largest value moved."""
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    samples = len(cases["input_0"])
    apart = [[] for _ in outputs]
    moved = 0
    for number in range(samples):
        for place, detail in enumerate(inputs):
            interpreter.set_tensor(detail["index"], cases[f"input_{place}"][number])
        interpreter.reset_all_variables()
        interpreter.invoke()
        for place, detail in enumerate(outputs):
            seen = interpreter.get_tensor(detail["index"]).astype(np.float64)
            expected = cases[f"output_{place}"][number]
            apart[place].append(np.abs(seen - expected))
            moved += int(seen.argmax() != expected.argmax())
    steps = [float(np.max(differences)) for differences in apart]
    return {
        "samples": samples,
        "steps": steps,
        "max_steps": max(steps),
        "mean_steps": max(float(np.mean(differences)) for differences in apart),
        "moved": moved,
    }


def main(arguments: list[str]) -> None:
    """Check each pair of arguments and print the JSON document."""
    pairs = zip(arguments[::2], arguments[1::2])
    models = [check(model, cases) for model, cases in pairs]
    print(json.dumps({"tensorflow": tf.__version__, "models": models}, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
