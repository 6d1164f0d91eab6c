"""Docker and ssh as ways to the compiler, through stand-ins that record how they were called."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from edgeq.compiler import CompileOptions, check_doors, compile_model, open_door
from edgeq.compiler.docker import DOCKERFILE, own_image
from edgeq.compiler.ssh import SshDoor
from edgeq_device.errors import CompileError, ConfigError, MissingTool
from tests.device.factories import conv_classifier
from tests.toolkit.test_compiler import assert_ended, twin

FAKES = Path(__file__).resolve().parent.parent / "fakes"


class Calls:
    """What the stand-ins were called with."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def all(self) -> list[list[str]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def verbs(self) -> list[str]:
        return [call[1] for call in self.all()]


@pytest.fixture
def calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Calls:
    for name in ("EDGEQ_FAKE_COMPILER", "EDGEQ_COMPILER", "EDGEQ_FAKE_DOCKER", "EDGEQ_FAKE_SSH"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "images").mkdir()
    (tmp_path / "calls").touch()
    (tmp_path / "twin.tflite").write_bytes(twin())
    monkeypatch.setenv("EDGEQ_FAKE_TWIN", str(tmp_path / "twin.tflite"))
    monkeypatch.setenv("EDGEQ_FAKE_IMAGES", str(tmp_path / "images"))
    monkeypatch.setenv("EDGEQ_FAKE_CALLS", str(tmp_path / "calls"))
    monkeypatch.setenv("PATH", f"{FAKES}:{os.environ['PATH']}")
    return Calls(tmp_path / "calls")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "my model; rm -rf.tflite"
    path.write_bytes(conv_classifier())
    return path


