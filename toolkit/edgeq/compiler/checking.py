"""Which ways to edgetpu_compiler work on this machine, and what to do about the others."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from edgeq.compiler.docker import DockerDoor
from edgeq.compiler.doors import Door, find_door
from edgeq.compiler.find import HINT
from edgeq_device.errors import EdgeqError


@dataclass(frozen=True)
class Finding:
    """One way: whether it works, what was found, what to do."""

    door: str
    works: bool
    found: str
    remedy: str = ""


def check_doors(compiler: str | Path | None = None) -> tuple[Finding, ...]:
    """Try the way that is named (``compiler``, $EDGEQ_COMPILER, PATH), then look for Docker, ssh.

    Nothing is installed or built, but an image of ours that was named by "docker".
    """
    return (_named(compiler), _docker(), _ssh())


def _named(compiler: str | Path | None) -> Finding:
    place = "binary"
    try:
        door: Door | None = find_door(compiler)
        if door is None:
            return Finding(place, works=False, found="no edgetpu_compiler on PATH", remedy=HINT)
        place = door.place
        return Finding(place, works=True, found=f"edgetpu_compiler {door.version()}")
    except EdgeqError as error:
        return Finding(place, works=False, found=str(error), remedy=error.hint)


def _docker() -> Finding:
    if shutil.which("docker") is None:
        remedy = "install Docker, which also runs edgetpu_compiler on ARM and macOS"
        return Finding("docker", works=False, found="no docker on PATH", remedy=remedy)
    door = DockerDoor()
    if not door.available():
        return Finding("docker", works=False, found="does not answer", remedy="start Docker")
    if door.built():
        return Finding("docker", works=True, found=f"{door.place} is there")
    return Finding(
        "docker",
        works=True,
        found="answers; the image is built on first use, with Google's package",
        remedy="use it with --compiler docker",
    )


def _ssh() -> Finding:
    missing = [tool for tool in ("ssh", "scp") if shutil.which(tool) is None]
    if missing:
        found = f"no {' and no '.join(missing)} on PATH"
        return Finding("ssh", works=False, found=found, remedy="install an OpenSSH client")
    # Which host is the user's to say: that ssh is here does not prove that a compiler is there.
    remedy = "name a host with --compiler ssh://user@host and ask again"
    return Finding("ssh", works=False, found="ssh and scp are here, no host named", remedy=remedy)
