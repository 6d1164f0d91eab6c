"""The files that are given to the compiler, and the names of what it makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgeq_device.errors import ConfigError, InputError


def result_names(models: Sequence[Path], segments: int = 1) -> tuple[str, ...]:
    """The names of the compiled files, as the compiler gives them."""
    ends = endings(segments)
    return tuple(f"{model.stem}{end}_edgetpu.tflite" for model in models for end in ends)


def endings(segments: int) -> list[str]:
    """What the compiler appends to a model's name for each of the segments."""
    if segments == 1:
        return [""]
    return [f"_segment_{index}_of_{segments}" for index in range(segments)]


def check_models(models: Sequence[Path]) -> None:
    """InputError for a model that is not there, ConfigError for two of the same stem."""
    seen: dict[str, Path] = {}
    for model in models:
        if not model.is_file():
            raise InputError(model, "does not exist", hint="check the path")
        if model.stem in seen:
            problem = f"{seen[model.stem]} and {model}"
            hint = "rename one of the files: the compiled files take the models' names"
            raise ConfigError("MODEL", problem, "files of different names", hint=hint)
        seen[model.stem] = model


def read_file(model: Path) -> bytes:
    """The contents; InputError where they cannot be read."""
    try:
        return model.read_bytes()
    except OSError as error:
        raise InputError(model, f"cannot be read: {error.strerror}") from error
