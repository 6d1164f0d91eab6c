"""Runs the command line: in this process, or in one of its own where exit and signals matter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from edgeq.cli import make_app

PLAIN = {"NO_COLOR": "1", "COLUMNS": "", "EDGEQ_COMPILER": "", "EDGEQ_RUNTIME": ""}
"""No colors, and nothing of this machine's own settings."""


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        (line,) = self.stdout.splitlines()
        found: dict[str, Any] = json.loads(line)
        return found

    @property
    def lines(self) -> list[dict[str, Any]]:
        """JSON lines on stdout."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def edgeq(*arguments: object, env: dict[str, str] | None = None) -> Ended:
    """Run a command in this process."""
    given = {**PLAIN, **(env or {})}
    runner = CliRunner(env={key: value or None for key, value in given.items()})
    ended = runner.invoke(make_app(), [str(each) for each in arguments])
    assert ended.exception is None or isinstance(ended.exception, SystemExit), ended.exception
    return Ended(ended.exit_code, ended.stdout, ended.stderr)


def process(
    *arguments: object,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    before: Callable[[], None] | None = None,
    given: bytes | None = None,
) -> Ended:
    """Run a command as users do: ``python -m edgeq`` in a process of its own."""
    ended = subprocess.run(
        command(*arguments),
        cwd=cwd,
        env=environment(env),
        preexec_fn=before,
        input=given,
        stdin=subprocess.DEVNULL if given is None else None,
        capture_output=True,
        timeout=300,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "edgeq", *map(str, arguments)]


def environment(more: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment with `PLAIN` and ``more``; empty values are left out."""
    found = {**os.environ, **PLAIN, **(more or {})}
    return {key: value for key, value in found.items() if value}


def done(ended: Ended) -> Ended:
    """The same, after the check that it went well."""
    assert ended.code == 0, f"exit code {ended.code}\n{ended.stdout}\n{ended.stderr}"
    return ended


def refused(ended: Ended, sentence: str, hint: str, *, code: int = 1) -> None:
    """Check that it ended with this code, sentence and hint, and with nothing on stdout."""
    said = ended.stderr.splitlines()[-2:]
    assert said == [f"error: {sentence}", f"hint: {hint}"], ended.stderr
    assert ended.code == code
    assert ended.stdout == ""
    assert "Traceback" not in ended.stderr


def files_in(folder: Path) -> list[str]:
    """All files below ``folder``, hidden ones too."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())
