"""Labeled samples for evaluating: a .npz with x and y, or a folder with one subfolder per class."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from edgeq.calibration.load import stored_samples
from edgeq.calibration.matching import class_numbers, match_folders
from edgeq.calibration.values import named_as_calibration, per_input
from edgeq_device.errors import CalibrationError, InputError
from edgeq_device.sources import (
    StoredArray,
    Wanted,
    admit,
    class_folders,
    picture_shape,
    read_ahead,
    read_picture,
    sample_shape,
)
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.transforms import Preprocessing

Batch = tuple[tuple[Array, ...], Array]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Test data whose samples stay on the disk until they are asked for."""

    source: str
    labels: Array
    """The class number of each sample, int64 [N]."""
    matched_by: str
    """How labels were found: "class number" or "name" (in y, or of class folders), or "sorted
    order" (of class folders)."""
    class_names: tuple[str, ...]
    """The label of each class number; of class folders their names, where no labels were given."""
    warnings: tuple[str, ...] = ()
    _batches: Callable[[int], Iterator[tuple[Array, ...]]] = field(kw_only=True, repr=False)

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int = 64) -> Iterator[Batch]:
        """All samples in order, at most ``size`` at a time, with their class numbers.

        The arrays, one per input, are [n, ...] without the model's batch of 1: uint8 where they
        are raw pixels, else float32 model values. Pictures are decoded on threads, ahead of the
        consumer. CalibrationError at the sample that is broken.
        """
        start = 0
        with named_as_calibration():
            for arrays in self._batches(size):
                stop = start + len(arrays[0])
                yield arrays, self.labels[start:stop]
                start = stop


def load_dataset(
    source: str | Path,
    inputs: tuple[TensorSpec, ...],
    labels: tuple[str, ...] = (),
    preprocessing: Preprocessing | tuple[Preprocessing | None, ...] | None = None,
    *,
    threads: int | None = None,
) -> Dataset:
    """Test data with its labels, as class numbers of the model.

    ``source`` is a .npz file (inputs under their names or "x", labels under "y": numbers, one-hot
    rows or label texts) or a folder with one subfolder per class, which is matched to ``labels``
    by name, else by sorted order. CalibrationError names what is missing or does not fit.
    """
    wanted = Wanted(inputs, per_input(preprocessing, len(inputs)))
    source = str(source)
    with named_as_calibration():
        if Path(source).is_dir():
            return _from_folders(source, wanted, labels, threads)
        return _from_npz(source, wanted, labels)


def _from_npz(source: str, wanted: Wanted, labels: tuple[str, ...]) -> Dataset:
    stored, answers = stored_samples(source, wanted.inputs)
    if answers is None:
        raise CalibrationError(
            source,
            "no labels",
            hint="give a .npz file with the labels under 'y', or a folder with one subfolder per "
            "class",
        )
    numbers = class_numbers(answers.take(range(answers.shape[0])), labels, source)
    return Dataset(
        source,
        numbers,
        "name" if answers.dtype.kind in "US" else "class number",
        labels,
        _batches=partial(_array_batches, source, wanted, stored),
    )


def _array_batches(
    source: str, wanted: Wanted, stored: tuple[StoredArray, ...], size: int
) -> Iterator[tuple[Array, ...]]:
    start = 0
    for batch in zip(*(array.batches(size) for array in stored), strict=True):
        rows = range(start, start + len(batch[0]))
        start = rows.stop
        yield tuple(
            admit(values, spec, source, preprocessing=wanted.declared(index), rows=rows)
            for index, (values, spec) in enumerate(zip(batch, wanted.inputs, strict=True))
        )


def _from_folders(
    source: str, wanted: Wanted, labels: tuple[str, ...], threads: int | None
) -> Dataset:
    if len(wanted.inputs) != 1:
        raise InputError(
            source,
            f"pictures, but the model has {len(wanted.inputs)} inputs",
            hint="give a .npz file with one array per input, and the labels under 'y'",
        )
    picture_shape(wanted.inputs[0], source)
    folders = class_folders(source)
    matched = match_folders(tuple(folder.name for folder in folders), labels, source)
    pairs = [
        (path, number)
        for folder, number in zip(folders, matched.numbers, strict=True)
        for path in folder.pictures
    ]
    return Dataset(
        source,
        np.array([number for _, number in pairs], np.int64),
        matched.by,
        labels or tuple(folder.name for folder in folders),
        matched.warnings,
        _batches=partial(_picture_batches, wanted, tuple(path for path, _ in pairs), threads),
    )


def _picture_batches(
    wanted: Wanted, paths: tuple[Path, ...], threads: int | None, size: int
) -> Iterator[tuple[Array, ...]]:
    spec = wanted.inputs[0]
    shape = picture_shape(spec, "")
    declared = wanted.declared(0)
    pixels = read_ahead((partial(read_picture, path, *shape, declared) for path in paths), threads)
    try:
        while batch := list(islice(pixels, size)):
            yield (np.stack(batch).reshape(len(batch), *sample_shape(spec)),)
    finally:
        pixels.close()
