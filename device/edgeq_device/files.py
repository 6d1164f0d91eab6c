"""Writing files so that nothing is ever half there: beside the target first, then renamed."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from edgeq_device.errors import ConfigError, OutputError


@contextmanager
def replacing(output: Path) -> Iterator[tuple[BinaryIO, Path]]:
    """A temporary file beside ``output`` that takes its name at the end, or vanishes.

    OutputError where it cannot be written (disk full, no permission); then nothing is left.
    """
    temporary: Path | None = None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.parent)
        temporary = Path(name)
        with os.fdopen(descriptor, "wb") as file:
            yield file, temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(output)
        temporary = None
    except OSError as error:
        hint = "free some space, or write elsewhere"
        why = error.strerror or error
        raise OutputError(output, f"cannot be written: {why}", hint=hint) from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_file(output: Path, data: bytes) -> None:
    """Write ``data`` to ``output``, all of it or nothing."""
    with replacing(output) as (file, _):
        file.write(data)


def check_output(output: Path, option: str, *, force: bool) -> None:
    """ConfigError where ``output`` is a folder or a device, or exists without ``force``.

    OutputError where the folder that should hold it does not exist or cannot be looked into.
    ``option`` is the option that named it.
    """
    try:
        kind = _kind(output)
        has_folder = _kind(output.parent) == "folder"
    except OSError as error:
        raise OutputError(output, f"cannot be written: {error.strerror}") from None
    if kind == "folder":
        raise ConfigError(option, str(output), "a file, not a folder", hint="name a file in it")
    if kind == "other":
        allowed = "a file, not a device or a pipe"
        raise ConfigError(option, str(output), allowed, hint="write to a file")
    if kind == "file" and not force:
        allowed = "a file that does not exist yet"
        raise ConfigError(option, str(output), allowed, hint="--force overwrites it")
    if not has_folder:
        if _kind(output.parent):
            problem = f"{output.parent} is no folder"
            raise OutputError(output, problem, hint="write elsewhere")
        hint = f"mkdir -p {output.parent}"
        raise OutputError(output, "its folder does not exist", hint=hint)


def _kind(path: Path) -> str:
    """What is there: a "folder", a "file", something "other", or "" for nothing."""
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return ""
    if stat.S_ISDIR(mode):
        return "folder"
    return "file" if stat.S_ISREG(mode) else "other"


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
