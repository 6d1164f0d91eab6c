"""Where edgetpu_compiler is, and which version."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from edgeq_device.errors import MissingTool

NAME = "edgetpu_compiler"
HINT = (
    "install it on x86-64 Debian or Ubuntu from Google's package source coral-edgetpu-stable "
    "(apt install edgetpu-compiler), and give its path with --compiler or $EDGEQ_COMPILER"
)

_VERSION = re.compile(r"Edge TPU Compiler version (\S+)")
_SECONDS_FOR_VERSION = 30.0


@dataclass(frozen=True)
class Compiler:
    """An edgetpu_compiler that answered when it was asked for its version."""

    path: Path
    version: str
    """As it says itself: "16.0.384591198"."""

    @property
    def major(self) -> int:
        """The first number of the version; options differ with it."""
        return int(self.version.split(".")[0])


def find_compiler(path: str | Path | None = None) -> Path | None:
    """edgetpu_compiler at ``path``, else at ``$EDGEQ_COMPILER``, else on PATH; else None.

    MissingTool where a path was given and is not an executable file.
    """
    option = "--compiler" if path else "$EDGEQ_COMPILER"
    path = path or os.environ.get("EDGEQ_COMPILER")
    if not path:
        on_path = shutil.which(NAME)
        return Path(on_path).absolute() if on_path else None
    found = shutil.which(path)
    if found is None:
        problem = "is not executable" if Path(path).is_file() else "does not exist"
        raise MissingTool(NAME, f"{path} {problem}", hint=f"see {option}; or {HINT}")
    return Path(found).absolute()


def identify(path: Path) -> Compiler:
    """Ask the program at ``path`` for its version; MissingTool where it is no edgetpu_compiler."""
    try:
        done = subprocess.run(
            [str(path), "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_SECONDS_FOR_VERSION,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MissingTool(
            NAME, f"{path} did not tell its version within {_SECONDS_FOR_VERSION:g} s", hint=HINT
        ) from None
    except OSError as error:
        raise MissingTool(NAME, f"{path} cannot be run: {error.strerror}", hint=HINT) from error
    version = read_version(done.stdout.decode("utf-8", "replace"))
    if not version:
        raise MissingTool(
            NAME,
            f"{path} did not tell its version (exit code {done.returncode})",
            hint=f"it may be another program, or damaged; {HINT}",
        )
    return Compiler(path, version)


def read_version(text: str) -> str:
    """The version in what the compiler prints, "16.0.384591198"; "" where there is none."""
    match = _VERSION.search(text)
    return match[1] if match and match[1].split(".")[0].isdecimal() else ""
