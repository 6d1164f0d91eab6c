"""Runs a program in a process group of its own, with a time limit that ends all of it."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgeq_device.errors import CompileError, MissingTool


@dataclass(frozen=True)
class Answer:
    """How a program ended; ``log`` is output and errors in the order of printing."""

    exit_code: int
    log: str


@dataclass(frozen=True)
class Limit:
    """How long a program may take, and what an error about it says."""

    seconds: float
    name: str
    """The model, for errors."""
    tool: str = "edgetpu_compiler"


def call(command: list[str], folder: Path, limit: Limit, given: bytes | None = None) -> Answer:
    """Run ``command`` in ``folder``; ``given`` is its standard input.

    CompileError past the limit, MissingTool where it cannot be started.
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, "LC_ALL": "C"},  # "Segmentation fault" must not be translated
            stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        problem = f"{command[0]} cannot be run: {error.strerror}"
        raise MissingTool(limit.tool, problem, hint="see --compiler") from error
    with process:
        try:
            raw, _ = process.communicate(input=given, timeout=limit.seconds)
        except subprocess.TimeoutExpired:
            end(process)
            raise CompileError(
                limit.name,
                f"{limit.tool} did not finish within {limit.seconds:g} s",
                log=_rest(process).decode("utf-8", "replace"),
                hint="give it more time with --compile-timeout, or make the model smaller",
            ) from None
        except BaseException:
            end(process)
            raise
    return Answer(process.returncode, raw.decode("utf-8", "replace"))


def end(process: subprocess.Popen[bytes]) -> None:
    """End the whole group: the compiler is a shell script around the program that works."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _rest(process: subprocess.Popen[bytes]) -> bytes:
    try:
        return process.communicate(timeout=5)[0]
    except subprocess.TimeoutExpired as still_open:  # by a process that left the group
        return still_open.stdout or b""
