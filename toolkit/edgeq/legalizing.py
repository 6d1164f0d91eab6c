"""``edgeq legalize``: one .tflite in, one out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeq.legalize import LegalizeReport, LegalizeSpec, legalize
from edgeq_device import runtime
from edgeq_device.errors import CalibrationError, ModelError
from edgeq_device.files import check_output, write_file
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.tflite import read_model

SAMPLES = 32
"""Samples that a model is run on before and after each rewrite, at most."""


@dataclass(frozen=True)
class LegalizeRequest:
    """A file, where the result goes, and which rewrites are wanted."""

    model: Path
    output: Path
    spec: LegalizeSpec
    samples: Path | None = None
    """.npy for one input, .npz with an array for each in order: [N, ...] in the model's types."""
    force: bool = False


@dataclass(frozen=True)
class Legalized:
    """The result of `legalize_file`."""

    output: Path
    changed: bool
    report: LegalizeReport


def legalize_file(request: LegalizeRequest) -> Legalized:
    """Legalize a .tflite; the same bytes are written where nothing applies."""
    check_output(request.output, "--output", force=request.force)
    parsed = read_model(request.model)
    name = str(request.model)
    if parsed.is_compiled:
        hint = "give the .tflite that it was compiled from"
        raise ModelError(name, "is already compiled for the Edge TPU", hint=hint)
    data = bytes(parsed.data)
    # A stranger's model meets an interpreter first in a child; only a crash is in the way.
    runtime.probe(data, name=name)
    samples = () if request.samples is None else _read(request.samples, parsed.input_specs())
    legal, report = legalize(data, samples, request.spec)
    write_file(request.output, legal)
    return Legalized(request.output, legal != data, report)


def _read(path: Path, inputs: Sequence[TensorSpec]) -> tuple[tuple[Array, ...], ...]:
    import numpy as np

    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            arrays = [loaded[key] for key in loaded] if hasattr(loaded, "files") else [loaded]
    except (OSError, ValueError, EOFError) as error:
        hint = "give .npy, or .npz with an array for each input"
        raise CalibrationError(path, f"cannot be read: {error}", hint=hint) from error
    if len(arrays) != len(inputs):
        raise CalibrationError(path, f"has {len(arrays)} arrays for {len(inputs)} inputs")
    for array, spec in zip(arrays, inputs, strict=True):
        if array.dtype != spec.dtype or array.shape[1:] != tuple(spec.shape[1:]):
            seen, wanted = [*array.shape[1:]], [*spec.shape[1:]]
            raise CalibrationError(
                path,
                f"holds {array.dtype} {['N', *seen]} for input {spec.name!r}, "
                f"which takes {spec.dtype} {['N', *wanted]}",
            )
    count = min(len(array) for array in arrays)
    return tuple(
        tuple(array[number : number + 1] for array in arrays)
        for number in range(min(count, SAMPLES))
    )