class TestDocker:
    def test_builds_our_image_once_and_compiles_in_it(self, calls: Calls, model: Path) -> None:
        for _ in range(2):
            report = compile_model(model, CompileOptions(compiler="docker", timeout=77))
            assert report.compiled == twin()
            assert report.compiler_version == "16.0.384591198"
        assert calls.verbs().count("build") == 1
        (build,) = (call for call in calls.all() if call[1] == "build")
        assert build == [
            *("docker", "build", "--platform", "linux/amd64", "--tag", own_image(), "-"),
            DOCKERFILE,
        ]
        runs = [call for call in calls.all() if call[1] == "run" and "--mount" in call]
        assert len(runs) == 2
        words = runs[0]
        for pair in (
            ("--platform", "linux/amd64"),
            ("--network", "none"),
            ("--user", f"{os.getuid()}:{os.getgid()}"),
            ("--workdir", "/work"),
        ):
            assert words[words.index(pair[0]) + 1] == pair[1]
        end = words.index("edgetpu_compiler")
        assert words[end - 1] == own_image()
        assert words[end + 1 :] == ["-s", "-o", "out", "-m", "14", "-t", "77", "model.tflite"]

    def test_the_tag_follows_the_dockerfile(self) -> None:
        assert own_image().startswith("edgeq-edgetpu-compiler:")
        assert " coral-edgetpu-stable main" in DOCKERFILE
        assert "--no-install-recommends edgetpu-compiler " in DOCKERFILE

    def test_takes_the_users_own_image_as_it_is(self, calls: Calls, model: Path) -> None:
        (calls.path.parent / "images" / "mine:1").touch()
        assert compile_model(model, CompileOptions(compiler="docker:mine:1")).ok
        assert "build" not in calls.verbs()

    def test_image_that_is_not_there(self, calls: Calls, model: Path) -> None:
        with pytest.raises(MissingTool) as caught:
            compile_model(model, CompileOptions(compiler="docker:none"))
        assert str(caught.value) == (
            "edgetpu_compiler: the image none did not tell the compiler's version (exit code 1)"
        )

    @pytest.mark.parametrize(
        ("mode", "last"),
        [
            ("down", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."),
            (
                "build",
                "ERROR: failed to solve: process did not complete successfully: exit code: 100",
            ),
        ],
    )
    def test_docker_that_fails(
        self, calls: Calls, model: Path, mode: str, last: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_DOCKER", mode)
        with pytest.raises(MissingTool) as caught:
            compile_model(model, CompileOptions(compiler="docker"))
        assert str(caught.value) == f"docker: could not build the compiler's image: {last}"
        assert "edgeq doctor --for build" in caught.value.hint

    def test_container_is_removed_where_time_is_over(
        self, calls: Calls, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from edgeq.compiler import run

        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "hang")
        monkeypatch.setattr(run, "_GRACE", 1.0)
        (calls.path.parent / "images" / "mine").touch()
        with pytest.raises(CompileError, match="did not finish within 2 s"):
            compile_model(model, CompileOptions(compiler="docker:mine", timeout=1))
        started = [call for call in calls.all() if call[1] == "run" and "--name" in call][0]
        name = started[started.index("--name") + 1]
        assert calls.all()[-1] == ["docker", "rm", "--force", name]


class TestSsh:
    def test_copies_compiles_copies_back_and_cleans_up(self, calls: Calls, model: Path) -> None:
        report = compile_model(model, CompileOptions(compiler="ssh://me@host:2222", timeout=77))
        assert report.compiled == twin()
        version, made, there, compiled, back, removed = calls.all()
        batch = ["-o", "BatchMode=yes"]
        assert version == [
            *("ssh", "-T", *batch, "-p", "2222", "me@host"),
            "edgetpu_compiler --version",
        ]
        assert made[-1] == "mktemp -d /tmp/edgeq-XXXXXXXX"
        folder = there[-1].removeprefix("me@host:").rstrip("/")
        assert there[:7] == ["scp", "-q", "-B", *batch, "-P", "2222"]
        assert compiled[-1] == (
            f"cd {folder} && mkdir out && LC_ALL=C timeout -k 5 107 edgetpu_compiler -s -o out "
            "-m 14 -t 77 model.tflite"
        )
        assert back[-2] == f"me@host:{folder}/out"
        assert removed[-1] == f"rm -rf {folder}"
        assert not Path(folder).exists()

    def test_failure_is_explained_and_cleaned_up(
        self, calls: Calls, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "parse")
        with pytest.raises(CompileError, match="EXP version 2 is newer than the compiler"):
            compile_model(model, CompileOptions(compiler="ssh://host"))
        assert calls.all()[-1][-1].startswith("rm -rf /tmp/edgeq-")

    def test_the_host_ends_what_takes_too_long(
        self, calls: Calls, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from edgeq.compiler import run

        monkeypatch.setenv("EDGEQ_FAKE_COMPILER", "hang")
        monkeypatch.setenv("EDGEQ_FAKE_PIDS", str(tmp_path / "pids"))
        monkeypatch.setattr(run, "_GRACE", 1.0)
        with pytest.raises(CompileError) as caught:
            compile_model(model, CompileOptions(compiler="ssh://host", timeout=1))
        assert str(caught.value) == f"{model}: edgetpu_compiler did not finish within 2 s on host"
        assert_ended(tmp_path / "pids")
        assert calls.all()[-1][-1].startswith("rm -rf /tmp/edgeq-")

    def test_host_that_does_not_let_us_in(
        self, calls: Calls, model: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("EDGEQ_FAKE_SSH", "refused")
        with pytest.raises(MissingTool) as caught:
            compile_model(model, CompileOptions(compiler="ssh://pi@board"))
        assert str(caught.value) == (
            "edgetpu_compiler: does not answer on pi@board: "
            "pi@board: Permission denied (publickey)."
        )
        assert caught.value.hint == "ssh must reach the host without a password: try it by hand"

    @pytest.mark.parametrize(
        ("text", "door"),
        [
            ("ssh://host", SshDoor("host")),
            ("ssh://me@host:22", SshDoor("me@host", 22)),
            (
                "ssh://me@host/opt/edgetpu_compiler",
                SshDoor("me@host", None, "/opt/edgetpu_compiler"),
            ),
        ],
    )
    def test_addresses(self, text: str, door: SshDoor) -> None:
        assert open_door(text) == door
        assert door.place == text

    @pytest.mark.parametrize(
        "text", ["ssh://", "ssh://-oProxyCommand=x", "ssh://a b", "ssh://h:x", "ssh://$(id)"]
    )
    def test_addresses_that_are_none(self, text: str) -> None:
        with pytest.raises(ConfigError, match="--compiler is "):
            open_door(text)


class TestDoctor:
    def test_all_ways(self, calls: Calls) -> None:
        named, docker, ssh = check_doors("ssh://host")
        assert (named.door, named.works) == ("ssh://host", True)
        assert named.found == "edgetpu_compiler 16.0.384591198"
        assert (docker.works, docker.remedy) == (True, "use it with --compiler docker")
        assert not ssh.works
        assert "build" not in calls.verbs()

    def test_nothing_there(
        self, calls: Calls, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setenv("PATH", str(tmp_path))
        findings = check_doors()
        assert [one.works for one in findings] == [False, False, False]
        assert all(one.remedy for one in findings)
