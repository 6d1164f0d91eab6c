"""What edgetpu_compiler's failures mean, and what to do: one row a failure, first match wins."""

from __future__ import annotations

import re
from typing import NamedTuple


class Failure(NamedTuple):
    """A failure that is known: a pattern in the output, the cause, the remedy.

    ``cause`` may use the pattern's groups as {0}, {1}. ``thread`` is where it is discussed:
    "edgetpu#800" is number 800 of google-coral/edgetpu.
    """

    pattern: str
    cause: str
    remedy: str
    thread: str = ""


_OLDER = (
    "the compiler knows TensorFlow Lite as of version 2.5: let edgeq quantize the float model, "
    "or convert it with an older TensorFlow"
)
_STATIC = "give every input a fixed size with batch 1 and convert the model again"
_SMALLER = "lower the input resolution, or split the largest layers"

CATALOGUE = (
    Failure(
        r"NumOutputs\(node\) != 4",
        "TFLite_Detection_PostProcess was exported with too few outputs",
        "export it with its 4 outputs",
        "edgetpu#135",
    ),
    Failure(
        r"requires runtime version \((\d+)\), which is newer than this runtime version \((\d+)\)",
        "the compiled model needs the Edge TPU runtime {0}, this is {1}",
        "compile with --min-runtime-version {1}, or update libedgetpu",
        "edgetpu#435",
    ),
    Failure(
        r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'",
        "operator {0} version {1} is newer than the compiler",
        _OLDER,
        "edgetpu#845",
    ),
    Failure(
        r"Op builtin_code out of range: (\d+)",
        "operator code {0} is newer than the compiler",
        _OLDER,
        "edgetpu#862",
    ),
    Failure(
        r"only supports static-sized tensors",
        "the size of a tensor is computed while the model runs",
        _STATIC,
        "edgetpu#829",
    ),
    Failure(
        r"Encountered unresolved custom op: (.+?)\.(?:\s|$)",
        "the custom operator {0} is not known to the compiler",
        "only TFLite_Detection_PostProcess may stay in the model: cut the model before it",
        "edgetpu#479",
    ),
    Failure(
        r"Regular TensorFlow ops are not supported",
        "the model has TensorFlow operators (Flex)",
        "convert it with TFLite's built-in operators only",
        "edgetpu#718",
    ),
    Failure(
        r"Model not quantized",
        "the model is not fully integer, or its batch size is not fixed",
        "quantize it with edgeq build",
        "edgetpu#168",
    ),
    Failure(
        r"bias_scale\)? <= 1e-6",
        "the scale of a bias is not the product of its input's and its weights' scale",
        "quantize the float model again with edgeq build",
        "tensorflow#36705",
    ),
    Failure(
        r"'tfl\.(\w+)' op quantization parameters violate the same scale constraint",
        "the input and the output of {0} have different scales",
        "quantize the float model again with edgeq build",
        "edgetpu#397",
    ),
    Failure(
        r"'tfl\.(\w+)' op is not supported on DarwiNN",
        "{0} is not supported by the Edge TPU in this form",
        "models that come from PyTorch need the channels last: convert them with onnx2tf",
        "edgetpu#828",
    ),
    Failure(
        r"due to large activation tensors",
        "its activations do not fit into the Edge TPU's memory",
        _SMALLER,
        "edgetpu#449",
    ),
    Failure(
        r"Compilation timeout",
        "the compiler's time limit was reached, mostly because of large activations",
        f"{_SMALLER}; or give it more time with --compile-timeout",
        "edgetpu#686",
    ),
    Failure(
        r"doesn't match the number of input models",
        "the compiler cannot take the names of the intermediate tensors",
        "rename tensors so that no name has a colon or a comma",
        "edgetpu#778",
    ),
    Failure(
        r"terminating with uncaught exception of type (.+)",
        "the compiler has a bug that this model meets ({0})",
        "change the sizes of the layers a little, or split the largest",
        "edgetpu#728",
    ),
    Failure(
        r"Segmentation fault",
        "the compiler crashed (segmentation fault)",
        "let edgeq quantize the float model again; if it stays, a layer is too large or unusual",
        "edgetpu#643",
    ),
    Failure(
        r"ERROR: (?!Restored original|Registration failed)(\S.*)\n(?:.*\n)*?.*"
        r"Model failed in Tflite interpreter",
        "it does not load in the compiler's TensorFlow Lite: {0}",
        _OLDER,
        "edgetpu#891",
    ),
    Failure(
        r"Internal compiler error",
        "internal error of the compiler, mostly a layer that is too large",
        f"use compiler 16.0; {_SMALLER}",
        "edgetpu#309",
    ),
    Failure(
        r"Compilation failed: (\S.*)",
        "the compiler says: {0}",
        _SMALLER,
        "edgetpu#778",
    ),
    Failure(
        r"Model could not be parsed|Invalid model",
        "the compiler cannot read the model",
        _OLDER,
        "libedgetpu#71",
    ),
    Failure(
        r"Compilation failed!",
        "the compiler gave no reason",
        "LSTM layers with more than about 900 features and large dense layers do this: "
        "make them smaller",
        "edgetpu#800",
    ),
)


_REPOSITORIES = {
    "edgetpu": "google-coral/edgetpu",
    "libedgetpu": "google-coral/libedgetpu",
    "tensorflow": "tensorflow/tensorflow",
}
_EXPLAINED = (
    r"Didn't find op|builtin_code out of range|static-sized|unresolved custom op|Regular TensorFlow"
    r"|Model not quantized|bias_scale|intermediate_tensors|Tflite interpreter|'tfl\.\w+' op"
)
_UNEXPLAINED = (
    r"Compilation failed|Compilation timeout|Internal compiler error|Segmentation fault"
    r"|terminating with uncaught exception"
)
_RANDOM = re.compile(r"Internal compiler error")
_LAST_RANDOM = 15  # no report of failures at random is known for 16.0


def link_for(log: str) -> str:
    """The public thread about the failure in ``log``; "" where none is known."""
    for failure in CATALOGUE:
        if failure.thread and re.search(failure.pattern, log):
            repository, _, number = failure.thread.partition("#")
            return f"https://github.com/{_REPOSITORIES[repository]}/issues/{number}"
    return ""


def is_random(log: str, major: int) -> bool:
    """True for a failure that the same compiler on the same file does not always have."""
    return major <= _LAST_RANDOM and _RANDOM.search(log) is not None


def is_unexplained(log: str) -> bool:
    """True for a refusal by the compiler whose words do not name what it stumbled on."""
    return bool(re.search(_UNEXPLAINED, log)) and re.search(_EXPLAINED, log) is None


def diagnose(log: str, exit_code: int) -> tuple[str, str]:
    """Cause and remedy of a failed run, from what was printed and the exit code."""
    for failure in CATALOGUE:
        match = re.search(failure.pattern, log)
        if match:
            groups = [group.strip() for group in match.groups(default="")]
            return failure.cause.format(*groups), failure.remedy.format(*groups)
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
