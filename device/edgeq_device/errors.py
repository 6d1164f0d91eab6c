"""Every error that edgeq expects, with its exit code and the hint that goes with it.

::

    EdgeqError         1   an expected failure: what and where, and a hint: what to do
      InputError       1   a file that is missing, empty or unreadable
      ModelError       1   not a model, dynamic shape, float where integer is needed
      ConfigError      1   key path or option, value seen, values allowed
      CalibrationError 1   empty folder, wrong shape, NaN
      OutputError      1   could not be written (disk full, permission, exists without --force)
      CompileError     1   edgetpu_compiler ran and refused
      GateFailed       3   all worked, but a bound was not met
      MissingTool      4   edgetpu_compiler, a runtime, libedgetpu or an extra is not installed
      MissingDevice    4   an Edge TPU was asked for by name and is not there
      BundleError      5   digest mismatch, unsafe path, newer format, golden vectors that fail

Exit code 2 is a usage error (typer's own), 70 a bug, 130 Ctrl-C.
"""

from __future__ import annotations

from os import PathLike, fspath
from typing import Union

PathText = Union[str, "PathLike[str]"]


class EdgeqError(Exception):
    """An expected failure: one sentence that names what and where, and a hint what to do.

    ``exit_code`` is what the command line ends with; ``str(error)`` is the sentence.
    """

    exit_code = 1

    def __init__(self, sentence: str, *, hint: str = "") -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.hint = hint


class _FileError(EdgeqError):
    def __init__(self, path: PathText, problem: str, *, hint: str = "") -> None:
        super().__init__(f"{fspath(path)}: {problem}", hint=hint)
        self.path = fspath(path)
        self.problem = problem


class InputError(_FileError):
    """A file that is missing, empty or unreadable."""


class ModelError(_FileError):
    """A file that is no model, or a model that edgeq cannot take (and why)."""


class CalibrationError(_FileError):
    """Calibration or test data that cannot be used; ``path`` is the file or folder it came from."""


class OutputError(_FileError):
    """A result that could not be written."""


class CompileError(_FileError):
    """edgetpu_compiler ran on the model at ``path`` and refused it; ``log`` is what it printed."""

    def __init__(self, path: PathText, problem: str, *, log: str = "", hint: str = "") -> None:
        super().__init__(path, problem, hint=hint)
        self.log = log


class ConfigError(EdgeqError):
    """An option or a key of edgeq.toml with a value that is not allowed (None: it is missing)."""

    def __init__(self, key: str, seen: object, allowed: str, *, hint: str = "") -> None:
        given = "not given" if seen is None else repr(seen)
        super().__init__(f"{key} is {given}, but must be {allowed}", hint=hint)
        self.key = key
        self.seen = seen
        self.allowed = allowed


class GateFailed(EdgeqError):
    """All steps worked, but the result does not meet a bound."""

    exit_code = 3


class MissingTool(EdgeqError):
    """A program, library or extra that this step needs is not installed."""

    exit_code = 4

    def __init__(self, tool: str, problem: str, *, hint: str = "") -> None:
        super().__init__(f"{tool}: {problem}", hint=hint)
        self.tool = tool


class MissingDevice(EdgeqError):
    """An Edge TPU was asked for by name and cannot be used."""

    exit_code = 4


class BundleError(_FileError):
    """A bundle that is damaged, unsafe, of a newer format, or with models of different origin."""

    exit_code = 5
