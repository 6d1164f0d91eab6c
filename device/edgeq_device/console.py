"""What the commands say: results on stdout, all else on stderr; and the one error boundary."""

from __future__ import annotations

import errno
import json
import os
import re
import sys
import traceback
from collections.abc import Mapping
from typing import Any, TextIO

import typer
from typer.core import TyperGroup

from edgeq_device import __version__
from edgeq_device.errors import EdgeqError

BUG = 70
INTERRUPTED = 130
ISSUES = "please report it, with this output, where you got edgeq from"
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_MACHINE = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EIO)

# The base of typer's own usage errors, which typer shows itself; click is inside typer or not.
_USAGE_ERROR: Any = next(
    each for each in typer.BadParameter.__mro__ if each.__name__ == "ClickException"
)


class ErrorBoundary(TyperGroup):
    """A group of commands in which every failure becomes a sentence, a hint and an exit code."""

    def make_context(self, *arguments: Any, **options: Any) -> Any:
        """Read the command line; --help and --version write here, and the disk may be full."""
        try:
            return super().make_context(*arguments, **options)
        except OSError as error:
            raise typer.Exit(report(error)) from None

    def invoke(self, ctx: Any) -> Any:
        """Run the command; only typer's own exceptions leave it."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, _USAGE_ERROR):
            raise
        except BaseException as error:
            raise typer.Exit(report(error)) from None


def report(error: BaseException) -> int:
    """Say on stderr what happened; returns the exit code."""
    end_progress()
    if isinstance(error, EdgeqError):
        _line("error: ", _RED, error.sentence)
        if error.hint:
            _line("hint: ", _BLUE, error.hint)
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        # CPython dies of the signal at its exit, whatever was caught, where that hit inside
        # exec(), which dataclasses use while they are imported; the next exec() forgets it.
        exec("")
        _line("", "", "stopped")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        _silence_stdout()
        return 1
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in _MACHINE:
        return _report_machine(error)
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    _line("error: ", _RED, f"a bug in edgeq {__version__}: {type(error).__name__}: {error}")
    _line("hint: ", _BLUE, ISSUES)
    return BUG


def _report_machine(error: BaseException) -> int:
    """What is no bug, but a machine without room."""
    if isinstance(error, OSError):
        _silence_stdout()
        _line("error: ", _RED, f"could not write: {error.strerror}")
        _line("hint: ", _BLUE, "free some space, or write elsewhere")
    else:
        _line("error: ", _RED, "out of memory")
        _line("hint: ", _BLUE, "close other programs, or use a smaller model")
    return 1


def result(text: str) -> None:
    """Lines of the result, on stdout."""
    typer.echo(_printable(text, sys.stdout))


def result_json(document: Mapping[str, Any]) -> None:
    """One JSON document on one line of stdout; the keys keep their order."""
    typer.echo(json.dumps(document, allow_nan=False))


def say(text: str) -> None:
    """Narration, on stderr."""
    end_progress()
    typer.echo(_printable(text, sys.stderr), err=True)


def warn(text: str) -> None:
    """A warning, on stderr."""
    end_progress()
    _line("warning: ", _YELLOW, text)


_drawn = 0


def show_progress(stage: str, done: int, total: int) -> None:
    """A `Progress` that redraws one line of stderr where that is a terminal, else is silent."""
    global _drawn
    if not sys.stderr.isatty():
        return
    text = f"{stage} {done}/{total}" if total else f"{stage} {done}"
    sys.stderr.write("\r" + text.ljust(_drawn))
    sys.stderr.flush()
    _drawn = len(text)
    if total and done >= total:
        end_progress()


def end_progress() -> None:
    """Wipe the progress line, if one is drawn."""
    global _drawn
    if _drawn:
        sys.stderr.write("\r" + " " * _drawn + "\r")
        sys.stderr.flush()
        _drawn = 0


_RED, _YELLOW, _BLUE = "31", "33", "34"


def _line(head: str, color: str, text: str) -> None:
    text = _printable(text, sys.stderr)
    if head and sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        head = f"\x1b[{color}m{head}\x1b[0m"
    typer.echo(head + text, err=True)


def _printable(text: str, stream: TextIO) -> str:
    """Text that the stream can take and a terminal only shows: names come from anybody's files."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    shown = text.encode(encoding, "backslashreplace").decode(encoding)
    return _CONTROL.sub("?", shown)


def _silence_stdout() -> None:
    """Whoever read our results has gone: nothing more can be written, also not at exit."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):
        return
