"""What all pictures share: colors, the drawing library, the way to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeq_device.errors import MissingTool
from edgeq_device.files import replacing

INK, GREEN, RED, GRAY, BLUE = "#1f2933", "#2f9e62", "#d64545", "#cbd2d9", "#3e7cb1"


def load_pyplot() -> Any:
    """matplotlib.pyplot without a window; MissingTool where it is not installed."""
    try:
        import matplotlib
    except ImportError as error:
        raise MissingTool(
            "matplotlib", "is not installed", hint='pip install "edgeq[toolkit]"'
        ) from error
    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot


def save_figure(figure: Any, path: Path) -> None:
    """Write the figure as a PNG and close it; OutputError, and no file, where that fails."""
    how = {"format": "png", "dpi": 120, "bbox_inches": "tight"}
    try:
        with replacing(path) as (file, _):
            # No program's name in the file: the same results give the same bytes.
            figure.savefig(file, metadata={"Software": None}, **how)
    finally:
        load_pyplot().close(figure)
