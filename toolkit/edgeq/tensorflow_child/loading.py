"""Open a model of any kind that TensorFlow reads, as one call on tensors with batch 1."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from edgeq_device.errors import EdgeqError, ModelError

_WRAPPING = r"Exception encountered when calling |in user code:|Arguments received by |File \""

Call = Callable[[Sequence[Any]], list[Any]]
"""Tensors in the order of the inputs -> tensors in the order of the outputs."""


@dataclass(frozen=True)
class Port:
    """One input or output: the name users write, its shape with batch 1, numpy's dtype name."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Loaded:
    """A model ready to be traced."""

    source: str
    """What the user wrote; errors name it."""
    call: Call
    graph: Any
    """``call`` traced with batch 1: a concrete function."""
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    """-1 stands for a size that TensorFlow cannot tell; its converter sometimes can."""
    notes: tuple[str, ...] = ()
    """What was done to the model that the user should know of."""


def load(kind: str, source: str, path: str, folder: str) -> Loaded:
    """Read the model; every failure is a ModelError that names ``source``."""
    tf.keras.backend.clear_session()
    if kind == "keras":
        from edgeq.tensorflow_child.keras_models import load_keras_file

        return load_keras_file(source, path)
    if kind == "saved-model":
        from edgeq.tensorflow_child.saved_models import load_saved_model

        return load_saved_model(source, path)
    from edgeq.tensorflow_child.functions import load_function

    return load_function(source, folder)


def describe(loaded: Loaded) -> dict[str, Any]:
    """What the parent is told of a loaded model."""
    return {
        "inputs": [[port.name, list(port.shape), port.dtype] for port in loaded.inputs],
        "outputs": [[port.name, list(port.shape), port.dtype] for port in loaded.outputs],
        "versions": {"tensorflow": tf.__version__, "keras": tf.keras.__version__},
        "notes": list(loaded.notes),
    }


def assemble(
    source: str,
    call: Call,
    inputs: Sequence[Port],
    output_names: Sequence[str],
    notes: Sequence[str] = (),
) -> Loaded:
    """Trace ``call`` once, to learn the outputs' shapes and that it works with batch 1.

    Without ``output_names`` they are output_0, output_1, ...
    """
    try:
        traced = trace(call, inputs)
    except EdgeqError:
        raise
    except Exception as error:
        raise ModelError(
            source,
            f"cannot be traced with batch 1: {last_line(error)}",
            hint="give the model batch size None or 1",
        ) from error
    count = len(traced.outputs)
    names = unique(output_names or [f"output_{number}" for number in range(count)])
    outputs = [
        Port(name, _sizes(tensor.shape), tensor.dtype.name)
        for name, tensor in zip(names, traced.outputs)
    ]
    return Loaded(source, call, traced, tuple(inputs), tuple(outputs), tuple(notes))


def _sizes(shape: Any) -> tuple[int, ...]:
    if shape.rank is None:
        return (-1,)
    return tuple(-1 if size is None else int(size) for size in shape.as_list())


def trace(call: Call, inputs: Sequence[Port]) -> Any:
    """The graph of ``call`` for these inputs, its inputs and outputs in order.

    Without AutoGraph, as Keras itself traces its models.
    """
    specs = [
        tf.TensorSpec(port.shape, port.dtype, name=f"input_{number}")
        for number, port in enumerate(inputs)
    ]
    traced = tf.function(lambda *tensors: call(tensors), autograph=False)
    return traced.get_concrete_function(*specs)


def fixed_shape(source: str, what: str, shape: Any) -> tuple[int, ...]:
    """The sizes of ``shape`` with the batch as 1; ModelError where another size is open."""
    if shape is None or tf.TensorShape(shape).rank is None:
        raise ModelError(
            source, f"{what} has no fixed number of dimensions", hint="give it a fixed shape"
        )
    sizes = tf.TensorShape(shape).as_list()
    if sizes and sizes[0] is None:
        sizes[0] = 1
    if None in sizes:
        shown = ", ".join("?" if size is None else str(size) for size in sizes)
        raise ModelError(
            source,
            f"{what} has the shape ({shown}), where ? has no fixed size",
            hint="give every dimension but the batch a fixed size, e.g. keras.Input((224, 224, 3))",
        )
    return tuple(int(size) for size in sizes)


def numeric_dtype(source: str, what: str, dtype: Any) -> str:
    """The numpy name of a tensor's dtype; ModelError for text and other non-numbers."""
    name = str(tf.as_dtype(dtype).name)
    if name in ("string", "resource", "variant"):
        raise ModelError(
            source,
            f"{what} takes {name} values, which have no place on an Edge TPU",
            hint="do that step before the model and give edgeq the part after it",
        )
    return name


def unique(names: Sequence[str]) -> list[str]:
    """The same names, later doubles with _1, _2, ... behind them."""
    seen: set[str] = set()
    result = []
    for name in names:
        candidate, number = name, 0
        while candidate in seen:
            number += 1
            candidate = f"{name}_{number}"
        seen.add(candidate)
        result.append(candidate)
    return result


def flatten_named(structure: Any, default: str) -> list[tuple[str, Any]]:
    """The tensors of a nested structure with names: keys of dicts, else default_0, default_1."""
    found: list[tuple[str, Any]] = []
    _walk(structure, "", found)
    return [(path or f"{default}_{n}", leaf) for n, (path, leaf) in enumerate(found)]


def _walk(structure: Any, path: str, found: list[tuple[str, Any]]) -> None:
    if isinstance(structure, dict):
        for key, value in structure.items():
            _walk(value, f"{path}_{key}" if path else str(key), found)
    elif isinstance(structure, tuple) and hasattr(structure, "_fields"):
        for key in structure._fields:
            _walk(getattr(structure, key), f"{path}_{key}" if path else key, found)
    elif isinstance(structure, (list, tuple)):
        for number, value in enumerate(structure):
            _walk(value, f"{path}_{number}" if path else "", found)
    elif structure is not None:
        found.append((path, structure))


def last_line(error: BaseException) -> str:
    """The sentence of an exception that says most, with its type, at most 300 letters.

    TensorFlow and Keras wrap the cause in lines about where it happened.
    """
    text = re.sub(r"\x1b\[[0-9;]*m", "", str(error))
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    raised = [line for line in lines if re.match(r"\w+(Error|Exception): \S", line)]
    if lines and lines[0].startswith("in user code") and raised:
        return raised[0].split(". ")[0][:300]
    inner = re.findall(r"Exception encountered: (.+)", text)
    telling = inner or [line for line in lines if not re.match(_WRAPPING, line)]
    said = telling[0].split(". ")[0] if telling else "no message"
    return f"{type(error).__name__}: {said[:300]}"
