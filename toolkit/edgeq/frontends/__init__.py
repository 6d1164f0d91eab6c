"""Whatever the user's model is, as a float .tflite with static batch 1."""

from __future__ import annotations

from edgeq.frontends.child import TensorFlowChild
from edgeq.frontends.detect import detect
from edgeq.frontends.source import AffineMap, Source
from edgeq.static import make_static
from edgeq_device.errors import PathText
from edgeq_device.progress import Progress, silent

__all__ = ["AffineMap", "Source", "TensorFlowChild", "detect", "make_static", "open_source"]


def open_source(
    source: PathText, *, progress: Progress = silent, child: TensorFlowChild | None = None
) -> Source:
    """Open ``source``, a path or ``package.module:function``; close it, or use it with ``with``.

    InputError or ModelError where it is no model that edgeq takes, MissingTool where it needs
    TensorFlow and there is none. ``child`` is a TensorFlow process to share; it stays open.
    """
    text = str(source)
    kind = detect(text)
    if kind == "tflite":
        from edgeq.frontends.tflite import open_tflite

        return open_tflite(text)
    if kind == "keras":
        from edgeq.frontends.keras import open_keras

        return open_keras(text, progress, child)
    if kind == "saved-model":
        from edgeq.frontends.saved_model import open_saved_model

        return open_saved_model(text, progress, child)
    from edgeq.frontends.function import open_function

    return open_function(text, progress, child)
