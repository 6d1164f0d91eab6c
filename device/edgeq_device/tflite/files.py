"""Opens a .tflite file."""

from __future__ import annotations

import mmap
from pathlib import Path

from edgeq_device.errors import InputError, ModelError
from edgeq_device.flatfile import Bytes, FlatFile
from edgeq_device.tflite.guesses import guess_format
from edgeq_device.tflite.model import Model
from edgeq_device.tflite.reading import IDENTIFIER, read_tables
from edgeq_device.tflite.structure import check


def read_model(path: Path) -> Model:
    """The model in a .tflite file, memory-mapped and checked.

    `InputError` where the file cannot be read, `ModelError` where it is no sound model. The
    file must not be shortened while the model is in use.
    """
    return parse_model(_map(path), str(path))


def parse_model(data: Bytes, name: str) -> Model:
    """The model in ``data``, checked; ``name`` stands for the file in errors."""
    file = FlatFile(data, name)
    if bytes(file.view[4:8]) != IDENTIFIER:
        guess = guess_format(bytes(file.view[:512]))
        raise ModelError(name, guess.problem, hint=guess.hint)
    model = read_tables(file)
    check(model)
    return model


def _map(path: Path) -> Bytes:
    try:
        if not path.exists():
            raise InputError(path, "does not exist", hint="check the path")
        if path.is_dir():
            raise InputError(path, "is a folder", hint="give the .tflite file itself")
        if not path.is_file():
            raise InputError(path, "is not a regular file", hint="give a .tflite file")
        with path.open("rb") as stream:
            if path.stat().st_size == 0:
                raise InputError(path, "is empty", hint="copy or export the file again")
            return mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
    except ValueError as error:  # a NUL in the path, or a file emptied meanwhile
        raise InputError(str(path), f"cannot be read: {error}", hint="check the path") from error
    except OSError as error:
        problem = f"cannot be read: {error.strerror or error}"
        raise InputError(path, problem, hint="check the file's permissions") from error
