"""Why Keras could not read a file, in one sentence with what to do."""

from __future__ import annotations

import json
import re
import zipfile
import zlib

import tensorflow as tf

from edgeq.tensorflow_child.loading import last_line
from edgeq_device.errors import ModelError

_UNKNOWN = re.compile(
    r"(?:Could not locate (?:class|function)|Unknown (?:layer|object|\w+ function):?"
    r"|Could not deserialize class) '(\w+)'"
)
_WHOLE = "save the whole model: model.save('model.keras')"
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError)


def unreadable(source: str, path: str, error: Exception) -> ModelError:
    """The error to show for what ``keras.models.load_model`` raised."""
    text = str(error)
    unknown = _UNKNOWN.search(text)
    saved_by = _saved_by(path)
    if unknown and not (saved_by or "").startswith("2."):
        return ModelError(
            source,
            f"uses {unknown.group(1)!r}, which Keras does not know",
            hint="give a function instead: package.module:function that imports the custom "
            "classes and returns keras.models.load_model(path)",
        )
    if re.search("safe.?mode|unsafe", text, re.IGNORECASE):
        return ModelError(
            source,
            "holds a Lambda layer, whose Python code Keras does not run from a file",
            hint="give a function instead: package.module:function that rebuilds the model, "
            "or returns keras.models.load_model(path, safe_mode=False)",
        )
    if "No model config" in text:
        return ModelError(source, "holds weights only, not the model", hint=_WHOLE)
    if saved_by is None or isinstance(error, _DAMAGE):
        return ModelError(source, f"is damaged or no Keras model{_why(path, error)}", hint=_WHOLE)
    return ModelError(
        source,
        f"was saved by Keras {saved_by}, and Keras {tf.keras.__version__} cannot read it: "
        f"{last_line(error)}",
        hint="load it with the version that saved it and export a SavedModel folder "
        "(Keras 3: model.export('folder'), Keras 2: model.save('folder')), then give the folder",
    )


def _why(path: str, error: Exception) -> str:
    if path.endswith(".keras") and not zipfile.is_zipfile(path):
        return " (a .keras file is a zip archive; this is none)"
    return f" ({last_line(error)})"


def _saved_by(path: str) -> str | None:
    """The Keras version that the file says it was saved by; None where it cannot be read."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                return str(json.loads(archive.read("metadata.json"))["keras_version"])
        import h5py  # type: ignore[import-untyped]

        with h5py.File(path, "r") as file:
            return str(file.attrs["keras_version"])
    except Exception:
        return None
