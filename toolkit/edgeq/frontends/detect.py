"""Which kind of model a path or ``package.module:function`` is."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

from edgeq_device.errors import InputError, ModelError

_FUNCTION = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

_BY_SUFFIX = {
    ".keras": "keras",
    ".h5": "keras",
    ".hdf5": "keras",
    ".tflite": "tflite",
    ".lite": "tflite",
}

_FOREIGN = {
    ".onnx": ("is an ONNX model", "convert it first: onnx2tf -i {name} writes a float .tflite"),
    ".pt": ("is a PyTorch model", "export it first: litert-torch writes a float .tflite"),
    ".pth": ("is a PyTorch model", "export it first: litert-torch writes a float .tflite"),
    ".pb": (
        "is a TensorFlow graph without its variables",
        "give the SavedModel folder that holds saved_model.pb, or package.module:function",
    ),
    ".ckpt": ("is a checkpoint without the model", "save it with model.save('model.keras')"),
    ".edgeq": ("is a bundle, built already", "edgeq run {name} INPUT"),
    ".json": ("holds no weights", "save the whole model: model.save('model.keras')"),
    ".mlmodel": ("is a Core ML model", "give the model it was made from"),
}

_TAKES = "edgeq takes .keras, .h5, .tflite, a SavedModel folder or package.module:function"


def detect(source: str) -> str:
    """One of "keras", "saved-model", "function", "tflite"; InputError or ModelError otherwise."""
    path = Path(source)
    if path.is_dir():
        return _folder(source, path)
    if not path.exists():
        if _FUNCTION.fullmatch(source):
            return "function"
        raise InputError(source, "does not exist", hint=f"check the path; {_TAKES}")
    if not path.is_file():
        raise InputError(source, "is not a regular file", hint=_TAKES)
    if path.stat().st_size == 0:
        raise InputError(source, "is empty", hint="copy or export the file again")
    return _file(source, path)


def _folder(source: str, path: Path) -> str:
    if (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file():
        return "saved-model"
    if (path / "keras_metadata.pb").is_file() or (path / "fingerprint.pb").is_file():
        raise ModelError(
            source, "is a SavedModel folder without saved_model.pb", hint="export it again"
        )
    raise InputError(source, "is a folder without saved_model.pb", hint=_TAKES)


def _file(source: str, path: Path) -> str:
    suffix = path.suffix.lower()
    try:
        with path.open("rb") as stream:
            head = stream.read(8)
    except OSError as error:
        raise InputError(
            source, f"cannot be read: {error.strerror}", hint="check the file's permissions"
        ) from error
    if suffix in _BY_SUFFIX:
        return _BY_SUFFIX[suffix]
    if suffix in _FOREIGN:
        problem, hint = _FOREIGN[suffix]
        raise ModelError(source, problem, hint=hint.format(name=path.name))
    if head[4:8] == b"TFL3":
        return "tflite"
    if head == b"\x89HDF\r\n\x1a\n" or _is_keras_archive(path):
        return "keras"
    raise ModelError(source, "is no model that edgeq knows", hint=_TAKES)


def _is_keras_archive(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            return {"config.json", "metadata.json"} <= set(archive.namelist())
    except zipfile.BadZipFile:
        return False
