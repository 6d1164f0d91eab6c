"""What all pictures share: colors, the drawing library, the way to the file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgeq_device.errors import MissingTool, OutputError

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
    temporary = path.with_name(f".{path.name}.partial.png")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # No date in the file: the same results give the same bytes.
        figure.savefig(temporary, dpi=120, bbox_inches="tight", metadata={"Software": None})
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise OutputError(path, f"could not be written ({error.strerror or error})") from error
    finally:
        load_pyplot().close(figure)
