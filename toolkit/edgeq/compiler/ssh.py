"""edgetpu_compiler on another machine, through the user's own ssh and scp."""

from __future__ import annotations

import re
import shlex
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from edgeq.compiler.calling import Answer, Limit, call
from edgeq.compiler.find import NAME, read_version
from edgeq_device.errors import CompileError, ConfigError, EdgeqError, MissingTool

_SECONDS_TO_ASK = 60.0
_SECONDS_TO_COPY = 600.0
_FOLDER = re.compile(r"^(/tmp/edgeq-\w+)\s*$", re.MULTILINE)
_ENDED_BY_TIMEOUT = (124, 137)  # what timeout(1) gives after SIGTERM, and after SIGKILL
_OPTIONS = ("-o", "BatchMode=yes")  # never ask for a password
_HINT = "ssh must reach the host without a password: try it by hand"


@dataclass(frozen=True)
class SshDoor:
    """edgetpu_compiler as ``program`` on ``host`` ("user@host" or "host")."""

    host: str
    port: int | None = None
    program: str = NAME

    @classmethod
    def parse(cls, text: str) -> SshDoor:
        """The door of ``ssh://[user@]host[:port][/path/of/the/compiler]``; ConfigError else."""
        allowed = "ssh://user@host, with :port or /path/of/edgetpu_compiler behind where needed"
        try:
            parts = urlsplit(text)
            port = parts.port
        except ValueError:
            raise ConfigError("--compiler", text, allowed) from None
        host = parts.netloc.rpartition(":")[0] if port is not None else parts.netloc
        # A leading hyphen would be taken as an option by ssh.
        if not parts.hostname or host.startswith("-") or not re.fullmatch(r"[\w.@\[\]:%-]+", host):
            raise ConfigError("--compiler", text, allowed)
        program = parts.path if len(parts.path) > 1 else NAME
        return cls(host, port, program)

    @property
    def place(self) -> str:
        """As it was given."""
        port = f":{self.port}" if self.port is not None else ""
        return f"ssh://{self.host}{port}{self.program if self.program != NAME else ''}"

    def version(self) -> str:
        """As the compiler on the host says itself."""
        ended = self._shell(f"{shlex.quote(self.program)} --version", _SECONDS_TO_ASK)
        found = read_version(ended.log)
        if not found:
            last = (ended.log.strip().splitlines() or [f"exit code {ended.exit_code}"])[-1]
            raise MissingTool(NAME, f"does not answer on {self.host}: {last}", hint=_HINT)
        return found

    def compile(self, folder: Path, arguments: list[str], limit: Limit) -> Answer:
        """Copy ``folder`` there, run the compiler in it, copy its "out" back, remove the copy."""
        made = self._shell("mktemp -d /tmp/edgeq-XXXXXXXX", _SECONDS_TO_ASK)
        match = _FOLDER.search(made.log)
        if made.exit_code != 0 or match is None:
            last = (made.log.strip().splitlines() or ["nothing printed"])[-1]
            raise MissingTool("ssh", f"{self.host} gave no temporary folder: {last}", hint=_HINT)
        there = match[1]
        try:
            models = sorted(str(path) for path in folder.glob("*.tflite"))
            self._copy([*models, f"{self.host}:{there}/"], folder)
            seconds = max(int(limit.seconds), 1)
            line = " ".join(map(shlex.quote, [self.program, *arguments]))
            command = f"cd {there} && mkdir out && LC_ALL=C timeout -k 5 {seconds} {line}"
            # The host ends the compiler itself; the few seconds more are for the connection.
            more = Limit(limit.seconds + 15, limit.name, limit.tool)
            answer = call(self._command("ssh", self.host, command), folder, more)
            if answer.exit_code in _ENDED_BY_TIMEOUT:
                raise CompileError(
                    limit.name,
                    f"{limit.tool} did not finish within {seconds} s on {self.host}",
                    log=answer.log,
                    hint="give it more time with --compile-timeout, or make the model smaller",
                )
            self._copy(["-r", f"{self.host}:{there}/out", str(folder)], folder)
            return answer
        finally:
            with suppress(EdgeqError):
                self._shell(f"rm -rf {there}", _SECONDS_TO_ASK)

    def _shell(self, command: str, seconds: float) -> Answer:
        limit = Limit(seconds, self.host, tool="ssh")
        try:
            return call(self._command("ssh", self.host, command), Path.cwd(), limit)
        except CompileError as error:
            problem = f"{self.host} did not answer within {seconds:g} s"
            raise MissingTool("ssh", problem, hint=_HINT) from error

    def _copy(self, arguments: list[str], folder: Path) -> None:
        limit = Limit(_SECONDS_TO_COPY, self.host, tool="scp")
        ended = call(self._command("scp", *arguments), folder, limit)
        if ended.exit_code != 0:
            last = (ended.log.strip().splitlines() or ["nothing printed"])[-1]
            raise MissingTool("scp", f"could not copy from or to {self.host}: {last}", hint=_HINT)

    def _command(self, tool: str, *arguments: str) -> list[str]:
        port = [] if self.port is None else ["-P" if tool == "scp" else "-p", str(self.port)]
        quiet = ["-q", "-B"] if tool == "scp" else ["-T"]
        return [tool, *quiet, *_OPTIONS, *port, *arguments]
