"""Files that are often given in place of a bundle: what they are, and what to do with them."""

from __future__ import annotations

import zipfile
from pathlib import Path

from edgeq_device.errors import InputError, PathText

_KERAS_SUFFIXES = (".keras", ".h5", ".hdf5")
_HDF5 = b"\x89HDF\r\n\x1a\n"
_TFLITE = b"TFL3"


def refuse_keras(path: PathText) -> None:
    """InputError where the path is a Keras file or a SavedModel folder: neither is deployable."""
    path = Path(path)
    if _is_keras(path):
        problem = "is a Keras model; this takes a bundle or a .tflite"
        raise InputError(path, problem, hint="edgeq build it first, or edgeq compare")


def refuse_bare_model(path: PathText) -> None:
    """InputError where the path is a .tflite file, for what only a bundle can do."""
    path = Path(path)
    if path.is_file() and _head(path)[4:8] == _TFLITE:
        raise InputError(path, "is a .tflite, not a bundle", hint="edgeq build ... -o x.edgeq")


def _is_keras(path: Path) -> bool:
    if path.is_dir():
        return (path / "saved_model.pb").is_file()
    if not path.is_file() or not (head := _head(path)):
        return False
    if head.startswith(_HDF5) or path.suffix.lower() in _KERAS_SUFFIXES:
        return True
    return head.startswith(b"PK") and _holds_keras(path)


def _holds_keras(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return False  # what is wrong with it, the reader of bundles says
    return "manifest.json" not in names and {"config.json", "model.weights.h5"} <= names


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(8)
    except OSError:
        return b""
