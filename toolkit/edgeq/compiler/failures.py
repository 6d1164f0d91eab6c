"""What edgetpu_compiler's failures mean, and what to do: one row a failure, first match wins."""

from __future__ import annotations

import re
from typing import NamedTuple


class Failure(NamedTuple):
    """A failure that is known: a pattern in the output, the cause, the remedy.

    ``cause`` may use the pattern's groups as {0}, {1}.
    """

    pattern: str
    cause: str
    remedy: str


_OLDER = (
    "the compiler knows TensorFlow Lite as of version 2.5: let edgeq quantize the float model, "
    "or convert it with an older TensorFlow"
)
_STATIC = "give every input a fixed size with batch 1 and convert the model again"
_SMALLER = "lower the input resolution, or split the largest layers"

CATALOGUE = (
    Failure(
        r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'",
        "operator {0} version {1} is newer than the compiler",
        _OLDER,
    ),
    Failure(
        r"Op builtin_code out of range: (\d+)",
        "operator code {0} is newer than the compiler",
        _OLDER,
    ),
    Failure(
        r"only supports static-sized tensors",
        "the size of a tensor is computed while the model runs",
        _STATIC,
    ),
    Failure(
        r"Encountered unresolved custom op: (.+?)\.(?:\s|$)",
        "the custom operator {0} is not known to the compiler",
        "only TFLite_Detection_PostProcess may stay in the model: cut the model before it",
    ),
    Failure(
        r"Regular TensorFlow ops are not supported",
        "the model has TensorFlow operators (Flex)",
        "convert it with TFLite's built-in operators only",
    ),
    Failure(
        r"Model not quantized",
        "the model is not fully integer, or its batch size is not fixed",
        "quantize it with edgeq build",
    ),
    Failure(
        r"bias_scale\)? <= 1e-6",
        "the scale of a bias is not the product of its input's and its weights' scale",
        "quantize the float model again with edgeq build",
    ),
    Failure(
        r"'tfl\.(\w+)' op quantization parameters violate the same scale constraint",
        "the input and the output of {0} have different scales",
        "quantize the float model again with edgeq build",
    ),
    Failure(
        r"'tfl\.(\w+)' op is not supported on DarwiNN",
        "{0} is not supported by the Edge TPU in this form",
        "models that come from PyTorch need the channels last: convert them with onnx2tf",
    ),
    Failure(
        r"due to large activation tensors",
        "its activations do not fit into the Edge TPU's memory",
        _SMALLER,
    ),
    Failure(
        r"Compilation timeout",
        "the compiler's time limit was reached, mostly because of large activations",
        f"{_SMALLER}; or give it more time with --compile-timeout",
    ),
    Failure(
        r"doesn't match the number of input models",
        "the compiler cannot take the names of the intermediate tensors",
        "rename tensors so that no name has a colon or a comma",
    ),
    Failure(
        r"terminating with uncaught exception of type (.+)",
        "the compiler has a bug that this model meets ({0})",
        "change the sizes of the layers a little, or split the largest",
    ),
    Failure(
        r"Segmentation fault",
        "the compiler crashed (segmentation fault)",
        "let edgeq quantize the float model again; if it stays, a layer is too large or unusual",
    ),
    Failure(
        r"ERROR: (?!Restored original|Registration failed)(\S.*)\n(?:.*\n)*?.*"
        r"Model failed in Tflite interpreter",
        "it does not load in the compiler's TensorFlow Lite: {0}",
        _OLDER,
    ),
    Failure(
        r"Internal compiler error",
        "internal error of the compiler, mostly a layer that is too large",
        f"use compiler 16.0; {_SMALLER}",
    ),
    Failure(
        r"Compilation failed: (\S.*)",
        "the compiler says: {0}",
        _SMALLER,
    ),
    Failure(
        r"Model could not be parsed|Invalid model",
        "the compiler cannot read the model",
        _OLDER,
    ),
    Failure(
        r"Compilation failed!",
        "the compiler gave no reason",
        "LSTM layers with more than about 900 features and large dense layers do this: "
        "make them smaller",
    ),
)


def diagnose(log: str, exit_code: int) -> tuple[str, str]:
    """Cause and remedy of a failed run, from what was printed and the exit code."""
    for failure in CATALOGUE:
        match = re.search(failure.pattern, log)
        if match:
            groups = [group.strip() for group in match.groups(default="")]
            return failure.cause.format(*groups), failure.remedy
    if exit_code < 0 or exit_code > 128:
        signal = -exit_code if exit_code < 0 else exit_code - 128
        return f"the compiler crashed (signal {signal})", _OLDER
    if exit_code == 0:
        return (
            "the compiler ended without an error, but printed nothing that edgeq understands",
            "is it Google's compiler? see --compiler and $EDGEQ_COMPILER",
        )
    return (
        f"the compiler ended with exit code {exit_code} and without a reason",
        "run it by hand on the .tflite file (edgeq build --save-model) to see more",
    )
