"""SavedModel folders."""

from __future__ import annotations

from pathlib import Path

from edgeq.frontends.child import TensorFlowChild
from edgeq.frontends.digests import folder_digest
from edgeq.frontends.source import Source
from edgeq.frontends.tensorflow_source import TensorFlowSource
from edgeq_device.progress import Progress


def open_saved_model(source: str, progress: Progress, child: TensorFlowChild | None) -> Source:
    """A SavedModel folder: its signature serving_default, else the only one."""
    path = Path(source).resolve()
    request = {"kind": "saved-model", "source": source, "path": str(path), "folder": ""}
    return TensorFlowSource(request, lambda: folder_digest(path), progress, child)
