"""Keeps a runtime's chatter off stderr while a model is built, and nothing else."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

enabled = True
"""A child process that may crash turns it off, so that its last words reach its parent."""

_CHATTER = (b"INFO: ",)
_one_at_a_time = threading.Lock()


@contextmanager
def quiet_build() -> Iterator[None]:
    """Drop the lines "INFO: ..." that native code writes to file descriptor 2; replay the others.

    The runtimes have no switch for them. Where stderr cannot be redirected (closed, or no room
    for a temporary file) everything goes through as it is.
    """
    if not enabled:
        yield
        return
    with _one_at_a_time:
        try:
            sys.stderr.flush()
            kept = os.dup(2)
        except (OSError, AttributeError, ValueError):
            yield
            return
        try:
            buffer = _scratch()
        except OSError:
            os.close(kept)
            yield
            return
        with buffer:
            os.dup2(buffer.fileno(), 2)
            try:
                yield
            finally:
                os.dup2(kept, 2)
                os.close(kept)
                _replay(buffer)


def _scratch() -> IO[bytes]:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("edgeq-stderr"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)


def _replay(buffer: IO[bytes]) -> None:
    buffer.seek(0)
    for line in buffer.read().splitlines(keepends=True):
        if not line.startswith(_CHATTER):
            os.write(2, line)
