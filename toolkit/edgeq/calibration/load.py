"""Calibration data from a folder of pictures, .npy, .npz or a user's function."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from edgeq.calibration.audit import PictureFacts, audit, audit_pictures
from edgeq.calibration.choice import choose
from edgeq.calibration.function import run_function
from edgeq.calibration.values import CalibrationOptions, CalibrationSet, named_as_calibration
from edgeq_device.errors import CalibrationError, InputError
from edgeq_device.progress import Progress, silent
from edgeq_device.sources import (
    PICTURE_SUFFIXES,
    StoredArray,
    Wanted,
    admit,
    as_samples,
    fit_picture,
    list_pictures,
    match_inputs,
    open_arrays,
    open_picture,
    picture_shape,
    read_ahead,
    sample_shape,
)
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.transforms import Preprocessing

STAGE = "read calibration data"
FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")
KINDS = "a folder of pictures, a .npy or .npz file, or package.module:function"


def load_calibration(
    source: str | Path,
    inputs: tuple[TensorSpec, ...],
    options: CalibrationOptions | None = None,
    *,
    progress: Progress = silent,
) -> CalibrationSet:
    """The samples to calibrate with, checked and audited; the same for the same seed.

    ``source`` is a folder of pictures (or one picture), a .npy file, a .npz file with one array
    per input, or "package.module:function", which yields samples and runs in a process of its
    own. CalibrationError names what is missing, broken or does not fit, and what to do.
    """
    options = options or CalibrationOptions()
    wanted = options.wanted(inputs)
    source = str(source)
    path = Path(source)
    with named_as_calibration():
        if path.is_dir():
            chosen = _from_pictures(list_pictures(path), source, (wanted, options), progress)
        elif path.suffix.lower() in PICTURE_SUFFIXES and path.exists():
            chosen = _from_pictures((path,), source, (wanted, options), progress)
        elif FUNCTION.fullmatch(source) and not path.exists():
            chosen = _from_function(source, wanted, options, progress)
        elif path.exists() and path.suffix.lower() not in (".npy", ".npz"):
            raise CalibrationError(source, "not calibration data", hint=f"give {KINDS}")
        elif not path.exists():
            raise CalibrationError(source, "no such file or folder", hint=f"give {KINDS}")
        else:
            chosen = _from_arrays(source, wanted, options, progress)
    return replace(chosen, warnings=(*chosen.warnings, *audit(chosen)))


@dataclass(frozen=True, eq=False)
class _Picture:
    digest: bytes
    pixels: Array
    facts: PictureFacts


def _from_pictures(
    found: Sequence[Path],
    source: str,
    asked: tuple[Wanted, CalibrationOptions],
    progress: Progress,
) -> CalibrationSet:
    wanted, options = asked
    if len(wanted.inputs) != 1:
        raise InputError(
            source,
            f"pictures, but the model has {len(wanted.inputs)} inputs",
            hint="give a .npz file with one array per input, under the input's name",
        )
    spec = wanted.inputs[0]
    shape = picture_shape(spec, source)
    paths = [found[number] for number in choose(len(found), options.samples, options.seed)]
    declared = wanted.declared(0) or Preprocessing()
    jobs = (partial(_read_picture, path, shape, declared) for path in paths)
    pixels = np.empty((len(paths), *sample_shape(spec)), np.uint8)
    digest = hashlib.sha256()
    facts = []
    for number, picture in enumerate(read_ahead(jobs, options.threads)):
        pixels[number] = picture.pixels.reshape(sample_shape(spec))
        digest.update(picture.digest)
        facts.append(picture.facts)
        progress(STAGE, number + 1, len(paths))
    return CalibrationSet(
        source,
        wanted.inputs,
        (pixels,),
        (wanted.declared(0),),
        digest.hexdigest(),
        warnings=audit_pictures(facts, options.samples, shape[:2]),
    )


def _read_picture(path: Path, shape: tuple[int, int, int], declared: Preprocessing) -> _Picture:
    try:
        data = path.read_bytes()
    except OSError as cause:
        problem = f"could not be read ({cause.strerror})"
        raise InputError(path, problem, hint="give a picture that can be read") from cause
    picture = open_picture(data, str(path))
    pixels = fit_picture(picture, shape, declared, str(path))
    facts = PictureFacts(path, picture.width, picture.height)
    return _Picture(hashlib.sha256(data).digest(), pixels, facts)


def _from_function(
    source: str, wanted: Wanted, options: CalibrationOptions, progress: Progress
) -> CalibrationSet:
    arrays = run_function(source, wanted.inputs, options.samples)
    progress(STAGE, len(arrays[0]), len(arrays[0]))
    return _checked(source, wanted, arrays)


def _from_arrays(
    source: str, wanted: Wanted, options: CalibrationOptions, progress: Progress
) -> CalibrationSet:
    stored, labels = stored_samples(source, wanted.inputs)
    rows = choose(stored[0].shape[0], options.samples, options.seed)
    arrays = []
    for number, array in enumerate(stored):
        arrays.append(array.take(rows))
        progress(STAGE, number + 1, len(stored))
    chosen = _checked(source, wanted, tuple(arrays), rows)
    return chosen if labels is None else replace(chosen, labels=labels.take(rows))


def stored_samples(
    source: str, inputs: tuple[TensorSpec, ...]
) -> tuple[tuple[StoredArray, ...], StoredArray | None]:
    """The array of each input, as samples, and the labels ("y") where there are some."""
    arrays = open_arrays(source)
    found = match_inputs(arrays, inputs, source)
    stored = tuple(as_samples(array, spec) for array, spec in zip(found, inputs, strict=True))
    counts = [array.shape[0] for array in stored]
    labels = arrays.get("y")
    if labels in found:
        labels = None
    if labels is not None:
        counts.append(labels.shape[0] if labels.shape else 0)
    if len(set(counts)) > 1:
        names = [spec.name for spec in inputs] + ["y"]
        seen = ", ".join(f"{name}: {count}" for name, count in zip(names, counts, strict=False))
        raise InputError(
            source,
            f"arrays with different numbers of samples ({seen})",
            hint="save the same number of samples in each array",
        )
    return stored, labels


def _checked(
    source: str, wanted: Wanted, arrays: tuple[Array, ...], rows: Sequence[int] = ()
) -> CalibrationSet:
    checked = tuple(
        admit(values, spec, source, preprocessing=wanted.declared(index), rows=rows)
        for index, (values, spec) in enumerate(zip(arrays, wanted.inputs, strict=True))
    )
    digest = hashlib.sha256()
    for array in checked:
        digest.update(f"{array.dtype.name}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    declared = tuple(wanted.declared(index) for index in range(len(checked)))
    return CalibrationSet(source, wanted.inputs, checked, declared, digest.hexdigest())
