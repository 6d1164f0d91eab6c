"""Leave the four models of a comparison as files."""

from __future__ import annotations

from pathlib import Path

from edgeq.comparison.conversions import ORDER
from edgeq.comparison.rows import Comparison
from edgeq_device.errors import OutputError
from edgeq_device.files import check_output, write_file


def file_name(mode: str) -> str:
    """A mode's file: ``float_fallback.tflite``."""
    return mode.replace("-", "_") + ".tflite"


def check_targets(folder: Path | None, picture: Path | None, *, force: bool) -> None:
    """Before the work: ConfigError where a file is there already and ``force`` is not given."""
    if picture is not None:
        check_output(picture, "--picture", force=force)
    if folder is None:
        return
    if folder.exists() and not folder.is_dir():
        raise OutputError(folder, "is no folder", hint="name a folder with --save-models")
    for mode in ORDER if folder.is_dir() else ():
        check_output(folder / file_name(mode), "--save-models", force=force)


def save_models_in(comparison: Comparison, folder: Path) -> tuple[Path, ...]:
    """Write each available conversion into ``folder``; returns the paths."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(folder, f"cannot be made ({error.strerror})") from error
    saved = []
    for row in comparison.rows:
        if not row.unavailable:
            path = folder / file_name(row.mode)
            write_file(path, row.data)
            saved.append(path)
    return tuple(saved)
