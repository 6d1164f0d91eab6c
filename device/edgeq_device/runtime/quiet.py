"""Keeps a runtime's chatter off stderr while a model is built, and nothing else."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

enabled = True
"""A child process that may crash turns it off, so that its last words reach its parent."""

_CHATTER = (b"INFO: ",)
_one_at_a_time = threading.RLock()


@contextmanager
def quiet_build() -> Iterator[None]:
    """Drop the lines "INFO: ..." that native code writes to file descriptor 2; replay the others.

    The runtimes have no switch for them. Where stderr cannot be redirected (closed, or no room
    for a temporary file) everything goes through as it is.
    """
    with _one_at_a_time:
        redirected = _redirect() if enabled else None
        try:
            yield
        finally:
            if redirected is not None:
                _restore(*redirected)


def _redirect() -> tuple[int, IO[bytes]] | None:
    """Point file descriptor 2 to a scratch file -> (the real stderr, the scratch file)."""
    _flush()
    try:
        stderr = os.dup(2)
    except OSError:
        return None
    try:
        scratch = _scratch()
    except OSError:
        os.close(stderr)
        return None
    os.dup2(scratch.fileno(), 2)
    return stderr, scratch


def _restore(stderr: int, scratch: IO[bytes]) -> None:
    _flush()
    os.dup2(stderr, 2)
    os.close(stderr)
    with scratch:
        scratch.seek(0)
        lines = scratch.read().splitlines(keepends=True)
    kept = b"".join(line for line in lines if not line.startswith(_CHATTER))
    with suppress(OSError):  # nobody reads stderr any more
        while kept:
            kept = kept[os.write(2, kept) :]


def _scratch() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("edgeq-stderr"), "w+b", buffering=0)
    import tempfile

    return tempfile.TemporaryFile(buffering=0)


def _flush() -> None:
    with suppress(OSError, ValueError, AttributeError):  # closed, or there is none
        sys.stderr.flush()
