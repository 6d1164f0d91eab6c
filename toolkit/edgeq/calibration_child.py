"""The process that imports and calls a user's calibration function.

``python -m edgeq.calibration_child FOLDER`` reads ``request.json`` in the folder, and leaves there
``samples.npz`` (arrays "0", "1", ... in the order of the inputs) or ``problem.json``.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeq_device.errors import InputError
from edgeq_device.sources import count_samples, match_inputs, sample_shape
from edgeq_device.tensors import Array, TensorSpec


def main() -> int:
    """Do what the request says; 0 where samples were written, 1 where a problem was."""
    folder = Path(sys.argv[1])
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    inputs = tuple(
        TensorSpec(name, tuple(shape), dtype, scale)
        for name, shape, dtype, scale in request["inputs"]
    )
    os.dup2(2, 1)  # what the function prints must not reach the results on stdout
    sys.path.insert(0, str(Path.cwd()))
    try:
        produced = _call(request["source"])
        arrays = _collect(produced, inputs, request["source"], request["samples"])
        named: dict[str, Any] = {str(index): array for index, array in enumerate(arrays)}
        np.savez(folder / "samples.npz", **named)
    except KeyboardInterrupt:
        return 130
    except InputError as error:
        facts = {"problem": error.problem, "hint": error.hint}
    except BaseException as error:  # a user's function raises anything, SystemExit included
        facts = _facts(error)
    else:
        return 0
    (folder / "problem.json").write_text(json.dumps(facts), encoding="utf-8")
    return 1


def _call(source: str) -> Iterable[Any]:
    module_name, _, function_name = source.partition(":")
    found: Any = importlib.import_module(module_name)
    for part in function_name.split("."):
        if not hasattr(found, part):
            raise InputError(
                source,
                f"no function {function_name!r} in {found.__name__}",
                hint="give package.module:function",
            )
        found = getattr(found, part)
    if not callable(found) and not isinstance(found, Iterable):
        problem = f"{function_name} is no function but a {type(found).__name__}"
        raise InputError(source, problem, hint="give package.module:function")
    if callable(found):
        _refuse_needed_arguments(found, source)
    produced = found() if callable(found) else found
    if not isinstance(produced, Iterable):
        raise InputError(
            source,
            f"gives a {type(produced).__name__}, which is no sequence of samples",
            hint="yield one sample after the other, or return a list of samples",
        )
    return produced


def _refuse_needed_arguments(function: Any, source: str) -> None:
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):
        return  # some built-in ones do not tell
    try:
        signature.bind()
    except TypeError as error:
        hint = "give a function that can be called as it is, such as one with defaults"
        raise InputError(source, f"the function needs arguments ({error})", hint=hint) from None


def _collect(
    produced: Iterable[Any], inputs: tuple[TensorSpec, ...], source: str, limit: int
) -> list[Array]:
    parts: list[list[Array]] = [[] for _ in inputs]
    count = 0
    for number, sample in enumerate(produced):
        arrays = _split(sample, inputs, source, number)
        sizes = set()
        for spec, array, part in zip(inputs, arrays, parts, strict=True):
            rows = _rows(array, spec, source, number)
            if part and part[0].dtype != rows.dtype:
                raise InputError(
                    source,
                    f"sample {number} is {rows.dtype}, but sample 0 is {part[0].dtype}",
                    hint="yield all samples in one type: raw pixels uint8, model values float32",
                )
            part.append(rows)
            sizes.add(len(rows))
        if len(sizes) > 1:
            problem = f"sample {number} has different numbers of rows per input: {sorted(sizes)}"
            raise InputError(source, problem, hint="yield one sample at a time")
        count += sizes.pop()
        if count >= limit:
            break
    if not count:
        raise InputError(source, "yielded no samples", hint="yield at least one sample")
    return [np.concatenate(part)[:limit] for part in parts]


def _split(
    sample: Any, inputs: tuple[TensorSpec, ...], source: str, number: int
) -> tuple[Array, ...]:
    """The arrays of one sample: itself an array, a tuple or list of arrays, or a dict by name."""
    if isinstance(sample, Mapping):
        named = {str(name): np.asarray(array) for name, array in sample.items()}
        return match_inputs(named, inputs, source)
    if isinstance(sample, tuple) or (isinstance(sample, list) and len(sample) == len(inputs)):
        if len(sample) != len(inputs):
            raise InputError(
                source,
                f"sample {number} has {len(sample)} arrays, but the model has {len(inputs)} "
                f"input{'s' if len(inputs) > 1 else ''}",
                hint="yield one array per input, without labels",
            )
        return tuple(np.asarray(array) for array in sample)
    if len(inputs) > 1:
        raise InputError(
            source,
            f"sample {number} is one array, but the model has {len(inputs)} inputs",
            hint="yield a tuple with one array per input, or a dict by input name",
        )
    return (np.asarray(sample),)


def _rows(array: Array, spec: TensorSpec, source: str, number: int) -> Array:
    count = count_samples(array.shape, spec)
    if array.dtype.hasobject or count is None:
        seen = "of Python objects" if array.dtype.hasobject else f"of shape {list(array.shape)}"
        raise InputError(
            source,
            f"sample {number} is an array {seen}, but the model's input {spec.name!r} takes "
            f"{list(sample_shape(spec))}",
            hint="yield samples of this shape",
        )
    return array.reshape(count, *sample_shape(spec))


def _facts(error: BaseException) -> dict[str, str]:
    last = traceback.format_exception_only(type(error), error)[-1].strip().splitlines()[0]
    frames = [
        frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__
    ]
    own = [frame for frame in frames if Path(frame.filename).is_relative_to(Path.cwd())]
    hint = "call the function by itself to see why"
    if frames:
        where = (own or frames)[-1]
        hint = f"raised in {where.filename}, line {where.lineno}"
    if isinstance(error, ModuleNotFoundError):
        hint = "start edgeq in the folder that holds the module, or install it"
    return {"problem": last, "hint": hint}


if __name__ == "__main__":
    sys.exit(main())
