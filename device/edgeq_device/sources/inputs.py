"""What `edgeq run` is given, one input of the model after the other."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from edgeq_device.errors import InputError
from edgeq_device.sources.ahead import read_ahead
from edgeq_device.sources.arrays import NPY_MAGIC, ZIP_MAGIC, ArrayFile, open_arrays
from edgeq_device.sources.folders import list_pictures
from edgeq_device.sources.pictures import fit_picture, open_picture, picture_shape
from edgeq_device.sources.samples import admit, as_samples, match_inputs
from edgeq_device.tensors import Array, TensorSpec
from edgeq_device.transforms import Preprocessing

Job = Callable[[], "Input"]


@dataclass(frozen=True, eq=False)
class Input:
    """One set of inputs for the model.

    ``arrays`` has one array per model input, in the input's shape: uint8 are raw pixels, to be
    preprocessed as declared; float32 are model values; any other type is the input's own.
    """

    name: str
    """The path; of a batch with the number in brackets ("digits.npy[3]"); "stdin"."""
    arrays: tuple[Array, ...]
    picture: Path | bytes | None = None
    """What `open_picture` opens to draw on; None where numbers were given."""
    picture_size: tuple[int, int] = (0, 0)
    """Width and height of the upright picture."""


@dataclass(frozen=True)
class Wanted:
    """What the model takes: its inputs and what was declared for each (None: nothing)."""

    inputs: tuple[TensorSpec, ...]
    preprocessing: tuple[Preprocessing | None, ...] = ()

    def declared(self, index: int) -> Preprocessing | None:
        """The preprocessing of input ``index``; one that was given alone serves all inputs."""
        if len(self.preprocessing) == 1:
            return self.preprocessing[0]
        return self.preprocessing[index] if index < len(self.preprocessing) else None


def read_inputs(
    sources: Sequence[str | Path],
    wanted: Wanted,
    *,
    threads: int | None = None,
    stdin: BinaryIO | None = None,
) -> Generator[Input, None, None]:
    """The inputs in all ``sources``, in order, decoded on ``threads`` ahead of the consumer.

    A source is a picture, a folder of pictures, a .npy or .npz file with one sample or a batch,
    or "-": one such file from ``stdin`` (default: the process's own). InputError names the
    source that is missing (before anything is read), broken, or does not fit. Close the
    generator to end its threads.
    """
    for source in sources:
        if str(source) != "-" and not Path(source).exists():
            raise InputError(source, "no such file or folder", hint="check the path")
    return read_ahead(_jobs(sources, wanted, stdin), threads)


def _jobs(sources: Sequence[str | Path], wanted: Wanted, stdin: BinaryIO | None) -> Iterator[Job]:
    for source in sources:
        if str(source) == "-":
            data = _read_stdin(stdin)
            if data.startswith((NPY_MAGIC, ZIP_MAGIC)):
                yield from _array_jobs(data, "stdin", wanted)
            else:
                yield partial(_picture, data, "stdin", wanted)
            continue
        path = Path(source)
        if path.is_dir():
            yield from (partial(_picture, each, str(each), wanted) for each in list_pictures(path))
        elif path.suffix.lower() in (".npy", ".npz"):
            yield from _array_jobs(path, str(path), wanted)
        else:
            yield partial(_picture, path, str(path), wanted)


def _picture(source: Path | bytes, name: str, wanted: Wanted) -> Input:
    if len(wanted.inputs) != 1:
        raise InputError(
            name,
            f"a picture, but the model has {len(wanted.inputs)} inputs",
            hint="give a .npz file with one array per input, under the input's name",
        )
    spec = wanted.inputs[0]
    shape = picture_shape(spec, name)
    picture = open_picture(source, name)
    pixels = fit_picture(picture, shape, wanted.declared(0) or Preprocessing(), name)
    return Input(name, (pixels.reshape(spec.shape),), source, picture.size)


def _array_jobs(source: ArrayFile, name: str, wanted: Wanted) -> Iterator[Job]:
    found = match_inputs(open_arrays(source, name), wanted.inputs, name)
    stored = [as_samples(array, spec) for array, spec in zip(found, wanted.inputs)]
    counts = [array.shape[0] for array in stored]
    if len(set(counts)) > 1:
        problem = f"the inputs have different numbers of samples: {counts}"
        raise InputError(name, problem, hint="save as many samples for each input")
    for number, rows in enumerate(zip(*(array.batches(1) for array in stored))):
        label = f"{name}[{number}]" if counts[0] > 1 else name
        yield partial(_sample, rows, label, wanted)


def _sample(rows: tuple[Array, ...], name: str, wanted: Wanted) -> Input:
    arrays = [
        admit(values, spec, name, preprocessing=wanted.declared(index)).reshape(spec.shape)
        for index, (values, spec) in enumerate(zip(rows, wanted.inputs))
    ]
    return Input(name, tuple(np.ascontiguousarray(each) for each in arrays))


def _read_stdin(stdin: BinaryIO | None) -> bytes:
    data = (stdin or sys.stdin.buffer).read()
    if not data:
        raise InputError("stdin", "nothing came in", hint="pipe a picture or a .npy file into it")
    return data
