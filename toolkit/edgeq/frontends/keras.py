"""Keras files: .keras and .h5."""

from __future__ import annotations

from pathlib import Path

from edgeq.frontends.child import TensorFlowChild
from edgeq.frontends.digests import file_digest
from edgeq.frontends.source import Source
from edgeq.frontends.tensorflow_source import TensorFlowSource
from edgeq_device.progress import Progress


def open_keras(source: str, progress: Progress, child: TensorFlowChild | None) -> Source:
    """A .keras or .h5 file, read by Keras in a TensorFlow process."""
    path = Path(source).resolve()
    request = {"kind": "keras", "source": source, "path": str(path), "folder": ""}
    return TensorFlowSource(request, lambda: file_digest(path), progress, child)
