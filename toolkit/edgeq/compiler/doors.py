"""Ways to reach edgetpu_compiler: a program of this machine, a container, another machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgeq.compiler.calling import Answer, Limit, call
from edgeq.compiler.docker import DockerDoor
from edgeq.compiler.find import HINT, NAME, find_compiler, identify
from edgeq.compiler.ssh import SshDoor
from edgeq_device.errors import MissingTool

OUT = "out"
"""The folder for results inside a job's folder."""


class Door(Protocol):
    """A way to an edgetpu_compiler."""

    @property
    def place(self) -> str:
        """What people read: a path, "docker:IMAGE" or "ssh://host"."""

    def version(self) -> str:
        """The compiler's version, "16.0.384591198"; MissingTool where there is none."""

    def compile(self, folder: Path, arguments: list[str], limit: Limit) -> Answer:
        """Run the compiler with ``folder`` as its working folder; results come to its "out"."""


@dataclass(frozen=True)
class BinaryDoor:
    """An edgetpu_compiler on this machine."""

    path: Path

    @property
    def place(self) -> str:
        """Its path."""
        return str(self.path)

    def version(self) -> str:
        """As it says itself."""
        return identify(self.path).version

    def compile(self, folder: Path, arguments: list[str], limit: Limit) -> Answer:
        """Run it."""
        return call([str(self.path), *arguments], folder, limit)


def find_door(compiler: str | Path | None = None) -> Door | None:
    """The door that ``compiler``, else ``$EDGEQ_COMPILER``, else PATH names; else None."""
    from os import environ

    wanted = str(compiler or environ.get("EDGEQ_COMPILER") or "")
    if wanted == "docker" or wanted.startswith("docker:"):
        return DockerDoor(wanted.partition(":")[2])
    if wanted.startswith("ssh://"):
        return SshDoor.parse(wanted)
    path = find_compiler(compiler)
    return None if path is None else BinaryDoor(path)


def open_door(compiler: str | Path | None = None) -> Door:
    """The same, but MissingTool where there is none."""
    door = find_door(compiler)
    if door is None:
        raise MissingTool(NAME, "not found on PATH", hint=HINT)
    return door
