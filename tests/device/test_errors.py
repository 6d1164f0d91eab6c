"""The errors: sentence, hint, exit code, and the tree that the docstring draws."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from edgeq_device import errors
from edgeq_device.errors import (
    CompileError,
    ConfigError,
    EdgeqError,
    GateFailed,
    MissingDevice,
    MissingTool,
    ModelError,
)


def test_the_docstring_draws_the_tree_with_its_exit_codes() -> None:
    drawn = re.findall(r"^ +([A-Z]\w+) +(\d+) ", errors.__doc__ or "", re.MULTILINE)
    classes = {
        name: kind.exit_code
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, EdgeqError) and not name.startswith("_")
    }
    assert {name: int(code) for name, code in drawn} == classes
    assert classes["GateFailed"] == 3
    assert classes["BundleError"] == 5


@pytest.mark.parametrize("name", ["InputError", "ModelError", "CalibrationError", "OutputError"])
def test_an_error_about_a_file_names_it_first(name: str) -> None:
    kind = getattr(errors, name)
    for path in ("a/b.tflite", Path("a/b.tflite")):
        error = kind(path, "is empty", hint="copy it again")
        assert str(error) == error.sentence == "a/b.tflite: is empty"
        assert (error.path, error.problem, error.hint) == (
            "a/b.tflite",
            "is empty",
            "copy it again",
        )
    assert kind("a", "b").hint == ""


def test_a_wrong_value_is_shown_as_it_was_given() -> None:
    error = ConfigError("--mode", "int", "one of integer, float", hint="see --help")
    assert str(error) == "--mode is 'int', but must be one of integer, float"
    assert (error.key, error.seen, error.allowed) == ("--mode", "int", "one of integer, float")
    assert error.hint == "see --help"


def test_a_missing_tool_names_itself() -> None:
    error = MissingTool("edgetpu_compiler", "not found", hint="install it")
    assert str(error) == "edgetpu_compiler: not found"
    assert (error.tool, error.exit_code) == ("edgetpu_compiler", 4)
    assert MissingDevice("no Edge TPU at usb:0").exit_code == 4


def test_the_compilers_log_is_kept() -> None:
    error = CompileError("m.tflite", "refused", log="line 1\nline 2")
    assert (str(error), error.log) == ("m.tflite: refused", "line 1\nline 2")


def test_every_error_is_caught_as_one() -> None:
    for error in (GateFailed("too bad"), ModelError("m", "x"), MissingTool("t", "p")):
        with pytest.raises(EdgeqError):
            raise error
