"""Help, usage errors, colors: what every command has in common."""

from __future__ import annotations

import os
import pty
import re
import subprocess
from pathlib import Path

import pytest

from tests.cli.conftest import Workshop
from tests.cli.running import command, done, edgeq, environment, process, refused

COMMANDS = (
    *("build", "compare", "evaluate", "compile", "doctor", "legalize", "analyze"),
    *("run", "benchmark", "info", "verify", "demo"),
)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_ends_with_two_examples(name: str) -> None:
    ended = done(edgeq(name, "--help"))
    assert ended.stderr == ""
    *_, head, first, second = [line for line in ended.stdout.splitlines() if line.strip()]
    assert head.strip() == "Examples:"
    assert first.strip().startswith(f"edgeq {name}")
    assert second.strip().startswith(f"edgeq {name}")
    assert first != second
    assert edgeq(name, "-h").stdout == ended.stdout


def test_the_help_of_edgeq_lists_every_command() -> None:
    ended = done(process("--help"))
    listed = [line.split()[0] for line in ended.stdout.split("Commands:")[1].splitlines() if line]
    assert listed == list(COMMANDS)
    assert ended.stderr == ""


def test_edgeq_without_arguments_shows_the_help() -> None:
    ended = process()
    assert ended.code == 2
    assert "Commands:" in ended.stderr + ended.stdout


def test_the_version() -> None:
    assert done(edgeq("--version")).stdout == "edgeq 0.1.0\n"


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["nonsense"], "No such command 'nonsense'."),
        (["build", "x.tflite", "--nonsense"], "No such option: --nonsense"),
        (["build", "x.tflite", "--samples", "many"], "'many' is not a valid int"),
        (["compare", "x.tflite"], "Missing option '--data'"),
        (["evaluate", "x.tflite"], "Missing option '--data'"),
        (["run", "x.edgeq"], "Missing argument 'INPUT...'"),
        (["info"], "Missing argument"),
    ],
)
def test_usage_errors_end_with_2(arguments: list[str], problem: str) -> None:
    ended = edgeq(*arguments)
    assert ended.code == 2
    assert problem in ended.stderr
    assert ended.stdout == ""


def test_build_without_a_model_asks_for_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused(
        edgeq("build"),
        "MODEL is not given, but must be a model",
        "edgeq build MODEL ..., or model = ... in edgeq.toml",
    )


@pytest.mark.parametrize(("variable", "colored"), [("", True), ("1", False)])
def test_only_a_terminal_without_no_color_gets_colors(variable: str, colored: bool) -> None:
    said = on_a_terminal("build", "missing.tflite", NO_COLOR=variable, TERM="xterm")
    assert "missing.tflite: does not exist" in said
    assert ("\x1b[31merror: \x1b[0m" in said) == colored
    assert bool(re.search(r"\x1b\[[0-9;]*m", said)) == colored


def test_no_color_is_written_into_files(shop: Workshop) -> None:
    options = [*shop.options, "--data", shop.test]
    ended = done(process("compare", shop.model, *options, env={"NO_COLOR": ""}))
    assert "\x1b" not in ended.stdout + ended.stderr


def on_a_terminal(*arguments: str, **variables: str) -> str:
    """What a command says on a stderr that is a terminal."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command(*arguments), env=environment(variables), stdout=subprocess.PIPE, stderr=theirs
    ):
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # Linux says so where all writers have gone
                break
            if not piece:
                break
            said += piece
    os.close(ours)
    return said.decode()
