"""edgetpu_compiler in a container: for machines that are not x86-64 Debian or Ubuntu."""

from __future__ import annotations

import hashlib
import os
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgeq.compiler.calling import Answer, Limit, call
from edgeq.compiler.find import NAME, read_version
from edgeq_device.errors import CompileError, EdgeqError, MissingTool

PLATFORM = "linux/amd64"  # Google's compiler exists for no other
DOCKERFILE = """\
FROM debian:bookworm-slim
RUN apt-get update \\
 && apt-get install -y --no-install-recommends ca-certificates curl gnupg \\
 && curl -fsSL https://packages.cloud.google.com/apt/doc/apt-key.gpg \\
    | gpg --dearmor -o /usr/share/keyrings/coral-edgetpu.gpg \\
 && echo "deb [signed-by=/usr/share/keyrings/coral-edgetpu.gpg] \\
https://packages.cloud.google.com/apt coral-edgetpu-stable main" \\
    > /etc/apt/sources.list.d/coral-edgetpu.list \\
 && apt-get update \\
 && apt-get install -y --no-install-recommends edgetpu-compiler \\
 && rm -rf /var/lib/apt/lists/*
WORKDIR /work
"""
"""Installs Google's package on the user's own machine: its license forbids handing it out."""

_SECONDS_TO_BUILD = 1800.0
_SECONDS_TO_ASK = 120.0
_HINT = "start Docker, or give another way with --compiler; see edgeq doctor --for build"


def own_image() -> str:
    """The tag of the image that `DOCKERFILE` makes: another text gives another tag."""
    return f"edgeq-edgetpu-compiler:{hashlib.sha256(DOCKERFILE.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class DockerDoor:
    """edgetpu_compiler in the image ``image``; "" for ours, which is built on first use."""

    image: str = ""

    @property
    def place(self) -> str:
        """The image."""
        return f"docker:{self.image or own_image()}"

    def available(self) -> bool:
        """True where Docker answers; nothing is built or fetched."""
        try:
            ended = self._docker(["version", "--format", "{{.Server.Version}}"], _SECONDS_TO_ASK)
        except EdgeqError:
            return False
        return ended.exit_code == 0

    def built(self) -> bool:
        """True where the image is there."""
        return self._docker(["image", "inspect", self._tag], _SECONDS_TO_ASK).exit_code == 0

    def version(self) -> str:
        """As the compiler in the image says itself; builds the image where it is ours."""
        self._build_once()
        ended = self._docker([*self._run(), NAME, "--version"], _SECONDS_TO_ASK)
        found = read_version(ended.log)
        if not found:
            problem = f"the image {self._tag} did not tell the compiler's version"
            raise MissingTool(NAME, f"{problem} (exit code {ended.exit_code})", hint=_HINT)
        return found

    def compile(self, folder: Path, arguments: list[str], limit: Limit) -> Answer:
        """Run the compiler on ``folder``, without a network; the container ends with the limit."""
        self._build_once()
        container = f"edgeq-{secrets.token_hex(8)}"
        mount = f"type=bind,source={folder.resolve()},target=/work"
        user = f"{os.getuid()}:{os.getgid()}"
        options = ["--name", container, "--mount", mount, "--user", user, "--workdir", "/work"]
        command = ["docker", *self._run(*options), NAME, *arguments]
        try:
            return call(command, folder, limit)
        except BaseException:
            # Ending the client leaves the container running.
            with suppress(EdgeqError):
                self._docker(["rm", "--force", container], _SECONDS_TO_ASK)
            raise

    @property
    def _tag(self) -> str:
        return self.image or own_image()

    def _run(self, *options: str) -> list[str]:
        fixed = ["run", "--rm", "--platform", PLATFORM, "--network", "none", "--env", "LC_ALL=C"]
        return [*fixed, *options, self._tag]

    def _build_once(self) -> None:
        """Build our image where it is not there yet; the user's own image is taken as it is."""
        if self.image or self.built():
            return
        command = ["build", "--platform", PLATFORM, "--tag", own_image(), "-"]
        ended = self._docker(command, _SECONDS_TO_BUILD, DOCKERFILE.encode())
        if ended.exit_code != 0:
            last = (ended.log.strip().splitlines() or ["nothing printed"])[-1]
            raise MissingTool("docker", f"could not build the compiler's image: {last}", hint=_HINT)

    def _docker(self, arguments: list[str], seconds: float, given: bytes | None = None) -> Answer:
        limit = Limit(seconds, "docker", tool="docker")
        try:
            return call(["docker", *arguments], Path.cwd(), limit, given)
        except CompileError as error:
            problem = f"docker {arguments[0]} did not finish within {seconds:g} s"
            raise MissingTool("docker", problem, hint=_HINT) from error
