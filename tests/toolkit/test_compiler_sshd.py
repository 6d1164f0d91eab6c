"""ssh as a way to the compiler, once for real: Debian's OpenSSH server on loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeq.compiler import CompileOptions, compile_model
from edgeq.compiler.ssh import SshDoor
from edgeq_device.errors import MissingTool
from tests.device.factories import conv_classifier
from tests.toolkit.test_compiler import STAND_IN, twin

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")

pytestmark = pytest.mark.skipif(
    SSHD is None or shutil.which("ssh") is None,
    reason="needs OpenSSH's server and client: apt-get install openssh-server openssh-client",
)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def key(path: Path) -> Path:
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)]
    subprocess.run(command, check=True)
    return path


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server of its own keys; the client finds its own key through a wrapper on PATH."""
    host, user = key(tmp_path / "host_key"), key(tmp_path / "user_key")
    port = free_port()
    allowed = tmp_path / "authorized_keys"
    allowed.write_bytes(user.with_suffix(".pub").read_bytes())
    (tmp_path / "twin.bin").write_bytes(twin())
    config = tmp_path / "sshd_config"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host}\nAuthorizedKeysFile {allowed}\n"
        f"PidFile {tmp_path}/pid\nStrictModes no\nUsePAM no\nPasswordAuthentication no\n"
        f"SetEnv EDGEQ_FAKE_TWIN={tmp_path}/twin.bin\nSubsystem sftp internal-sftp\n"
    )
    for tool in ("ssh", "scp"):
        wrapper = tmp_path / "bin" / tool
        wrapper.parent.mkdir(exist_ok=True)
        wrapper.write_text(
            f"#!/bin/sh\nexec {shutil.which(tool)} -F none -i {user} -o IdentitiesOnly=yes "
            f'-o StrictHostKeyChecking=no -o UserKnownHostsFile={tmp_path}/known_hosts "$@"\n'
        )
        wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    with (tmp_path / "sshd.log").open("wb") as log:
        process = subprocess.Popen([str(SSHD), "-D", "-e", "-f", str(config)], stderr=log)
    try:
        wait_for(port, process, tmp_path / "sshd.log")
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(200):
        if process.poll() is not None:
            pytest.skip(f"sshd does not start here: {log.read_text().strip()[-200:]}")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("sshd does not answer")


def folders() -> set[Path]:
    return set(Path("/tmp").glob("edgeq-????????"))


def test_a_compilation_over_ssh(server: int, tmp_path: Path) -> None:
    model = tmp_path / "my model.tflite"
    model.write_bytes(conv_classifier())
    before = folders()
    address = f"ssh://{getpass.getuser()}@127.0.0.1:{server}{STAND_IN}"
    report = compile_model(model, CompileOptions(compiler=address))
    assert report.compiled == twin()
    assert (report.compiler_version, report.mapped_operators) == ("16.0.384591198", 6)
    assert folders() == before


def test_a_host_without_the_compiler(server: int, tmp_path: Path) -> None:
    door = SshDoor(f"{getpass.getuser()}@127.0.0.1", server, "/no/such/compiler")
    with pytest.raises(MissingTool, match="does not answer on .*not found|No such file"):
        door.version()
