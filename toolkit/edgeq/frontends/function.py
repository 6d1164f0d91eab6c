"""``package.module:function``, which returns a Keras model or a tf.function."""

from __future__ import annotations

from pathlib import Path

from edgeq.frontends.child import TensorFlowChild
from edgeq.frontends.source import Source
from edgeq.frontends.tensorflow_source import TensorFlowSource
from edgeq_device.progress import Progress


def open_function(source: str, progress: Progress, child: TensorFlowChild | None) -> Source:
    """A user's function, imported and called in a TensorFlow process only.

    The current folder is on the import path. The digest is that of the float .tflite.
    """
    folder = str(Path.cwd())
    request = {"kind": "function", "source": source, "path": "", "folder": folder}
    return TensorFlowSource(request, None, progress, child)
